"""The classes of all records, as frozen values. Canonical form and schemas use the same order of fields."""

from __future__ import annotations

from dataclasses import field

from opsgit.domain.values import Value, value


@value
class Stage(Value):
    """One stage of a pipeline: either one agent or any agent of a role. Exactly one of the two fields is set.

    `count` is the number of different reviewers that a review stage of a role needs; None means one.
    """

    agent: str | None = None
    role: str | None = None
    count: int | None = None

    @property
    def name(self) -> str:
        """The name of the agent or of the role."""
        return self.agent or self.role or ""

    @property
    def words(self) -> str:
        """The stage as `--pipeline` takes it, such as `reviewer*2`."""
        return f"{self.name}*{self.count}" if self.count else self.name


@value
class Progress(Value):
    """The assignee's latest progress note. `at` is RFC 3339 text."""

    note: str
    at: str


@value
class Submission(Value):
    """The deliverable of one round.

    `round` counts from 1, `revision` the later versions within the round (None for the first). `deliverable` is a path
    or `commit: <id>`. `digest` is `h1:...` or `git:<commit>`. `repository` is where a `commit:` deliverable can be
    found. `at` is RFC 3339 text.
    """

    round: int
    revision: int | None = None
    deliverable: str
    digest: str
    repository: str | None = None
    at: str

    @property
    def version(self) -> str:
        """The round, and the revision if there is one: `2` or `2.1`."""
        return f"{self.round}.{self.revision}" if self.revision else str(self.round)


@value
class Comment(Value):
    """One comment by one agent. `at` is RFC 3339 text."""

    by: str
    at: str
    text: str


@value
class Place(Value):
    """A place in a deliverable: a file, perhaps a line of it (from 1), and the digest of that version."""

    file: str
    line: int | None = None
    digest: str


@value
class Resolved(Value):
    """Who resolved a thread, and when (RFC 3339 text)."""

    by: str
    at: str


@value
class Remark(Value):
    """One comment in a review. A thread is a comment with the comments that answer it.

    `id` is `<round>-<number>`. `place` is the place in the deliverable that it is about. `answers` is the id of the
    comment that it answers. An open thread whose first comment is `blocking` prevents an approval. `at` is RFC 3339
    text.
    """

    id: str
    by: str
    at: str
    text: str
    place: Place | None = None
    answers: str | None = None
    blocking: bool | None = None
    resolved: Resolved | None = None

    @property
    def thread(self) -> str:
        """The id of the thread that the comment belongs to."""
        return self.answers or self.id

    @property
    def blocks(self) -> bool:
        """Whether it begins a blocking thread that is open."""
        return bool(self.blocking and not self.resolved)


@value
class Check(Value):
    """The latest result of an automatic check of one version of a deliverable. `status` is pass or fail.

    `at` is RFC 3339 text. `url` says where the result can be read.
    """

    name: str
    status: str
    by: str
    at: str
    digest: str
    url: str | None = None


@value
class SignOff(Value):
    """A reviewer's approval of one stage for one round.

    `stage` is an index into the pipeline. `digest` is the digest of the deliverable that the reviewer approved.
    """

    stage: int
    by: str
    at: str
    round: int
    digest: str


@value
class Verdict(Value):
    """The end of a review. `outcome` is approved, rejected or withdrawn.

    The schema also allows cancelled, which no operation writes: `task.cancel` writes no verdict.
    """

    outcome: str
    by: str
    at: str
    reason: str | None = None


@value
class Review(Value):
    """The review of one round. `request` is the text with which the assignee opened it."""

    round: int
    request: Comment | None = None
    sign_offs: tuple[SignOff, ...] = ()
    checks: tuple[Check, ...] = ()
    comments: tuple[Remark, ...] = ()
    verdict: Verdict | None = None


@value
class Rollback(Value):
    """The rollback of a deployment: agent, time, evidence of the rollback command, and the alert that justified it."""

    by: str
    at: str
    evidence: str
    alert: str | None = None


@value
class Deployment(Value):
    """One deployment. `state` is started, deployed, failed, abandoned or rolled-back.

    `started` and `finished` are RFC 3339 text. `evidence` says how the command ended: `exit N`, `timeout`, `missing`,
    `output` (too much output), `interrupted`, `changed` (the deliverable changed), or `attested` (no command is set).
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
    """One entry of an imported history: an unverified statement from another tracker."""

    status: str
    at: str | None = None
    by: str | None = None
    output: str | None = None
    notes: str | None = None
    ref: str | None = None


@value
class ImportedHistory(Value):
    """The data that a task brought from another tracker: its status there, its time of creation, its history."""

    status: str
    created: str | None = None
    history: tuple[Event, ...] = ()


@value
class Lease(Value):
    """How long a claim lasts without an operation by the assignee, in seconds, and until when (RFC 3339 text)."""

    seconds: int
    until: str


@value
class Task(Value):
    """One unit of work, with its submission, review and deployment."""

    id: str
    title: str
    description: str | None = None
    status: str
    priority: str
    tags: tuple[str, ...] = ()
    pipeline: tuple[Stage, ...]
    assigned: str | None = None
    lease: Lease | None = None
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
    """A public key of an agent.

    `key` is an OpenSSH line (`ssh-ed25519 AAAA...`); `state` is active, retired or compromised; `added` is RFC 3339
    text; `proof` is the proof of possession (an SSH signature, base64). `since` lists all cut-off commits of a
    compromised key: a commit with this key that is not in the history of each of them is a finding. `ratified` lists
    the commits that an orchestrator accepted nevertheless, `undone` those whose effect was undone: hex ids, or ranges
    `A..B` of them.
    """

    key: str
    state: str
    added: str
    proof: str
    since: tuple[str, ...] = ()
    ratified: tuple[str, ...] = ()
    undone: tuple[str, ...] = ()


@value
class ImportedFigures(Value):
    """The figures that an agent brought from another tracker: number of completed tasks, and last activity there."""

    tasks_completed: int | None = None
    last_active: str | None = None


@value
class Agent(Value):
    """An agent or a person that signs operations. `kind` is agent or human; `status` is active or removed."""

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
        """The public keys whose signatures are valid now."""
        return tuple(k.key for k in self.keys if k.state == "active")


@value
class Quota(Value):
    """A limit on use within a window. `period` is hourly, daily, weekly, monthly or none.

    `reset_at` is the end of the window as RFC 3339 text. `agents` are the agents that may use it; empty means all.
    """

    name: str
    limit: int
    used: int
    period: str
    reset_at: str | None = None
    agents: tuple[str, ...] = ()


@value
class Metric(Value):
    """A gauge: a number that an observer or orchestrator sets."""

    name: str
    value: int | float
    at: str
    by: str


@value
class Alert(Value):
    """A problem that an observer or orchestrator reported. `status` is open or resolved."""

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
    """A command: an argument list without a shell, its time limit in seconds, its output limit in bytes."""

    command: tuple[str, ...] = ()
    timeout: int = 600
    output: int = 1_048_576


@value
class Identity(Value):
    """The identity policy. `explicit`: every command must name its actor."""

    explicit: bool = False


@value
class ReviewPolicy(Value):
    """The policy for reviews.

    `approvals` is the number of different reviewers of a review stage that names a role and no number; None means one.
    `checks` are the names of the checks that must have passed before an approval.
    """

    approvals: int | None = None
    checks: tuple[str, ...] = ()


@value
class Deliverables(Value):
    """The policy for attachments.

    `attach`: whether a submission stores its files. `size` (bytes) and `files` are the most that is stored. `keep` is a
    duration: how long they are kept after the task has ended.
    """

    attach: bool = True
    size: int = 10 * 1024 * 1024
    files: int = 2000
    keep: str = "30d"


@value
class Project(Value):
    """The content of ops.yaml: the project's identity and policy.

    `rules` is the version of the rule book. `roles` maps the name of a role to its rights. `stale` maps a status to a
    duration; `idle` and `lease` are durations. `clock` is the time of the latest `project.reset-clock`, RFC 3339 text.
    """

    name: str
    repository: str
    rules: int
    created: str
    clock: str | None = None
    roles: dict[str, tuple[str, ...]] = field(default_factory=dict)
    pipeline: tuple[str, ...] = ()
    lease: str | None = None
    workspace: str | None = None
    identity: Identity = Identity()
    stale: dict[str, str] = field(default_factory=dict)
    idle: str | None = None
    review: ReviewPolicy = ReviewPolicy()
    deliverables: Deliverables = Deliverables()
    deploy: Run = Run()
    rollback: Run = Run()
