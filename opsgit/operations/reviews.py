"""Reviews: comments and sign-offs on the branch, and the verdicts that merge it."""

from __future__ import annotations

from typing import Any

from opsgit.domain import vocabulary
from opsgit.domain.request import Snapshot
from opsgit.operations import deliverables
from opsgit.operations.publication import act
from opsgit.operations.session import Session
from opsgit.operations.transactions import Written


def verdict(session: Session, op: str, task_id: str, local: str | None = None) -> list[Written]:
    """Approve, reject or sign off: always by name, of the round and digest that were seen.

    :param op: `review.approve`, `review.reject` or `review.sign-off`.
    :param local: a copy of the deliverable on this machine.
    """
    snapshot = session.look(task_id)
    session.actor_of(op, task_id, snapshot)
    return act(session, op, task_id, **_seen(snapshot, op, task_id, local))


def _seen(snapshot: Snapshot, op: str, task_id: str, local: str | None) -> dict[str, Any]:
    task = snapshot.task(task_id)
    submission = task.submission
    if submission is None or task.status != vocabulary.IN_REVIEW:
        return {}  # the lifecycle refuses; there is nothing to measure
    digest = None if op == "review.reject" else deliverables.digest_now(snapshot, submission, local)
    return {"round": submission.round, "digest": digest}


def withdraw(session: Session, task_id: str) -> list[Written]:
    """Take a submission back."""
    return act(session, "review.withdraw", task_id)


def revise(session: Session, task_id: str, output: str | None, repository: str | None) -> list[Written]:
    """Hand in another version within the round."""
    fields = deliverables.measured(session.look(), output, repository)
    return act(session, "review.revise", task_id, **fields)
