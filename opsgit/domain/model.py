"""What the files hold, as frozen values. Field order is the order of the canonical form and of the schemas."""

from __future__ import annotations

from dataclasses import Field, FrozenInstanceError, dataclass, field, fields
from typing import Any, ClassVar, TypeVar, dataclass_transform

Kind = TypeVar("Kind")


class Value:
    """What all values share. That it is here, and not generated for each class, saves each start 8 milliseconds."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    def __setattr__(self, name: str, value: object) -> None:
        """A field is set once."""
        if name in self.__dict__:
            raise FrozenInstanceError(f"cannot assign to field {name!r}")
        self.__dict__[name] = value

    def __delattr__(self, name: str) -> None:
        """Nothing is taken away."""
        raise FrozenInstanceError(f"cannot delete field {name!r}")

    def __eq__(self, other: object) -> bool:
        """The same class, and the same in every field."""
        return type(self) is type(other) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        """By all fields."""
        return hash(tuple(self.__dict__.values()))

    def __repr__(self) -> str:
        """The fields that are set."""
        shown = (f"{f.name}={getattr(self, f.name)!r}" for f in fields(self) if getattr(self, f.name))
        return f"{type(self).__name__}({', '.join(shown)})"


@dataclass_transform(kw_only_default=True, frozen_default=True)
def value(kind: type[Kind]) -> type[Kind]:
    """Make a frozen value of a class: a dataclass whose comparison and freezing come from `Value`."""
    return dataclass(kw_only=True, repr=False, eq=False)(kind)


@value
class Stage(Value):
    """One stage of a pipeline: an agent by name, or any agent of a role. Exactly one of the two is set."""

    agent: str | None = None
    role: str | None = None

    @property
    def name(self) -> str:
        """The agent's or the role's name."""
        return self.agent or self.role or ""


@value
class Progress(Value):
    """The assignee's last word on how the work goes."""

    note: str
    at: str


@value
class Submission(Value):
    """What was handed in: round (1, 2, ...), where it is, and its digest (`h1:...` or `git:<commit>`)."""

    round: int
    deliverable: str
    digest: str
    repository: str | None = None
    at: str


@value
class Comment(Value):
    """One remark by one agent."""

    by: str
    at: str
    text: str


@value
class SignOff(Value):
    """A reviewer's signature under one stage (index in the pipeline) of one round's digest."""

    stage: int
    by: str
    at: str
    round: int
    digest: str


@value
class Verdict(Value):
    """How a review ended: approved, rejected, withdrawn or cancelled."""

    outcome: str
    by: str
    at: str
    reason: str | None = None


@value
class Review(Value):
    """The review of one round."""

    round: int
    request: Comment | None = None
    sign_offs: tuple[SignOff, ...] = ()
    comments: tuple[Comment, ...] = ()
    verdict: Verdict | None = None


@value
class Rollback(Value):
    """How a deployment was rolled back: by whom, when, what the rollback command did, on which alert."""

    by: str
    at: str
    evidence: str
    alert: str | None = None


@value
class Deployment(Value):
    """One deployment: state is started, deployed, failed, abandoned or rolled-back.

    `evidence` is `exit 0`, `exit N`, `timeout`, `missing`, `output` or `attested` (no command was set).
    """

    state: str
    by: str
    ref: str | None = None
    digest: str
    command: tuple[str, ...] = ()
    started: str
    finished: str | None = None
    evidence: str | None = None
    rollback: Rollback | None = None


@value
class Event(Value):
    """One entry of a history that was imported: somebody's word, proved by nothing."""

    status: str
    at: str | None = None
    by: str | None = None
    output: str | None = None
    notes: str | None = None
    ref: str | None = None


@value
class ImportedHistory(Value):
    """What a task brought from another tracker: its status and time of creation there, its history."""

    status: str
    created: str | None = None
    history: tuple[Event, ...] = ()


@value
class Task(Value):
    """One piece of work (design, section 2)."""

    id: str
    title: str
    description: str | None = None
    status: str
    priority: str
    tags: tuple[str, ...] = ()
    pipeline: tuple[Stage, ...]
    assigned: str | None = None
    depends_on: tuple[str, ...] = ()
    created: str
    created_by: str
    imported: ImportedHistory | None = None
    contributors: tuple[str, ...] = ()
    progress: Progress | None = None
    submission: Submission | None = None
    rejected: tuple[str, ...] = ()
    review: Review | None = None
    deployment: Deployment | None = None
    comments: tuple[Comment, ...] = ()


@value
class Key(Value):
    """A public key (`ssh-ed25519 AAAA...`), its state (active, retired, compromised), its proof of possession.

    A compromised key counts up to the commits `since` (each that was ever named); what an orchestrator took over of the
    later ones is `ratified`.
    """

    key: str
    state: str
    added: str
    proof: str
    since: tuple[str, ...] = ()
    ratified: tuple[str, ...] = ()


@value
class ImportedFigures(Value):
    """What an agent brought from another tracker: tasks completed there, and when it was last active there."""

    tasks_completed: int | None = None
    last_active: str | None = None


@value
class Agent(Value):
    """Somebody who acts: kind is agent or human, status active or removed."""

    name: str
    role: str
    description: str | None = None
    kind: str
    email: str | None = None
    status: str
    imported: ImportedFigures | None = None
    keys: tuple[Key, ...] = ()

    @property
    def active_keys(self) -> tuple[str, ...]:
        """The public keys that sign for the agent now."""
        return tuple(k.key for k in self.keys if k.state == "active")


@value
class Quota(Value):
    """A limit on use in a window: period is hourly, daily, weekly, monthly or none."""

    name: str
    limit: int
    used: int
    period: str
    reset_at: str | None = None
    agents: tuple[str, ...] = ()


@value
class Metric(Value):
    """A gauge that an observer sets."""

    name: str
    value: int | float
    at: str
    by: str


@value
class Alert(Value):
    """Problem that an observer saw: status is open or resolved."""

    id: str
    message: str
    severity: str
    task: str | None = None
    status: str
    raised: str
    raised_by: str
    resolved: str | None = None
    resolved_by: str | None = None


@value
class Run(Value):
    """A command to run: an argument list (never a shell), its time limit in seconds, its output limit in bytes."""

    command: tuple[str, ...] = ()
    timeout: int = 600
    output: int = 1_048_576


@value
class Identity(Value):
    """Whether every command must name its actor."""

    explicit: bool = False


@value
class Project(Value):
    """ops.yaml: the project's identity and policy. `roles` maps a role's name to its rights."""

    name: str
    repository: str
    rules: int
    created: str
    roles: dict[str, tuple[str, ...]] = field(default_factory=dict)
    pipeline: tuple[str, ...] = ()
    workspace: str | None = None
    identity: Identity = Identity()
    stale: dict[str, str] = field(default_factory=dict)
    idle: str | None = None
    deploy: Run = Run()
    rollback: Run = Run()
