"""The work itself: tasks added, assigned, claimed, started, submitted, edited, commented, released, cancelled."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from opsgit.domain import vocabulary
from opsgit.domain.model import Task
from opsgit.domain.policy import split_pipeline
from opsgit.domain.refusals import Refused, refuse
from opsgit.domain.request import Request
from opsgit.operations import deliverables
from opsgit.operations.publication import act, write
from opsgit.operations.session import Session
from opsgit.operations.transactions import Written

TRIES = 50
NUMBERED = re.compile(r"[Tt]-[0-9]{1,9}\Z")  # a longer one is somebody's joke, not the last number


def add(session: Session, task_id: str | None, title: str, **fields: Any) -> list[Written]:
    """Add a task; without an id it takes the project's next number.

    :param fields: description, priority, tags, pipeline (words), assigned, depends_on.
    """
    if fields.get("pipeline"):
        fields["pipeline"] = split_pipeline(fields["pipeline"])
    if task_id is not None:
        return act(session, "task.add", task_id, title=title, **fields)
    for _ in range(TRIES):
        try:
            return act(session, "task.add", _next_id(session), title=title, **fields)
        except Refused as refused:  # somebody else took the number meanwhile
            if refused.refusal.code != "ID_TAKEN":
                raise
    refuse("REF_MOVED", f"other tasks took {TRIES} numbers meanwhile", "try again, or give an id: --id ID")


def _next_id(session: Session) -> str:
    """The next free `T-<number>`."""
    reader = session.look().reader
    found = (name.removesuffix(".yaml") for folder in reader.names("tasks") for name in reader.names(f"tasks/{folder}"))
    numbers = [int(name[2:]) for name in found if NUMBERED.match(name)]
    return f"T-{max(numbers, default=0) + 1}"


def assign(session: Session, task_id: str, to: str) -> list[Written]:
    """Give a task to an agent."""
    return act(session, "task.assign", task_id, to=to)


def claim(session: Session, task_id: str) -> list[Written]:
    """Take a task from the backlog."""
    return act(session, "task.claim", task_id)


def by_assignee(session: Session, op: str, task_id: str, **fields: Any) -> list[Written]:
    """An operation of the assignee: start, progress, release."""
    return act(session, op, task_id, **fields)


def by_orchestrator(session: Session, op: str, task_id: str, **fields: Any) -> list[Written]:
    """An operation whose natural actor is the orchestrator: edit, trim, cancel."""
    if isinstance(fields.get("pipeline"), str):
        fields["pipeline"] = split_pipeline(fields["pipeline"])
    return act(session, op, task_id, **fields)


def comment(session: Session, task_id: str, text: str) -> list[Written]:
    """Comment on a task: on its review branch while it is in review, else on the ledger."""
    in_review = session.look().task(task_id).status == vocabulary.IN_REVIEW
    op = "review.comment" if in_review else "task.comment"
    return act(session, op, task_id, text=text)


def submit(session: Session, task_id: str, output: str | None, repository: str | None = None) -> list[Written]:
    """Hand a deliverable in: the submission on the ledger, and the review request on the task's review branch."""
    snapshot = session.look()
    task = snapshot.task(task_id)
    if task.status != vocabulary.IN_PROGRESS:  # the lifecycle's answer comes before any look at the disk
        return act(session, "task.submit", task_id)
    fields = deliverables.measured(snapshot, output, repository)
    handed = session.request("task.submit", task_id, **fields)
    plea = session.note or f"Please review round {_round(task) + 1}: {fields['deliverable']}"
    return write(session, handed, Request("review.request", handed.actor, task_id, {"text": plea}))


def _round(task: Task) -> int:
    return task.submission.round if task.submission else 0


def listed(ids: Sequence[str] | None) -> tuple[str, ...] | None:
    """Ids or tags given one by one or with commas between them; None when none was given."""
    split = tuple(part.strip() for given in ids or () for part in given.split(",") if part.strip())
    return split if ids else None
