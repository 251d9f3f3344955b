"""The input and the output of a decision: snapshot, request and change."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from typing import Any, NamedTuple, Protocol, TypeVar

from opsgit.domain import names
from opsgit.domain.model import Agent, Alert, Project, Quota, Task
from opsgit.domain.records import Record, from_record
from opsgit.domain.refusals import refuse
from opsgit.domain.values import Value, positional

Found = TypeVar("Found")


class ManagedFile(NamedTuple):
    """A file that holds no record: schema, README, CI configuration, gate script. Only gate scripts are executable."""

    content: bytes
    executable: bool = False


class Signed(NamedTuple):
    """An operation in the history: its name, its author, the author's key that signed it, and its commit (hex id).

    `key` is empty when no key of the author signed it.
    """

    op: str
    by: str
    key: str
    commit: str


class Reader(Protocol):
    """Access to the state at one commit. The storage layer implements it."""

    def record(self, path: str) -> Record | None:
        """Return the mapping of the file at a path, checked by its schema, or None when there is no file."""

    def managed(self, path: str) -> ManagedFile | None:
        """Return the managed file at a path, or None when there is none."""

    def names(self, folder: str) -> Sequence[str]:
        """Return the names of the entries of a folder; empty when there is no such folder."""

    def schema(self, name: str) -> Mapping[str, Any]:
        """Return the JSON Schema of a name."""

    def reaches(self, commit: str, tip: str = "") -> bool:
        """Return whether a commit is `tip` or in its history; False when one of the two is not there.

        :param tip: hex id of a commit; empty for the one that this state belongs to.
        """

    def basis(self, path: str, op: str) -> Sequence[Signed]:
        """Return the latest ledger commit that performed an operation on a file; empty when there is none.

        When it merged a review branch, the operations on that branch follow, newest first.
        """

    def deploy_commit(self, task_id: str) -> str | None:
        """Return the id of the latest ledger commit that deployed a task (hex, 40 or 64 digits), or None."""


KEPT_MAX = 1000  # values that a snapshot remembers


@positional
class Snapshot(Value):
    """The state by which a request is decided.

    `over` holds records that replace those of the reader (the review branch's version of a task). `branch_actions`
    returns the operations on that branch, newest first.
    """

    reader: Reader
    over: Mapping[str, Record] = field(default_factory=dict)
    branch_actions: Callable[[], Sequence[Signed]] = tuple
    _found: dict[tuple[type, str], Any] = field(default_factory=dict, init=False, compare=False)

    def record(self, path: str) -> Record | None:
        """Return the mapping at a path, or None."""
        return self.over.get(path) or self.reader.record(path)

    def find(self, kind: type[Found], path: str) -> Found | None:
        """Return the value at a path, or None.

        :param kind: the class of the value.
        """
        key = (kind, path)  # one decision asks for the project, the actor and the task several times
        if key not in self._found:
            record = self.record(path)
            self._keep(key, None if record is None else from_record(kind, record))
        found: Found | None = self._found[key]
        return found

    def _keep(self, key: tuple[type, str], found: object) -> None:
        if len(self._found) >= KEPT_MAX:
            self._found.clear()
        self._found[key] = found

    def take(self, kind: type[Found], path: str, record: Record) -> Found:
        """Return the value of a record of this state that the caller has read, and remember it."""
        found = from_record(kind, record)
        self._keep((kind, path), found)
        return found

    @property
    def project(self) -> Project:
        """The project's identity and policy; refuses with `NOT_FOUND` when there is no ops.yaml."""
        return self.need(Project, names.PROJECT, "project")

    def need(self, kind: type[Found], path: str, what: str) -> Found:
        """Return the value at a path.

        :param kind: the class of the value.
        :param what: the kind and the name, for the message (`task SKILL-001`).
        :raises Refused: `NOT_FOUND`.
        """
        found = self.find(kind, path)
        if found is None:
            noun = what.split(" ", maxsplit=1)[0]
            refuse("NOT_FOUND", f"there is no {what}", f"opsgit {noun} list", path)
        return found

    def task(self, task_id: str) -> Task:
        """Return the task of an id.

        :raises Refused: `BAD_ID`, `NOT_FOUND`.
        """
        return self.need(Task, names.task_path(names.check_id(task_id)), f"task {task_id}")

    def agent(self, name: str) -> Agent:
        """Return the agent of a name, active or removed.

        :raises Refused: `BAD_NAME`, `NOT_FOUND`.
        """
        return self.need(Agent, names.path_of("agent", names.check_name(name)), f"agent {name}")

    def find_agent(self, name: str) -> Agent | None:
        """Return the agent of a name, or None; an invalid name gives None too."""
        return self.find(Agent, names.path_of("agent", name)) if names.NAME.match(name) else None

    def is_active(self, name: str) -> bool:
        """Return whether there is an agent of a name that was not removed."""
        found = self.find_agent(name)
        return found is not None and found.status == "active"

    def agents(self) -> tuple[Agent, ...]:
        """Return all agents, active and removed, sorted by name."""
        stems = sorted(name.removesuffix(".yaml") for name in self.reader.names("agents"))
        return tuple(agent for agent in map(self.find_agent, stems) if agent)

    def quota(self, name: str) -> Quota:
        """Return the quota of a name.

        :raises Refused: `BAD_NAME`, `NOT_FOUND`.
        """
        return self.need(Quota, names.path_of("quota", names.check_name(name)), f"quota {name}")

    def alert(self, alert_id: str) -> Alert:
        """Return the alert of an id.

        :raises Refused: `BAD_ID`, `NOT_FOUND`.
        """
        return self.need(Alert, names.path_of("alert", names.check_id(alert_id)), f"alert {alert_id}")

    def taken(self, path: str) -> str | None:
        """Return the name of the file in the same folder that equals the path's name with case folded, or None."""
        folder, _, name = path.rpartition("/")
        others, wanted = self.reader.names(folder), name.casefold()
        alike = wanted in map(str.casefold, others)  # a folder may hold thousands, and nearly always there is none
        return next(other for other in others if other.casefold() == wanted) if alike else None


@positional
class Request(Value):
    """One operation that an actor asks for.

    `target` is the id or name of the entity. `fields` holds the arguments, as the operation's record in the catalogue
    names them. `note` is the text for the message, in the form that `text.tidy` returns. `id` is the operation's own id
    (`message.ID`); a request that is only asked about has none.
    """

    op: str
    actor: str
    target: str = ""
    fields: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""
    id: str = ""

    def get(self, name: str, default: Any = None) -> Any:
        """Return one argument, or `default` when it is not given."""
        return self.fields.get(name, default)


@positional
class Edit(Value):
    """A file that an operation writes. `content` holds its bytes (None removes it), `record` their mapping, if any."""

    path: str
    content: bytes | None
    record: Record | None = None
    executable: bool = False


class Outcome(NamedTuple):
    """The result of an effect that does not write exactly one record: the files, and the subject of the message."""

    edits: tuple[Edit, ...]
    subject: str


@positional
class Change(Value):
    """The rule book's answer to a legal request: the files to write and the subject of the message.

    `on` is `ledger`, `branch` or `merge`. `at` is RFC 3339 text. `before` and `after` are the task's status; both are
    None without a task, and `before` is None for a new task. `body` is a generated paragraph of the message, or empty.
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
        """Whether the operation changed a task's status."""
        return self.before != self.after
