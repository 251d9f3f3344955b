"""The two tables of the rule book: which operation takes a task from where to where, and who may sign it.

Design, section 3. Everything else in `domain/` says what an operation writes; this says when it is legal at all.
"""

from __future__ import annotations

from typing import NamedTuple

from opsgit.domain.refusals import Refusal
from opsgit.domain.vocabulary import (
    ASSIGNED,
    BACKLOG,
    CANCELLED,
    DEPLOY,
    DEPLOYED,
    DONE,
    IN_PROGRESS,
    IN_REVIEW,
    OBSERVE,
    ORCHESTRATE,
    REJECTED,
    REVIEW,
    ROLLED_BACK,
    STATUSES,
    WORK,
)

LEDGER, BRANCH = "ledger", "branch"


class Who(NamedTuple):
    """A right (None: any active agent) and what the agent must be to the task (a key of `authority.RELATIONS`)."""

    right: str | None
    being: str = "anyone"


class Row(NamedTuple):
    """An operation on a task: from which statuses, to which, by whom (any one of `who`), on which kind of branch."""

    op: str
    sources: tuple[str, ...]
    targets: tuple[str, ...]
    who: tuple[Who, ...]
    on: str = LEDGER


ORCHESTRATOR = Who(ORCHESTRATE)
ASSIGNEE = Who(WORK, "assignee")
ANYONE = Who(None)

# fmt: off
TRANSITIONS = (
    Row("task.assign", (BACKLOG, REJECTED, DONE, ROLLED_BACK, ASSIGNED, IN_PROGRESS), (ASSIGNED,), (ORCHESTRATOR,)),
    Row("task.claim", (BACKLOG,), (ASSIGNED,), (Who(WORK, "first stage"),)),
    Row("task.release", (ASSIGNED, IN_PROGRESS, REJECTED), (BACKLOG,), (ASSIGNEE, ORCHESTRATOR)),
    Row("task.start", (ASSIGNED, REJECTED), (IN_PROGRESS,), (ASSIGNEE,)),
    Row("task.submit", (IN_PROGRESS,), (IN_REVIEW,), (ASSIGNEE,)),
    Row("review.withdraw", (IN_REVIEW,), (IN_PROGRESS,), (ASSIGNEE,)),
    Row("review.approve", (IN_REVIEW,), (DONE,), (Who(REVIEW, "last reviewer"),)),
    Row("review.reject", (IN_REVIEW,), (REJECTED,), (Who(REVIEW, "reviewer"),)),
    Row("task.deploy-start", (DONE,), (DONE,), (Who(DEPLOY, "last stage"),)),
    Row("task.deploy-finish", (DONE,), (DEPLOYED, DONE), (Who(DEPLOY, "starter"),)),
    Row("task.rollback", (DEPLOYED,), (ROLLED_BACK,),
        (Who(DEPLOY, "last stage"), ORCHESTRATOR, Who(OBSERVE, "alerted"))),
    Row("task.cancel", (BACKLOG, ASSIGNED, IN_PROGRESS, IN_REVIEW, DONE, REJECTED), (CANCELLED,), (ORCHESTRATOR,)),
)
NO_TRANSITION = (
    Row("task.edit", (BACKLOG, ASSIGNED, IN_PROGRESS, REJECTED), (), (ORCHESTRATOR, Who(None, "creator"))),
    Row("task.progress", (IN_PROGRESS,), (), (ASSIGNEE,)),
    Row("task.comment", tuple(s for s in STATUSES if s != IN_REVIEW), (), (ANYONE,)),
    Row("task.trim", tuple(s for s in STATUSES if s != IN_REVIEW), (), (ORCHESTRATOR,)),
    Row("task.deploy-abandon", (DONE,), (), (ORCHESTRATOR,)),
    Row("review.request", (IN_REVIEW,), (), (ASSIGNEE,), BRANCH),
    Row("review.comment", (IN_REVIEW,), (), (ANYONE,), BRANCH),
    Row("review.revise", (IN_REVIEW,), (), (ASSIGNEE,), BRANCH),
    Row("review.sign-off", (IN_REVIEW,), (), (Who(REVIEW, "reviewer"),), BRANCH),
)
# fmt: on
TASK_ROWS: dict[str, Row] = {row.op: row for row in TRANSITIONS + NO_TRANSITION}

# Operations on other files: the right that signs them (None: see the operation's own rule), and the file's kind.
OTHERS: dict[str, tuple[str, tuple[str, ...] | None]] = {
    "task.add": ("task", None),
    "task.import": ("task", (ORCHESTRATE,)),
    "project.set": ("project", (ORCHESTRATE,)),
    "agent.add": ("agent", (ORCHESTRATE,)),
    "agent.edit": ("agent", (ORCHESTRATE,)),
    "agent.remove": ("agent", (ORCHESTRATE,)),
    "agent.rotate": ("agent", None),
    "agent.retire-key": ("agent", None),
    "agent.compromise": ("agent", (ORCHESTRATE,)),
    "agent.ratify": ("agent", (ORCHESTRATE,)),
    "quota.set": ("quota", (ORCHESTRATE,)),
    "quota.use": ("quota", None),
    "metric.set": ("metric", (OBSERVE, ORCHESTRATE)),
    "alert.raise": ("alert", (OBSERVE, ORCHESTRATE)),
    "alert.resolve": ("alert", (OBSERVE, ORCHESTRATE)),
    "file.set": ("house", (ORCHESTRATE,)),
}

# The operation that `task move` means by a target, by the status that the task has.
MOVES: dict[tuple[str, str], str] = {
    (source, target): row.op
    for row in reversed(TRANSITIONS)
    if row.op not in ("task.claim", "task.deploy-start")
    for source in row.sources
    for target in row.targets
    if target != source
}


def legal_from(status: str) -> str:
    """What the lifecycle allows from a status, in words for a refusal."""
    steps = [f"{row.op} (to {row.targets[0]})" for row in TRANSITIONS if status in row.sources]
    return ", ".join(steps) or "nothing: it has ended"


def why_not(row: Row, task_id: str, status: str, assigned: str | None) -> Refusal:
    """The refusal of an operation from a status that its row does not name."""
    if row.op == "task.claim" and assigned:
        return Refusal("ALREADY_CLAIMED", f"{task_id} was claimed by {assigned}", "opsgit task next")
    if status in row.targets and row.op != "task.claim":
        return Refusal("ALREADY_THERE", f"{task_id} is {status} already", f"opsgit task show {task_id}")
    if status == IN_REVIEW:
        return Refusal("IN_REVIEW", f"{row.op} cannot touch {task_id} while it is in review",
                       f"opsgit review comment {task_id} --text ..., or opsgit review withdraw {task_id}")  # fmt: skip
    return Refusal(
        "ILLEGAL_TRANSITION",
        f"{row.op} is not possible while {task_id} is {status}; from there: {legal_from(status)}",
        f"opsgit task show {task_id}",
    )
