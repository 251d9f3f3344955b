"""The verification of one commit: its request is rebuilt and decided again, and the result must be identical to it.

State and agents come from the parent, or from the ledger commit that a commit on a review branch names. The time is the
commit's own. Nothing is read from the checkout.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
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
from opsgit.storage.git import Object
from opsgit.storage.index import Index
from opsgit.storage.objects import EXECUTABLE, FILE, FOLDER, Commit, Entry, Objects, Pair, parse_commit
from opsgit.storage.reader import TreeReader, clock_of

HINT = "opsgit help lifecycle"
NAMES = "Opsgit-File: "
NAMED_MAX = 20  # files of a commit that are read ahead; an operation on a record writes one
MOST = 10_000  # tree entries that one operation may change; no operation comes close to it


@dataclass(eq=False, repr=False)
class Judge:
    """The verifier of single commits of one repository."""

    objects: Objects
    index: Index
    named: dict[str, dict[str, str]] = field(default_factory=dict)  # files that the next commits name; see `read_ahead`

    def read_ahead(self, commits: Sequence[str]) -> None:
        """Read commits that are judged next, and the files that their messages name, with the folders of these files.

        This proves nothing: it tells `_expected` which files to expect.

        :param commits: hex ids.
        """
        self.named.clear()
        with contextlib.suppress(Refused):  # of an object that cannot be read: it is met again when it is judged
            self._read_ahead(commits)

    def _read_ahead(self, commits: Sequence[str]) -> None:
        self.objects.read(commits)
        wanted = list(dict.fromkeys((one, path) for one in commits for path in _named_files(self.objects.get(one))))
        folders = [(one, folder) for one, path in wanted for folder in _folders(path)]
        self.objects.read_at([(one, folder) for one, folder in dict.fromkeys(folders)])
        missing = set()
        for (one, path), found in zip(wanted, self.objects.read_at(wanted), strict=True):
            if found and found.type == "blob":
                self.named.setdefault(one, {})[path] = found.id
            else:  # a file that was removed may have been a folder, or the reverse: the trees are compared
                missing.add(one)
        for one in missing:
            self.named.pop(one, None)

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
        pairs = self._expected(commit_id, before, commit)
        whole = pairs is not None  # then nothing else differs
        if pairs is None:
            pairs = dict(self.objects.differences(before, commit.tree, most=MOST))
        snapshot = self._as_seen(commit, said, plain)
        try:
            answer = self._answer(commit, said, agent, snapshot, pairs)
        except Refused as refused:
            if refused.refusal.exit not in (1, 9) and refused.refusal.code != "WRONG_FILE":
                self._blame_form(pairs)
            raise
        if not whole:
            self.same_tree(before, commit, pairs)
        same_message(commit, said, answer, plain)
        return answer

    def _answer(
        self, commit: Commit, said: Message, agent: Agent, snapshot: Snapshot, pairs: Mapping[str, Pair]
    ) -> Change:
        answer = decide(snapshot, self._request(said, agent, snapshot, pairs), commit.time)
        if not isinstance(answer, Change):
            raise Refused(answer)
        self._same_files(said, answer, pairs)
        return answer

    def _blame_form(self, pairs: Mapping[str, Pair]) -> None:
        """Refuse a record that is not in the canonical form: that leads to other refusals, which would mislead."""
        for path, (_, entry) in pairs.items():
            try:
                if entry:
                    self.in_form(path, entry)
            except Refused as refused:
                if refused.refusal.code == "NOT_CANONICAL":
                    raise

    def in_form(self, path: str, entry: Entry) -> None:
        """Refuse a record that is not in the canonical form.

        The rule book writes canonical bytes: what it would write itself needs no such look.

        :raises Refused: `NOT_CANONICAL`, `REPOSITORY_BROKEN`, and the codes of the check of a record.
        """
        if names.is_managed(path) or path == names.PROJECT:
            return
        content = self.objects.need(entry.id, "blob").content
        if canonical.normalized(names.place(path).kind, reader.checked_record(content, path)) != content:
            refuse("NOT_CANONICAL", f"{path} is not in the canonical form", f"opsgit fmt {path}", path)

    def _expected(self, commit_id: str, before: str, commit: Commit) -> dict[str, Pair] | None:
        """Return the changed files if they are just those that the message names; None: the trees must be compared.

        The parent's tree with these files in it must have the id of the commit's tree. So nothing else differs, and the
        commit's tree need not be searched.
        """
        found = {path: Entry(FILE, blob) for path, blob in self.named.get(commit_id, {}).items()}
        pairs: dict[str, Pair] = {path: (self.objects.entry(before, path), entry) for path, entry in found.items()}
        fits = found and all(old is None or (old.mode != FOLDER and old != new) for old, new in pairs.values())
        return pairs if fits and self.objects.id_of(before, found) == commit.tree else None

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

    def content(self, path: str, entry: Entry | None) -> Any:
        """Return the content of a path after a commit, in the form that `rebuild.request` expects.

        :param entry: the tree entry at the path; None when the file is removed.
        :returns: None, a `ManagedFile`, a pair of record and bytes for ops.yaml, or else the record.
        :raises Refused: `WRONG_FILE`, `REPOSITORY_BROKEN`, and the codes of the check of a record.
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
        return (record, content) if kind == "project" else record

    def same_tree(self, before: str | None, commit: Commit, pairs: Mapping[str, Pair]) -> None:
        """Refuse a tree that differs from the parent's tree in anything except the changed files.

        An empty folder is such a difference.

        :param before: the id of the parent's tree, None for a genesis.
        :param pairs: for each changed path the entry before and the entry after.
        :raises Refused: `BAD_TREE`.
        """
        if self.objects.id_of(before, {path: after for path, (_, after) in pairs.items()}) != commit.tree:
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


def _named_files(found: Object | None) -> list[str]:
    """Return the paths that the message of a commit names; none if it is not one that `read_ahead` should trust.

    Nobody has judged the commit yet: it may name anything.
    """
    lines = found.content.decode("utf-8", "replace").split("\n") if found and found.type == "commit" else []
    paths = [line.removeprefix(NAMES).rpartition(" sha256:")[0] for line in lines if line.startswith(NAMES)]
    return paths if len(paths) <= NAMED_MAX and all(map(_is_record, paths)) else []


def _is_record(path: str) -> bool:
    try:
        return names.place(path).kind != "managed"
    except Refused:
        return False


def _folders(path: str) -> list[str]:
    """Return the folders above a file, the outermost first."""
    parts = path.split("/")[:-1]
    return ["", *("/".join(parts[: number + 1]) for number in range(len(parts)))]


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
