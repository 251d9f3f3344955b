"""Reviews: sign-offs, verdicts and revisions."""

from __future__ import annotations

from typing import Any

from opsgit.domain import vocabulary
from opsgit.domain.request import Snapshot
from opsgit.operations import deliverables
from opsgit.operations.publication import act
from opsgit.operations.session import Session
from opsgit.operations.transactions import Written


def verdict(session: Session, op: str, task_id: str, local: str | None = None) -> list[Written]:
    """Approve, reject or sign off a review.

    The actor must be named. The request has the round that was seen and the digest that was measured.

    :param op: `review.approve`, `review.reject` or `review.sign-off`.
    :param local: the path of a copy of the deliverable on this machine.
    :raises Refused: `IDENTITY_REQUIRED` if no actor is named; as `deliverables.digest_now`; if the rule book refuses
        the operation.
    """
    snapshot = session.look(task_id)
    session.actor_of(op, task_id, snapshot)
    return act(session, op, task_id, **_seen(snapshot, op, task_id, local))


def _seen(snapshot: Snapshot, op: str, task_id: str, local: str | None) -> dict[str, Any]:
    task = snapshot.task(task_id)
    submission = task.submission
    if submission is None or task.status != vocabulary.IN_REVIEW:
        return {}  # the rule book refuses the operation anyway
    digest = None if op == "review.reject" else deliverables.digest_now(snapshot, submission, local)
    return {"round": submission.round, "digest": digest}


def revise(session: Session, task_id: str, output: str | None, repository: str | None) -> list[Written]:
    """Submit another version of the deliverable within the same round.

    :param output: a path, or `commit: <id>`.
    :param repository: the path of the repository that holds the commit.
    :raises Refused: as `deliverables.measured`; if the rule book refuses the operation.
    """
    fields = deliverables.measured(session.look(), output, repository)
    return act(session, "review.revise", task_id, **fields)
