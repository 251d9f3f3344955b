"""Operations on tasks that need more than their arguments: add, comment and submit."""

from __future__ import annotations

from typing import Any

from opsgit.domain import names, vocabulary
from opsgit.domain.model import Task
from opsgit.domain.policy import split_pipeline
from opsgit.domain.refusals import Refused, refuse
from opsgit.domain.request import Request
from opsgit.operations import deliverables
from opsgit.operations.publication import act, write
from opsgit.operations.session import Session
from opsgit.operations.transactions import Written

TRIES = 50


def add(session: Session, task_id: str | None, title: str, **fields: Any) -> list[Written]:
    """Add a task.

    :param task_id: its id; None takes the next number.
    :param fields: description, priority, tags, pipeline (text), assigned, depends_on.
    :raises Refused: if the rule book refuses the operation; `REF_MOVED` if 50 numbers in a row were taken meanwhile.
    """
    if fields.get("pipeline"):
        fields["pipeline"] = split_pipeline(fields["pipeline"])
    if task_id is not None:
        return act(session, "task.add", task_id, title=title, **fields)
    for _ in range(TRIES):
        try:
            return act(session, "task.add", _next_id(session), title=title, **fields)
        except Refused as refused:  # another process took the number
            if refused.refusal.code != "ID_TAKEN":
                raise
    refuse("REF_MOVED", f"other tasks took {TRIES} numbers meanwhile", "try again, or give an id: --id ID")


def _next_id(session: Session) -> str:
    """Return the next free id `T-<number>`."""
    reader = session.look().reader
    found = (name.removesuffix(".yaml") for folder in reader.names("tasks") for name in reader.names(f"tasks/{folder}"))
    numbers = (match for name in found if (match := names.AUTOMATIC["task"].match(name)))
    return f"T-{max((int(number[2]) for number in numbers), default=0) + 1}"


def comment(session: Session, task_id: str, text: str) -> list[Written]:
    """Comment on a task: on its review branch while it is in review, else on the ledger.

    :raises Refused: if the rule book refuses the operation.
    """
    in_review = session.look().task(task_id).status == vocabulary.IN_REVIEW
    op = "review.comment" if in_review else "task.comment"
    return act(session, op, task_id, text=text)


def submit(session: Session, task_id: str, output: str | None, repository: str | None = None) -> list[Written]:
    """Submit a deliverable: a submission on the ledger, and a review request on the task's review branch.

    :param output: a path, or `commit: <id>`.
    :param repository: the path of the repository that holds the commit.
    :raises Refused: as `deliverables.measured`; if the rule book refuses the operation.
    """
    snapshot = session.look()
    task = snapshot.task(task_id)
    if task.status != vocabulary.IN_PROGRESS:  # the rule book refuses it before anything is measured
        return act(session, "task.submit", task_id)
    fields = deliverables.measured(snapshot, output, repository)
    handed = session.request("task.submit", task_id, **fields)
    plea = session.note or f"Please review round {_round(task) + 1}: {fields['deliverable']}"
    return write(session, handed, Request("review.request", handed.actor, task_id, {"text": plea}))


def _round(task: Task) -> int:
    return task.submission.round if task.submission else 0
