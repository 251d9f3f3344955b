"""Transactions: decide requests in order, make signed commits in memory, and publish them together."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from opsgit.domain import agents, message, names, times
from opsgit.domain.decide import decide
from opsgit.domain.message import Message
from opsgit.domain.model import Submission
from opsgit.domain.operation import BRANCH, LEDGER, RESET_CLOCK
from opsgit.domain.records import Record, from_record
from opsgit.domain.refusals import Refused, refuse
from opsgit.domain.request import Change, Edit, Request, Snapshot
from opsgit.domain.times import AHEAD_MAX
from opsgit.domain.values import Value, positional
from opsgit.domain.vocabulary import IN_REVIEW
from opsgit.storage import attachment, checkout, log
from opsgit.storage.attachment import Files
from opsgit.storage.branch import newest, overlaid
from opsgit.storage.disk import Damaged
from opsgit.storage.git import object_id
from opsgit.storage.ledger import move_refs, new_id, seal
from opsgit.storage.objects import AHEAD, EXECUTABLE, FILE, Commit, Entry, Objects, parse_commit
from opsgit.storage.reader import clock_of, read_record
from opsgit.storage.repository import Repository
from opsgit.storage.submissions import SUBMITS

Clock = Callable[[], float]


class Lost(Exception):  # noqa: N818 - it is a result: somebody else was first, and the operation is decided again
    """Somebody else has moved a ref at the remote first."""


@positional
class Written(Value):
    """A commit that a transaction made: its hex id and its change."""

    id: str
    change: Change


@dataclass(eq=False, repr=False)
class Transaction:
    """Operations decided in order on the ledger's tip. Nothing is part of the history before `publish`.

    The caller holds the repository's lock if it publishes. `base` is the commit that the operations go on from: main,
    unless the caller names another one. `main` is main's tip at the beginning, and `tip` the tip after the operations
    so far. `clock` returns seconds after the epoch. `branches` maps review branches to their old and new tips.
    `attachments` holds the files of deliverables by digest, or the tree (hex id) of those that are objects already; a
    submission with one of these digests is attached. `attached` maps the refs of attachments to their trees. `kept` is
    the number of operations in `written`, of a large transaction, of which the contents are no longer in memory:
    `noted` has what the index needs of them, as JSON. If it is `brief`, only the last one stays in `written`.
    `unfinished` has a message if the checkout could not be refreshed after publishing.
    """

    repository: Repository
    clock: Clock = time.time
    base: str = ""
    objects: Objects = field(init=False)
    main: str = field(init=False)
    tip: str = field(init=False)
    written: list[Written] = field(default_factory=list)
    branches: dict[str, tuple[str | None, str | None]] = field(default_factory=dict)
    found: dict[str, str | None] = field(default_factory=dict)
    files: dict[str, Entry | None] = field(default_factory=dict)
    attachments: Mapping[str, Files | str] = field(default_factory=dict)
    attached: dict[str, str] = field(default_factory=dict)
    unfinished: str = ""
    noted: list[str] = field(default_factory=list)
    kept: int = 0
    brief: bool = False

    def __post_init__(self) -> None:
        self.objects = self.repository.objects()
        self.main = self.repository.tip()
        self.base = self.tip = self.base or self.main

    def snapshot(self, task_id: str | None = None) -> Snapshot:
        """Return the state at the tip.

        :param task_id: a task; while it is in review, its review branch's version of the task is used.
        """
        reader = self.repository.reader(self.objects, self.tip)
        branch = self.reviewed(task_id) if task_id else None
        if not task_id or not branch:
            return Snapshot(reader)
        return overlaid(reader, self.repository.reader(self.objects, branch), task_id)

    def reviewed(self, task_id: str) -> str | None:
        """Return the hex id of the review branch's tip if a task is in review, else None."""
        return self.branch(task_id) if self.in_review(task_id) else None

    def in_review(self, task_id: str) -> bool:
        """Return whether a task is in review at the tip."""
        found = self.repository.reader(self.objects, self.tip).record(names.task_path(task_id))
        return bool(found and found["status"] == IN_REVIEW)

    def branch(self, task_id: str) -> str | None:
        """Return the hex id of the tip of a task's review branch, or None.

        :raises Refused: `STALE` if the branch has diverged here and at a remote.
        """
        ref = names.review_ref(task_id)
        if ref not in self.branches and ref not in self.found:
            self.found[ref] = newest(self.repository.git, self.objects, task_id, self.tip)
        return self.branches[ref][1] if ref in self.branches else self.found[ref]

    def decide(self, request: Request) -> Change:
        """Return the change that the rule book makes of a request now.

        :raises Refused: if the rule book refuses the request; as `now`.
        """
        task_id = request.target if request.op.startswith(("task.", "review.")) else None
        answer = decide(self.snapshot(task_id), request, self.now(task_id, request.op))
        if not isinstance(answer, Change):
            raise Refused(answer)
        return answer

    def now(self, task_id: str | None = None, op: str = "") -> int:
        """Return the time of the next commit in seconds after the epoch: the clock's, but not before a parent's time.

        A parent from before the latest reset of the clock does not count, and the reset itself has the clock's time.

        :param op: the operation's name.
        :raises Refused: `CLOCK` if a parent is more than 5 minutes ahead of the clock.
        """
        clock = int(self.clock())
        if op == RESET_CLOCK:
            return clock
        ahead = max(self.time(), self._branch_time(task_id, clock)) - clock
        if ahead > AHEAD_MAX:
            refuse("CLOCK", f"the last commit is {ahead} seconds ahead of this machine's clock",
                   "set the clock (NTP); if that commit's clock was wrong: opsgit project reset-clock")  # fmt: skip
        return clock + max(0, ahead)

    def _branch_time(self, task_id: str | None, clock: int) -> int:
        """Return the time of a review's newest commit if it is ahead of the clock and knows of its latest reset."""
        branch = self.reviewed(task_id) if task_id else None
        if branch is None or self.time(branch) <= clock:
            return 0
        here, there = (clock_of(self.objects, self.repository.index, one) for one in (self.tip, branch))
        return self.time(branch) if here == there else 0

    def time(self, commit: str = "") -> int:
        """Return the time of a commit in seconds after the epoch.

        :param commit: hex id; empty for the ledger's newest commit.
        """
        return parse_commit(self.objects.need(commit or self.tip, "commit").content).time

    def perform(self, request: Request) -> Written:
        """Decide a request and make its commit: on the ledger, on the review branch, or as a merge of that branch.

        :raises Refused: if the rule book refuses the request; `REVIEW_BRANCH_MISSING`; as `ledger.seal`.
        """
        change = self.decide(request if request.id else replace(request, id=new_id()))
        branch = self.branch(request.target) if change.on != LEDGER else None
        if change.on != LEDGER and branch is None:
            refuse("REVIEW_BRANCH_MISSING", half_pushed(request.target), mend_half_pushed(request.target))
        made = self._on_branch(change, branch) if change.on == BRANCH and branch else self._on_ledger(change, branch)
        self.written.append(made)
        self._attach(change)
        if self.objects.size > AHEAD:
            self.objects.relieve()
            self._forget_contents()
        return made

    def _forget_contents(self) -> None:
        """Forget what the operations so far wrote, because it would fill the memory; keep what the index needs."""
        start, self.kept = self.kept, len(self.written)
        for one in self.written[start:]:
            if one.change.on != BRANCH:
                self.noted.append(json.dumps(self._entry_of(one)))
        self.written[start:] = [Written(one.id, _without_contents(one.change)) for one in self.written[start:]]
        if self.brief:
            del self.written[:-1]
            self.kept = 1

    def _attach(self, change: Change) -> None:
        """Attach the files of a submission or revision, if they are known."""
        found = self.attachments.get(str(change.request.get("digest")))
        if found and change.request.op in SUBMITS:
            submission = (change.edits[0].record or {})["submission"]
            version = from_record(Submission, submission).version
            tree = found if isinstance(found, str) else attachment.add(self.objects, found)
            self.attached[names.attachment_ref(change.request.target, version)] = tree

    def _on_ledger(self, change: Change, branch: str | None) -> Written:
        entries = self._entries(change.edits)
        tree = self.objects.replaced(self.objects.root(self.tip), entries)
        parents = (self.tip, branch) if branch else (self.tip,)
        made = self._commit(change, tree, parents, names.MAIN, None)
        self.tip = made.id
        self.files.update(entries)
        task_id = change.request.target
        if change.after == IN_REVIEW and change.on == LEDGER:
            self._set_branch(task_id, made.id)
        elif branch:
            self._set_branch(task_id, None)
        return made

    def _on_branch(self, change: Change, branch: str) -> Written:
        tree = self.objects.replaced(self.objects.root(branch), self._entries(change.edits))
        ref = names.review_ref(change.request.target)
        made = self._commit(change, tree, (branch,), ref, self.tip)
        self._set_branch(change.request.target, made.id)
        return made

    def _set_branch(self, task_id: str, commit: str | None) -> None:
        ref = names.review_ref(task_id)
        old = self.branches[ref][0] if ref in self.branches else self.repository.git.ref(ref)
        self.branches[ref] = (old, commit)

    def _entries(self, edits: Iterable[Edit]) -> dict[str, Entry | None]:
        return {edit.path: self._entry(edit) for edit in edits}

    def _entry(self, edit: Edit) -> Entry | None:
        if edit.content is None:
            return None
        blob = self.objects.add("blob", edit.content)
        if edit.record is not None:
            self.repository.index.keep(blob, edit.record)
        return Entry(EXECUTABLE if edit.executable else FILE, blob)

    def _commit(self, change: Change, tree: str, parents: tuple[str, ...], ref: str, ledger: str | None) -> Written:
        snapshot = Snapshot(self.repository.reader(self.objects, self.tip))
        agent, repository = snapshot.agent(change.request.actor), snapshot.project.repository
        text = message.generate(change, repository, ref, ledger)
        email = agents.address(agent, repository)
        commit = Commit(tree, parents, agent.name, email, times.seconds(change.at), "", text)
        made = self.objects.add("commit", seal(self.repository.keys, agent, commit, self.objects.width))
        return Written(made, change)

    def store(self) -> None:
        """Write and sync the objects; no ref moves yet.

        :raises Refused: `UNCOMMITTED_EDIT` before anything is written.
        :raises OSError: if an object cannot be written.
        """
        shown = checkout.of(self.repository, self.objects)
        if shown and self.main == self.base:
            shown.refuse_edits(self.files, self.base)
        self.objects.write()

    def publish(self, afterwards: Callable[[], None] = lambda: None) -> None:
        """Move the refs from their old values, then refresh the checkout and the index; `store` first, if need be.

        :param afterwards: what follows when the refs have moved and the index is up to date; git may still be writing
            its own index. It is not called if checkout or index could not be refreshed.
        :raises OSError: as `store`.
        :raises Refused: as `store`; `BUSY` or `REF_MOVED` if a ref cannot be moved: the ledger is unchanged then, but
            review branches may have moved.
        """
        if self.objects.new or self.objects.packs:
            self.store()
        shown = checkout.of(self.repository, self.objects)
        self._move_refs()

        def follow() -> None:
            self._advance_index()
            afterwards()

        try:
            if shown:
                shown.show(self.tip, meanwhile=follow)
            else:
                follow()
        except (OSError, Refused, Damaged) as error:  # the commits are published: a failure here must not say otherwise
            self.unfinished = f"published, but the checkout was not refreshed ({error}); the next command mends it"

    def _move_refs(self) -> None:
        """Move the refs: first review branches that have new commits, then main; then delete merged branches."""
        zero = "0" * self.objects.width
        moves = [(ref, tree, zero) for ref, tree in self.attached.items() if self.repository.git.ref(ref) != tree]
        moves += [(ref, new, old or zero) for ref, (old, new) in self.branches.items() if new and new != old]
        if self.tip != self.main:
            moves.append((names.MAIN, self.tip, self.main))
        last = self.written[-1].change if self.written else None
        gone = [(ref, old) for ref, (old, new) in self.branches.items() if not new and old]
        by, why = (last.request.actor, last.subject) if last else ("opsgit", "sync")
        self.unfinished = move_refs(self.repository, moves, gone, by, f"opsgit: {why}")

    def _advance_index(self) -> None:
        index = self.repository.index
        blobs = ((path, entry.id if entry else None) for path, entry in self.files.items())
        if index.tip() == self.base:
            index.advance(self.base, self.tip, blobs, self._record, self._log())

    def _record(self, path: str, blob: str) -> Record:
        return read_record(self.objects, self.repository.index, path, blob)

    def _log(self) -> Iterator[dict[str, Any]]:
        """Yield the history entries of the operations on the ledger."""
        yield from map(json.loads, self.noted)
        yield from (self._entry_of(one) for one in self.written[self.kept :] if one.change.on != BRANCH)

    def _entry_of(self, one: Written) -> dict[str, Any]:
        change = one.change
        record = change.edits[0].record or {}
        path = change.edits[0].path
        said = Message(change.subject, change.request.note, change.request.op, "", "", None, ((path, ""),))
        entry = log.summarize(one.id, times.seconds(change.at), change.request.actor, said, record)
        content = change.edits[0].content
        blob = {} if content is None else {"blob": object_id("blob", content, self.objects.width)}
        return {**entry, **blob}


def _without_contents(change: Change) -> Change:
    edits = tuple(Edit(edit.path, b"") for edit in change.edits)
    return replace(change, edits=edits, request=replace(change.request, fields={}))


def half_pushed(task_id: str) -> str:
    """Return what is wrong if a task is in review on the ledger and its review branch is missing here."""
    return f"{task_id} is in review on the ledger, and its branch review/{task_id} is not here: main came without it"


def mend_half_pushed(task_id: str) -> str:
    """Return the commands that bring a missing review branch here."""
    return f"where it was submitted: git push origin review/{task_id}; then here: git fetch"
