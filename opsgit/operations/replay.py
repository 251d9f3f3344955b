"""Judging a commit: the request behind it is rebuilt and decided again, and the answer must be the commit.

The state, the time and the agents come from the commit's parents; nothing is taken from the checkout.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from opsgit.domain import agents, message, names, rebuild
from opsgit.domain.codes import Refused, refuse
from opsgit.domain.decide import decide
from opsgit.domain.message import Message
from opsgit.domain.model import Agent
from opsgit.domain.records import Record
from opsgit.domain.request import Change, Request, Snapshot
from opsgit.storage import reader, sshsig, yaml_codec
from opsgit.storage.index import Index
from opsgit.storage.ledger import content_of, digests
from opsgit.storage.objects import EXECUTABLE, FILE, Commit, Entry, Objects, Pair, parse_commit
from opsgit.storage.reader import TreeReader

PROVED = ("agent.add", "agent.rotate")


@dataclass(eq=False, repr=False)
class Judge:
    """Judges the commits of one repository, each by its parents."""

    objects: Objects
    index: Index

    def judge(self, commit_id: str) -> Change:
        """The change that a commit is; raises `Refused` when the rule book would not have made it.

        :param commit_id: a ledger commit with a parent, a verdict merge, or a commit on a review branch.
        """
        commit = parse_commit(self.objects.need(commit_id, "commit").content)
        said = message.parse(commit.message)
        ledger = said.ledger or commit.parents[0]
        plain = Snapshot(TreeReader(self.objects, self.index, ledger))
        agent = self._signer(commit, plain)
        self._in_order(commit)
        pairs = dict(self.objects.differences(self.objects.root(commit.parents[0]), commit.tree))
        snapshot = self._as_seen(commit, said, plain)
        request = self._request(said, agent, snapshot, pairs)
        answer = decide(snapshot, request, commit.time)
        if not isinstance(answer, Change):
            raise Refused(answer)
        self._same(commit, said, answer, pairs, snapshot)
        return answer

    def _signer(self, commit: Commit, snapshot: Snapshot) -> Agent:
        """The agent whose active key signed; author, address and key must be of one agent."""
        agent = snapshot.find_agent(commit.name)
        keys = agent.active_keys if agent and agent.status == "active" else ()
        if not any(sshsig.verify(key, commit.signature, commit.signed, sshsig.GIT) for key in keys):
            refuse("BAD_SIGNATURE", f"no active key of {commit.name} signed this commit", "opsgit agent show NAME")
        assert agent
        if commit.email != agents.address(agent, snapshot.project.repository):
            refuse("BAD_COMMIT", f"{commit.email} is not the address of {agent.name}", "opsgit whoami")
        return agent

    def _in_order(self, commit: Commit) -> None:
        for parent in commit.parents:
            if parse_commit(self.objects.need(parent, "commit").content).time > commit.time:
                refuse("BAD_COMMIT", "the commit is older than its parent", "set the clock")

    def _as_seen(self, commit: Commit, said: Message, plain: Snapshot) -> Snapshot:
        """The state with, for branch commits and verdicts, the branch's version of the task laid over."""
        branch = commit.parents[0] if said.ledger else commit.parents[1] if len(commit.parents) == 2 else None
        if branch is None or not said.files:
            return plain
        path = said.files[0][0]
        over = TreeReader(self.objects, self.index, branch).record(path)
        return Snapshot(plain.reader, {path: over}) if over else plain

    def _request(self, said: Message, agent: Agent, snapshot: Snapshot, pairs: Mapping[str, Pair]) -> Request:
        before: dict[str, Record | None] = {}
        after: dict[str, Any] = {}
        for path, (_, entry) in pairs.items():
            before[path] = None if names.is_house(path) else snapshot.record(path)
            after[path] = self._after(path, entry)
        request = rebuild.request(said, agent.name, before, after)
        if said.op in PROVED:
            proved = sshsig.proves(
                snapshot.project.repository, request.target, request.get("key"), request.get("proof")
            )
            return Request(said.op, agent.name, request.target, {**request.fields, "proved": proved}, said.note)
        return request

    def _after(self, path: str, entry: Entry | None) -> Any:
        """What a path holds after the commit, in the form that `rebuild.request` takes."""
        kind = names.place(path).kind
        runs = kind == "house" and path.startswith("gates/")
        if entry and entry.mode != FILE and not (runs and entry.mode == EXECUTABLE):
            refuse("WRONG_FILE", f"{path} has mode {entry.mode}", "git rm it", path)
        if entry is None:
            return None
        content = self.objects.need(entry.id, "blob").content
        if kind == "house":
            return content
        record = reader.checked_record(content, path)
        if kind == "project":
            return record, content
        if yaml_codec.canonical(kind, record) != content:
            refuse("NOT_CANONICAL", f"{path} is not in the canonical form", f"opsgit fmt {path}", path)
        return record

    def _same(
        self, commit: Commit, said: Message, change: Change, pairs: Mapping[str, Pair], snapshot: Snapshot
    ) -> None:
        """Refuse a commit that is not, to the byte, what the rule book made of its request."""
        for edit in change.edits:
            entry = pairs.get(edit.path, (None, None))[1]
            if (self.objects.need(entry.id, "blob").content if entry else None) != content_of(edit):
                refuse(
                    "CONTENT_MISMATCH", f"{edit.path} is not what {said.op} writes", "opsgit help lifecycle", edit.path
                )
        if set(pairs) != {edit.path for edit in change.edits}:
            refuse("CONTENT_MISMATCH", f"{said.op} does not touch {sorted(pairs)}", "opsgit help lifecycle")
        on = "branch" if said.ledger else "merge" if len(commit.parents) == 2 else "ledger"
        if len(commit.parents) > 2 or change.on != on:
            refuse("BAD_COMMIT", f"{said.op} belongs on {change.on}, not on {on}", "opsgit help lifecycle")
        ref = names.review_ref(change.request.target) if said.ledger else names.MAIN
        words = message.generate(change, snapshot.project.repository, ref, digests(change.edits), said.ledger)
        if words != commit.message:
            refuse("MESSAGE_MISMATCH", "the message is not the one that its change generates", "opsgit help format")
