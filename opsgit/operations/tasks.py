"""Operations on tasks that need more than their arguments: add, comment and submit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opsgit.domain import vocabulary
from opsgit.domain.model import Task
from opsgit.domain.policy import split_pipeline
from opsgit.domain.request import Request
from opsgit.operations import numbers
from opsgit.operations.publication import act, write
from opsgit.operations.session import Session
from opsgit.operations.transactions import Written

if TYPE_CHECKING:
    from opsgit.operations.deliverables import Given


def add(session: Session, task_id: str | None, title: str, **fields: Any) -> list[Written]:
    """Add a task.

    :param task_id: its id; None takes the next number.
    :param fields: description, priority, tags, pipeline (text), assigned, depends_on.
    :raises Refused: if the rule book refuses the operation; `REF_MOVED` if 50 numbers in a row were taken meanwhile.
    """
    if fields.get("pipeline"):
        fields["pipeline"] = split_pipeline(fields["pipeline"])
    before = session.repeated()
    if before and before.request.op == "task.add":
        task_id = task_id or before.request.target
    if task_id is not None:
        return act(session, "task.add", task_id, title=title, **fields)
    return numbers.numbered(lambda: act(session, "task.add", numbers.next_task(session.look()), title=title, **fields))


def comment(session: Session, task_id: str, text: str) -> list[Written]:
    """Comment on a task: on its review branch while it is in review, else on the ledger.

    :raises Refused: if the rule book refuses the operation.
    """
    in_review = session.look().task(task_id).status == vocabulary.IN_REVIEW
    op = "review.comment" if in_review else "task.comment"
    return act(session, op, task_id, text=text)


def submit(session: Session, task_id: str, given: Given) -> list[Written]:
    """Submit a deliverable: a submission on the ledger, and a review request on the task's review branch.

    :raises Refused: as `deliverables.measured`; if the rule book refuses the operation.
    """
    snapshot = session.look()
    task = snapshot.task(task_id)
    if (
        task.status != vocabulary.IN_PROGRESS and not session.op_id
    ):  # the rule book refuses it before anything is measured
        return act(session, "task.submit", task_id)
    from opsgit.operations import deliverables  # the other operations here are called often and do not need it

    fields = deliverables.measured(session, snapshot, task_id, given)
    handed = session.request("task.submit", task_id, **fields)
    plea = session.note or f"Please review round {_round(task) + 1}: {fields['deliverable']}"
    return write(session, handed, Request("review.request", handed.actor, task_id, {"text": plea}))


def _round(task: Task) -> int:
    return task.submission.round if task.submission else 0
