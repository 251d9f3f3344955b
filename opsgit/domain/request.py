"""What goes into a decision and what comes out: snapshot, request, change."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, TypeVar

from opsgit.domain import names
from opsgit.domain.model import Agent, Alert, Project, Quota, Task, Value
from opsgit.domain.records import Record, from_record
from opsgit.domain.refusals import refuse

Found = TypeVar("Found")


class ManagedFile(NamedTuple):
    """A file that is no record: schemas, README, CI files, gates (these alone may be executable)."""

    content: bytes
    executable: bool = False


class Reader(Protocol):
    """The state at one commit, as the floors above hand it in."""

    def record(self, path: str) -> Record | None:
        """The checked mapping of the file at `path`, or None when there is none."""

    def managed(self, path: str) -> ManagedFile | None:
        """The managed file at `path`, or None when there is none."""

    def names(self, folder: str) -> Sequence[str]:
        """The file names directly in a folder; empty when there is no such folder."""

    def schema(self, name: str) -> Mapping[str, Any]:
        """The JSON Schema of a kind of file, by the schema's name."""

    def deploy_commit(self, task_id: str) -> str | None:
        """The id of the ledger commit that last deployed a task."""


class BranchAction(NamedTuple):
    """An operation on a review branch: which, by whom, and the agent's key that signed it (empty: none of its keys)."""

    op: str
    by: str
    key: str


@dataclass(frozen=True, repr=False)
class Snapshot:
    """A state that a request is judged by.

    `over` replaces files (the review branch's version of a task), `branch_actions` gives the operations on that branch.
    """

    reader: Reader
    over: Mapping[str, Record] = field(default_factory=dict)
    branch_actions: Callable[[], Sequence[BranchAction]] = tuple

    def record(self, path: str) -> Record | None:
        """The mapping at a path, or None."""
        return self.over.get(path) or self.reader.record(path)

    def find(self, kind: type[Found], path: str) -> Found | None:
        """The value at a path, or None."""
        record = self.record(path)
        return None if record is None else from_record(kind, record)

    @property
    def project(self) -> Project:
        """The project's identity and policy."""
        return self.need(Project, names.PROJECT, "project")

    def need(self, kind: type[Found], path: str, what: str) -> Found:
        """The value at a path; refuses with `NOT_FOUND` when there is none."""
        found = self.find(kind, path)
        if found is None:
            noun = what.split(" ", maxsplit=1)[0]
            refuse("NOT_FOUND", f"there is no {what}", f"opsgit {noun} list", path)
        return found

    def task(self, task_id: str) -> Task:
        """The task of an id; refuses with `NOT_FOUND`."""
        return self.need(Task, names.task_path(names.check_id(task_id)), f"task {task_id}")

    def agent(self, name: str) -> Agent:
        """The agent of a name; refuses with `NOT_FOUND`."""
        return self.need(Agent, names.path_of("agent", names.check_name(name)), f"agent {name}")

    def find_agent(self, name: str) -> Agent | None:
        """The agent of a name, or None (a name that no agent can have gives None too)."""
        return self.find(Agent, names.path_of("agent", name)) if names.NAME.match(name) else None

    def agents(self) -> tuple[Agent, ...]:
        """All agents, removed ones too, by name."""
        stems = sorted(name.removesuffix(".yaml") for name in self.reader.names("agents"))
        return tuple(agent for agent in map(self.find_agent, stems) if agent)

    def quota(self, name: str) -> Quota:
        """The quota of a name; refuses with `NOT_FOUND`."""
        return self.need(Quota, names.path_of("quota", names.check_name(name)), f"quota {name}")

    def alert(self, alert_id: str) -> Alert:
        """The alert of an id; refuses with `NOT_FOUND`."""
        return self.need(Alert, names.path_of("alert", names.check_id(alert_id)), f"alert {alert_id}")

    def taken(self, path: str) -> str | None:
        """The name of the file that an id would collide with, case folded, or None."""
        folder, _, name = path.rpartition("/")
        return next((other for other in self.reader.names(folder) if other.casefold() == name.casefold()), None)


@dataclass(frozen=True, repr=False)
class Request(Value):
    """One operation that somebody asks for.

    `target` is the id or name that it is about, `fields` its arguments (as the operation's record in the catalogue
    names them), and `note` the words for the commit's message, in the form that `text.tidy` gives.
    """

    op: str
    actor: str
    target: str = ""
    fields: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""

    def get(self, name: str, default: Any = None) -> Any:
        """One argument."""
        return self.fields.get(name, default)


@dataclass(frozen=True, repr=False)
class Edit(Value):
    """A file that an operation writes: its bytes (None: it is removed), and the record that they hold, if any."""

    path: str
    content: bytes | None
    record: Record | None = None
    executable: bool = False


class Outcome(NamedTuple):
    """What an effect gives that writes other than one record: the files, and the subject of the message."""

    edits: tuple[Edit, ...]
    subject: str


@dataclass(frozen=True, repr=False)
class Change(Value):
    """The rule book's answer to a legal request: what is written, and the message's subject.

    `on` is `ledger`, `branch` or `merge`; `before` and `after` are the task's status (None without a task).
    """

    request: Request
    subject: str
    edits: tuple[Edit, ...]
    on: str
    at: str
    before: str | None = None
    after: str | None = None
    body: str = ""

    @property
    def is_transition(self) -> bool:
        """Whether a task's status changed."""
        return self.before != self.after
