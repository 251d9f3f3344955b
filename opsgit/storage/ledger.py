"""The ledger writer: decided changes become signed commits in memory, and are published at once or not at all."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from opsgit.domain import agents, message, names, times
from opsgit.domain.decide import decide
from opsgit.domain.message import Message
from opsgit.domain.model import Agent
from opsgit.domain.records import Record
from opsgit.domain.refusals import Refused, refuse
from opsgit.domain.request import Change, Edit, Request, Snapshot
from opsgit.domain.vocabulary import IN_REVIEW
from opsgit.storage import checkout, log, schema, sshsig, yaml_codec
from opsgit.storage.branch import newest, said
from opsgit.storage.disk import Damaged
from opsgit.storage.keys import KeyStore
from opsgit.storage.objects import (
    EXECUTABLE,
    FILE,
    Commit,
    Entry,
    Objects,
    parse_commit,
    signed_commit,
    unsigned_commit,
)
from opsgit.storage.repository import Repository

AHEAD = 300  # seconds that the last commit may lie ahead of this machine's clock
ROOM = 16 * 1024  # bytes of a task's file that are kept for what ends a review or a task
ENDS = frozenset({"review.approve", "review.reject", "review.withdraw", "review.sign-off", "task.cancel", "task.trim",
                  "task.deploy-start", "task.deploy-finish", "task.deploy-abandon", "task.rollback"})  # fmt: skip
Clock = Callable[[], float]


@dataclass(frozen=True, repr=False)
class Written:
    """One commit that a transaction made."""

    id: str
    change: Change


@dataclass(eq=False, repr=False)
class Transaction:
    """Operations decided one after the other on the ledger's tip, under the repository's lock.

    Nothing is on disk before `publish`, and everything after it.
    """

    repository: Repository
    clock: Clock = time.time
    objects: Objects = field(init=False)
    base: str = field(init=False)
    tip: str = field(init=False)
    written: list[Written] = field(default_factory=list)
    branches: dict[str, tuple[str | None, str | None]] = field(default_factory=dict)
    found: dict[str, str | None] = field(default_factory=dict)
    files: dict[str, Entry | None] = field(default_factory=dict)
    records: dict[str, Record] = field(default_factory=dict)
    unfinished: str = ""

    def __post_init__(self) -> None:
        self.objects = self.repository.objects()
        self.base = self.tip = self.repository.tip()

    def snapshot(self, task_id: str | None = None) -> Snapshot:
        """The state at the tip; with a task that is in review, its branch's version laid over."""
        reader = self.repository.reader(self.objects, self.tip)
        branch = self.reviewed(task_id) if task_id else None
        if not task_id or not branch:
            return Snapshot(reader)
        path = names.task_path(task_id)
        over = self.repository.reader(self.objects, branch).record(path)
        return Snapshot(reader, {path: over} if over else {}, lambda: said(self.objects, branch, Snapshot(reader)))

    def reviewed(self, task_id: str) -> str | None:
        """The tip of the review branch of a task that is in review, or None."""
        found = self.repository.reader(self.objects, self.tip).record(names.task_path(task_id))
        return self.branch(task_id) if found and found["status"] == IN_REVIEW else None

    def branch(self, task_id: str) -> str | None:
        """The tip of a task's review branch, or None."""
        ref = names.review_ref(task_id)
        if ref not in self.branches and ref not in self.found:
            self.found[ref] = newest(self.repository.git, self.objects, task_id, self.tip)
        return self.branches[ref][1] if ref in self.branches else self.found[ref]

    def decide(self, request: Request) -> Change:
        """What the rule book says to a request now; raises `Refused` when it says no."""
        task_id = request.target if request.op.startswith(("task.", "review.")) else None
        answer = decide(self.snapshot(task_id), request, self.now(task_id))
        if not isinstance(answer, Change):
            raise Refused(answer)
        return answer

    def now(self, task_id: str | None = None) -> int:
        """The time of the next commit: the clock's, never before a parent's; refuses with `CLOCK` if that is far."""
        tips = [self.tip, self.reviewed(task_id) if task_id else None]
        parents = [parse_commit(self.objects.need(tip, "commit").content).time for tip in tips if tip]
        clock = int(self.clock())
        if max(parents) > clock + AHEAD:
            refuse("CLOCK", f"the last commit is {max(parents) - clock} seconds ahead of this machine's clock",
                   "set the clock (NTP), or wait")  # fmt: skip
        return max(clock, *parents)

    def perform(self, request: Request) -> Written:
        """Decide a request and make its commit, on the ledger, on the review branch, or as a merge of it."""
        change = self.decide(request)
        check_sizes(change)
        branch = self.branch(request.target) if change.on != "ledger" else None
        if change.on != "ledger" and branch is None:
            refuse("REVIEW_BRANCH_MISSING", half_pushed(request.target), mend_half_pushed(request.target))
        made = self._on_branch(change, branch) if change.on == "branch" and branch else self._on_ledger(change, branch)
        self.written.append(made)
        return made

    def _on_ledger(self, change: Change, branch: str | None) -> Written:
        entries = self._entries(change.edits)
        tree = self.objects.replaced(self.objects.root(self.tip), entries)
        parents = (self.tip, branch) if branch else (self.tip,)
        made = self._commit(change, tree, parents, names.MAIN, None)
        self.tip = made.id
        self.files.update(entries)
        task_id = change.request.target
        if change.after == IN_REVIEW and change.on == "ledger":
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
        content = content_of(edit)
        if content is None:
            return None
        if edit.record is not None:
            schema.check(names.place(edit.path).kind, edit.record, edit.path)
        blob = self.objects.add("blob", content)
        if edit.record is not None:
            self.records[blob] = edit.record
            self.repository.index.keep([(blob, edit.record)])
        return Entry(EXECUTABLE if edit.executable else FILE, blob)

    def _commit(self, change: Change, tree: str, parents: tuple[str, ...], ref: str, ledger: str | None) -> Written:
        snapshot = Snapshot(self.repository.reader(self.objects, self.tip))
        agent, repository = snapshot.agent(change.request.actor), snapshot.project.repository
        text = message.generate(change, repository, ref, digests(change.edits), ledger)
        email = agents.address(agent, repository)
        commit = Commit(tree, parents, agent.name, email, times.seconds(change.at), "", text)
        made = self.objects.add("commit", seal(self.repository.keys, agent, commit, self.objects.width))
        return Written(made, change)

    def publish(self) -> None:
        """Write and sync the objects, move the refs with their old values, show the result in the checkout.

        :raises Refused: `UNCOMMITTED_EDIT` before, `REF_MOVED` at the moment of publishing; then nothing has changed.
        """
        if not self.written:
            return
        shown = checkout.of(self.repository, self.objects)
        if shown:
            shown.refuse_edits(self.files, self.base)
        versions = checkout.pairs(self.objects, self.base, self.files.items())
        self.objects.write()
        self._move_refs(self.written[-1].change)
        try:
            if shown:
                shown.show(versions, self.tip)
            self._advance_index()
        except (OSError, Refused, Damaged) as error:  # it is published all the same: to fail now would be to lie
            self.unfinished = f"published, but the checkout was not refreshed ({error}); the next command mends it"

    def _move_refs(self, last: Change) -> None:
        """Review branches that are written move first, then main, then merged branches go."""
        zero = "0" * self.objects.width
        moves = [(ref, new, old or zero) for ref, (old, new) in self.branches.items() if new]
        steps = [f"update {ref} {new} {old}" for ref, new, old in moves]
        if self.tip != self.base:
            steps.append(f"update {names.MAIN} {self.tip} {self.base}")
        head = (self.repository.folder / "HEAD").read_text().strip()
        gone = [(ref, old) for ref, (old, new) in self.branches.items() if not new and old and head != f"ref: {ref}"]
        steps += [f"delete {ref} {old}" for ref, old in gone]  # but not the one that somebody looks at
        who = {"GIT_COMMITTER_NAME": last.request.actor, "GIT_COMMITTER_EMAIL": f"{last.request.actor}@opsgit"}
        script = "".join(f"start\n{step}\ncommit\n" for step in steps)
        words = ("-c", "core.fsync=all", "update-ref", "-m", f"opsgit: {last.subject}", "--stdin")
        done = self.repository.git.attempt(*words, given=script.encode(), env=who)
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip()
            locked = re.search(r"'([^']+\.lock)': File exists", said)
            if locked:
                refuse("BUSY", f"git holds {locked[1]}, or a crash left it there",
                       "try again; if no git is running: opsgit doctor --fix")  # fmt: skip
            refuse("REF_MOVED", f"a ref was moved by somebody else: {said[-300:]}", "try again")

    def _advance_index(self) -> None:
        index = self.repository.index
        blobs = {path: entry.id if entry else None for path, entry in self.files.items()}
        if index.tip() == self.base:
            made = [self._entry_of(one) for one in self.written if one.change.on != "branch"]
            index.advance(self.base, self.tip, blobs, lambda path, blob: self.records[blob], made)

    def _entry_of(self, one: Written) -> dict[str, Any]:
        change = one.change
        record = change.edits[0].record or {}
        path = change.edits[0].path
        said = Message(change.subject, change.request.note, change.request.op, "", "", None, ((path, ""),))
        return log.summarize(one.id, times.seconds(change.at), change.request.actor, said, record)


def half_pushed(task_id: str) -> str:
    """What is wrong when the ledger has a submission, and its review branch is not here."""
    return f"{task_id} is in review on the ledger, and its branch review/{task_id} is not here: main came without it"


def mend_half_pushed(task_id: str) -> str:
    """The commands that bring a review branch that was not pushed."""
    return f"where it was submitted: git push origin review/{task_id}; then here: git fetch"


def check_sizes(change: Change, size: Callable[[Edit], int] = lambda edit: len(content_of(edit) or b"")) -> None:
    """Refuse a file that no door would read again; whatever is done to a task leaves room for a verdict.

    :param size: the bytes of an edit's file, for who knows them without writing it again.
    """
    keeps = change.after is not None and change.request.op not in ENDS
    most = yaml_codec.SIZE_MAX - (ROOM if keeps else 0)
    for edit in change.edits:
        if size(edit) > most:
            refuse("FILE_FULL", f"{edit.path} would be larger than {most // 1024} KiB",
                   "an orchestrator may trim comments: opsgit task trim ID --keep 20", edit.path)  # fmt: skip


def content_of(edit: Edit) -> bytes | None:
    """The bytes that an edit writes, None when it removes the file."""
    if edit.record is None or edit.content is not None:
        return edit.content
    return yaml_codec.emit(names.place(edit.path).kind, edit.record)


def digests(edits: Iterable[Edit]) -> Mapping[str, str]:
    """The SHA-256 (hex) of each file that is written, `-` for one that is removed."""
    contents = ((edit.path, content_of(edit)) for edit in edits)
    return {path: "-" if content is None else hashlib.sha256(content).hexdigest() for path, content in contents}


def seal(keys: KeyStore, agent: Agent, commit: Commit, width: int) -> bytes:
    """The bytes of a commit signed by an agent's key.

    Refuses with `KEY_UNFIT` when the key here is not one of the agent's active ones (it may have been rotated or
    retired elsewhere): what `verify` would refuse is never published.

    :param width: 40 or 64, the length of ids in the repository.
    """
    unsigned = unsigned_commit(commit)
    signature = keys.sign(agent.name, unsigned)
    if not any(sshsig.verify(key, signature, unsigned, sshsig.GIT) for key in agent.active_keys):
        refuse("KEY_UNFIT", f"the key at {keys.path(agent.name)} is not an active key of {agent.name}",
               f"git pull, if it was rotated elsewhere; opsgit agent show {agent.name}")  # fmt: skip
    return signed_commit(unsigned, signature, width)
