"""The verification of one commit: its request is rebuilt and decided again, and the result must be identical to it.

State and agents come from the parent, or from the ledger commit that a commit on a review branch names. The time is the
commit's own. Nothing is read from the checkout.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from opsgit.domain import agents, canonical, message, names, rebuild, rules
from opsgit.domain.decide import decide
from opsgit.domain.message import Message
from opsgit.domain.model import Agent
from opsgit.domain.operation import BRANCH, LEDGER, MERGE, RESET_CLOCK
from opsgit.domain.records import Record
from opsgit.domain.refusals import Refused, refuse
from opsgit.domain.request import Change, ManagedFile, Request, Snapshot
from opsgit.domain.vocabulary import IN_REVIEW
from opsgit.storage import reader, signed, sshsig
from opsgit.storage.branch import overlaid
from opsgit.storage.index import Index
from opsgit.storage.objects import EXECUTABLE, FILE, Commit, Entry, Objects, Pair, parse_commit
from opsgit.storage.reader import TreeReader, clock_of

HINT = "opsgit help lifecycle"
MOST = 10_000  # tree entries that one operation may change; no operation comes close to it


@dataclass(eq=False, repr=False)
class Judge:
    """The verifier of single commits of one repository."""

    objects: Objects
    index: Index

    def commit(self, commit_id: str) -> Commit:
        """Return the parts of a commit.

        :param commit_id: hex id of 40 or 64 digits.
        :raises Refused: `BAD_COMMIT` or `BAD_SIGNATURE` when it is not in the accepted form; `REPOSITORY_BROKEN` when
            it is missing.
        """
        return parse_commit(self.objects.need(commit_id, "commit").content)

    def state(self, commit_id: str) -> Snapshot:
        """Return the state at a ledger commit."""
        return Snapshot(TreeReader(self.objects, self.index, commit_id))

    def state_of_tree(self, tree_id: str) -> TreeReader:
        """Return the state in a tree that belongs to no verified commit yet."""
        return TreeReader(self.objects, self.index, "", tree_id)

    def judge(self, commit_id: str) -> Change:
        """Return the change that a commit carries out.

        :param commit_id: a ledger commit with a parent, a verdict merge, or a commit on a review branch; hex id of 40
            or 64 digits.
        :raises Refused: the codes of the rule book, and `BAD_MERGE`, `BAD_SIGNATURE`, `BAD_COMMIT`, `BAD_TREE`,
            `WRONG_REF`, `WRONG_FILE`, `NOT_CANONICAL`, `CONTENT_MISMATCH`, `MESSAGE_MISMATCH`, `REPOSITORY_BROKEN` or
            the codes of the check of a record.
        """
        commit = self.commit(commit_id)
        if len(commit.parents) > 2:
            refuse("BAD_MERGE", "no operation has more than two parents", HINT)
        said = message.parse(commit.message)
        plain = self.state(said.ledger or commit.parents[0])
        agent = signer(commit, plain)
        self._in_order(commit, said, plain)
        before = self.objects.root(commit.parents[0])
        pairs = dict(self.objects.differences(before, commit.tree, most=MOST))
        snapshot = self._as_seen(commit, said, plain)
        request = self._request(said, agent, snapshot, pairs)
        answer = decide(snapshot, request, commit.time)
        if not isinstance(answer, Change):
            raise Refused(answer)
        self._same_files(said, answer, pairs)
        self.same_tree(before, commit, pairs)
        same_message(commit, said, answer, plain)
        return answer

    def _in_order(self, commit: Commit, said: Message, plain: Snapshot) -> None:
        """Refuse a commit that is older than a parent, unless the clock was reset between them."""
        for parent in commit.parents if said.op != RESET_CLOCK else ():
            older = self.commit(parent).time > commit.time
            if older and clock_of(self.objects, self.index, parent) == plain.project.clock:
                refuse("BAD_COMMIT", "the commit is older than its parent", "set the clock")

    def _as_seen(self, commit: Commit, said: Message, plain: Snapshot) -> Snapshot:
        """Return the state; for review branch commits and verdicts it has the review branch's version of the task."""
        branch = commit.parents[0] if said.ledger else commit.parents[1] if len(commit.parents) == 2 else None
        if branch is None or not said.files:
            return plain
        path = said.files[0][0]
        if names.place(path).kind != "task":
            refuse("BAD_MERGE", f"a review is of a task, not of {path}", HINT, path)
        if (plain.record(path) or {}).get("status") != IN_REVIEW:
            # doubled: Chain.branch requires that the task's file did not change after the submission
            refuse("BAD_MERGE", f"{path} is not in review on the ledger", HINT, path)
        ledger = TreeReader(self.objects, self.index, said.ledger or commit.parents[0])
        return overlaid(ledger, TreeReader(self.objects, self.index, branch), names.place(path).name)

    def _request(self, said: Message, agent: Agent, snapshot: Snapshot, pairs: Mapping[str, Pair]) -> Request:
        before: dict[str, Record | None] = {}
        after: dict[str, Any] = {}
        for path, (_, entry) in pairs.items():
            after[path] = self.content(path, entry)
            before[path] = None if names.is_managed(path) else snapshot.record(path)
        book = rules.in_force(snapshot.project)
        request = rebuild.request(book, said, agent.name, before, after)
        if "proved" not in book.operation(said.op).arguments:
            return request
        get, repository = request.get, snapshot.project.repository
        proved = sshsig.proves(repository, request.target, str(get("key")), str(get("proof")))
        return replace(request, fields={**request.fields, "proved": proved})

    def content(self, path: str, entry: Entry | None, in_form: bool = True) -> Any:
        """Return the content of a path after a commit, in the form that `rebuild.request` expects.

        :param entry: the tree entry at the path; None when the file is removed.
        :param in_form: whether to refuse a record that is not in the canonical form; False for hand edits.
        :returns: None, a `ManagedFile`, a pair of record and bytes for ops.yaml, or else the record.
        :raises Refused: `WRONG_FILE`, `NOT_CANONICAL`, `REPOSITORY_BROKEN`, and the codes of the check of a record.
        """
        kind = names.place(path).kind
        runs = kind == "managed" and path.startswith("gates/")
        if entry and entry.mode != FILE and not (runs and entry.mode == EXECUTABLE):
            refuse("WRONG_FILE", f"{path} has mode {entry.mode}", f"git rm --cached {path}", path)
        if entry is None:
            return None
        content = self.objects.need(entry.id, "blob").content
        if kind == "managed":
            return ManagedFile(content, entry.mode == EXECUTABLE)
        record = reader.checked_record(content, path)
        if kind == "project":
            return record, content
        if in_form and canonical.normalized(kind, record) != content:
            refuse("NOT_CANONICAL", f"{path} is not in the canonical form", f"opsgit fmt {path}", path)
        return record

    def same_tree(self, before: str | None, commit: Commit, pairs: Mapping[str, Pair]) -> None:
        """Refuse a tree that differs from the parent's tree in anything except the changed files.

        An empty folder is such a difference.

        :param before: the id of the parent's tree, None for a genesis.
        :param pairs: for each changed path the entry before and the entry after.
        :raises Refused: `BAD_TREE`.
        """
        scratch = Objects(self.objects.git, self.objects.width, trees=self.objects.trees)
        if scratch.replaced(before, {path: after for path, (_, after) in pairs.items()}) != commit.tree:
            refuse("BAD_TREE", "the commit's tree holds something beside its files", "git fsck --full")

    def _same_files(self, said: Message, change: Change, pairs: Mapping[str, Pair]) -> None:
        """Refuse files whose bytes are not those that the rule book writes for the request."""
        for edit in change.edits:
            entry = pairs.get(edit.path, (None, None))[1]
            if self._held(entry) != (edit.content, edit.executable):
                refuse("CONTENT_MISMATCH", f"{edit.path} is not what {said.op} writes", HINT, edit.path)
        if set(pairs) != {edit.path for edit in change.edits}:
            # doubled: rebuild.request accepts one file, and for file.set it takes all changed files
            refuse("CONTENT_MISMATCH", f"{said.op} does not touch {sorted(pairs)}", HINT)

    def _held(self, entry: Entry | None) -> tuple[bytes | None, bool]:
        return (self.objects.need(entry.id, "blob").content, entry.mode == EXECUTABLE) if entry else (None, False)


def signer(commit: Commit, snapshot: Snapshot) -> Agent:
    """Return the agent that signed a commit. Author, address and key must be those of one active agent.

    :param snapshot: the state before the commit.
    :raises Refused: `BAD_SIGNATURE`, `BAD_COMMIT`.
    """
    agent = snapshot.find_agent(commit.name)
    if not (agent and agent.status == "active" and signed.key_of(commit, agent.active_keys)):
        refuse("BAD_SIGNATURE", f"no active key of {commit.name} signed this commit", "opsgit agent show NAME")
    if commit.email != agents.address(agent, snapshot.project.repository):
        refuse("BAD_COMMIT", f"{commit.email} is not the address of {agent.name}", "opsgit whoami")
    return agent


def same_message(commit: Commit, said: Message, change: Change, plain: Snapshot) -> None:
    """Refuse a commit whose parents, ref or message are not those of its change.

    :param said: the parsed message.
    :param plain: the state on the ledger by which the commit is decided.
    :raises Refused: `BAD_MERGE`, `WRONG_REF`, `MESSAGE_MISMATCH`.
    """
    on = BRANCH if said.ledger else MERGE if len(commit.parents) == 2 else LEDGER
    if change.on != on:
        refuse("BAD_MERGE", f"{said.op} belongs on {change.on}, not on {on}", HINT)
    ref = names.review_ref(change.request.target) if said.ledger else names.MAIN
    repository = plain.project.repository
    if (said.repository, said.ref) != (repository, ref):
        refuse("WRONG_REF", f"the commit was made for {said.repository} {said.ref}", "opsgit help format")
    if message.generate(change, repository, ref, said.ledger) != commit.message:
        refuse("MESSAGE_MISMATCH", "the message is not the one that its change generates", "opsgit help format")
