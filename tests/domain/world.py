"""A state in memory: a `Reader` over a mapping, and requests applied to it as the ledger would."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from opsgit.domain import message, names, rebuild, rules
from opsgit.domain.decide import decide
from opsgit.domain.model import Agent, Key, Task
from opsgit.domain.records import Record, from_record, to_record
from opsgit.domain.refusals import Refusal
from opsgit.domain.request import Change, ManagedFile, Request, Signed, Snapshot
from opsgit.domain.rules import VERSIONS
from opsgit.storage import schema

START = 1_700_000_000
AT = "2023-11-14T22:13:20Z"
REPOSITORY = "0" * 32
PROJECT = {"name": "p", "repository": REPOSITORY, "rules": max(VERSIONS), "created": AT}
ROLES = {"boss": "orchestrator", "dev": "developer", "dev2": "developer", "qa": "reviewer", "qa2": "reviewer",
         "ship": "deployer", "ship2": "deployer", "eye": "observer", "eye2": "observer"}  # fmt: skip
DIGEST = "h1:" + "A" * 43 + "="
OTHER_DIGEST = "h1:" + "B" * 43 + "="


def key_of(name: str) -> str:
    """A well-formed public key line for tests that check no signature."""
    return "ssh-ed25519 " + (name.encode().hex() * 68)[:68]


def agent_record(name: str, role: str, status: str = "active") -> Record:
    key = Key(key=key_of(name), state="active", added=AT, proof="AAAA")
    return to_record(Agent(name=name, role=role, kind="agent", status=status, keys=(key,)))


@dataclass
class World:
    """The ledger's state and, for tasks in review, their branch's version."""

    files: dict[str, Record] = field(default_factory=dict)
    branch: dict[str, Record] = field(default_factory=dict)
    gates: dict[str, ManagedFile] = field(default_factory=dict)
    actions: dict[str, tuple[Signed, ...]] = field(default_factory=dict)
    made: list[tuple[str, tuple[Signed, ...]]] = field(default_factory=list)  # on the ledger, each with its branch
    deployed: dict[str, str] = field(default_factory=dict)
    now: int = START
    count: int = 0

    @classmethod
    def peopled(cls, roles: Mapping[str, str] = ROLES) -> World:
        files: dict[str, Record] = {names.PROJECT: PROJECT}
        files |= {f"agents/{name}.yaml": agent_record(name, role) for name, role in roles.items()}
        return cls(files)

    def record(self, path: str) -> Record | None:
        return self.files.get(path)

    def managed(self, path: str) -> ManagedFile | None:
        return self.gates.get(path)

    def names(self, folder: str) -> Sequence[str]:
        return [path.rpartition("/")[2] for path in self.files if path.rpartition("/")[0] == folder]

    def schema(self, name: str) -> Mapping[str, Any]:
        return schema.load(name)

    def reaches(self, commit: str, tip: str = "") -> bool:
        """Commits are numbers here, in the order in which they were made."""
        return int(commit, 16) <= (int(tip, 16) if tip else self.count)

    def basis(self, path: str, op: str) -> Sequence[Signed]:
        return next((made for where, made in reversed(self.made) if where == path and made[0].op == op), ())

    def deploy_commit(self, task_id: str) -> str | None:
        return self.deployed.get(task_id)

    def snapshot(self, target: str = "") -> Snapshot:
        path = names.task_path(target) if names.ID.match(target) else ""
        if path not in self.branch:
            return Snapshot(self)
        return Snapshot(self, {path: self.branch[path]}, lambda: self.actions.get(path, ()))

    def ask(self, op: str, actor: str, target: str = "T-1", note: str = "", **fields: Any) -> Change | Refusal:
        """Decide without applying.

        A deployment is of the command and the start that are there, and a verdict of the latest revision, unless told.
        """
        if "round" in fields and self.names("tasks/t1") and self.task().submission:
            fields = {"revision": self.task().submission.revision, **fields}
        if op == "task.deploy-start":
            fields = {"command": self.snapshot().project.deploy.command, **fields}
        if op == "task.deploy-finish" and self.names("tasks/t1") and self.task().deployment:
            fields = {"started": self.task().deployment.started, **fields}
        return decide(self.snapshot(target), Request(op, actor, target, fields, note, f"i{self.count}"), self.now)

    def do(self, op: str, actor: str, target: str = "T-1", note: str = "", **fields: Any) -> Change:
        """Decide and apply; the request must be legal."""
        change = self.ask(op, actor, target, note, **fields)
        assert isinstance(change, Change), change
        self.apply(change)
        return change

    def apply(self, change: Change) -> None:
        self.now += 1
        self.count += 1
        signed = self._signed(change.request)
        for edit in change.edits:
            assert edit.record is not None
            if change.on == "branch":
                self.branch[edit.path] = edit.record
                self.actions[edit.path] = (signed, *self.actions.get(edit.path, ()))
            else:
                self.made.append((edit.path, (signed, *self.actions.pop(edit.path, ()))))
                self.files[edit.path] = edit.record
                self.branch.pop(edit.path, None)
                if change.after == "review":
                    self.branch[edit.path] = edit.record
        if change.after == "deployed" and change.before == "done":
            self.deployed[change.request.target] = signed.commit

    def _signed(self, request: Request) -> Signed:
        agent = self.snapshot().agent(request.actor)
        return Signed(request.op, request.actor, next(iter(agent.active_keys), ""), f"{self.count:040x}")

    def task(self, task_id: str = "T-1") -> Task:
        return self.snapshot(task_id).task(task_id)

    def set_task(self, **fields: Any) -> None:
        """Put a task there as it is, without any operation."""
        record = {"id": "T-1", "title": "t", "status": "backlog", "priority": "medium",
                  "pipeline": [{"role": "developer"}, {"role": "reviewer"}, {"role": "deployer"}],
                  "created": AT, "created_by": "boss", **fields}  # fmt: skip
        self.files[names.task_path(record["id"])] = to_record(from_record(Task, record))


def replayed(world: World, change: Change) -> Change | Refusal:
    """The change decided again from what its commit would show: the files before and after, and the message."""
    ref = names.review_ref(change.request.target) if change.on == "branch" else names.MAIN
    ledger = "1" * 40 if change.on == "branch" else None
    said = message.parse(message.generate(change, REPOSITORY, ref, ledger))
    snapshot = world.snapshot(change.request.target)
    before = {edit.path: snapshot.record(edit.path) for edit in change.edits}
    after: dict[str, Any] = {
        e.path: (e.record, e.content) if e.path == names.PROJECT else e.record for e in change.edits
    }
    request = rebuild.request(rules.in_force(snapshot.project), said, change.request.actor, before, after)
    if "proved" in change.request.fields:
        request = replace(request, fields={**request.fields, "proved": True})
    return decide(snapshot, request, world.now)
