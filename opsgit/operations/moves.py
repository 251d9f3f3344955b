"""`task move`: the original's spelling of the operations that change a task's status."""

from __future__ import annotations

from typing import Any

from opsgit.domain import lifecycle, vocabulary
from opsgit.domain.refusals import refuse
from opsgit.operations import tasks
from opsgit.operations.session import Session, assignee, orchestrator
from opsgit.storage.ledger import Written


def move(session: Session, task_id: str, to: str, **given: Any) -> list[Written]:
    """The original's spelling: the operation that takes a task to a status.

    :param given: output, repository, deploy_ref, deliverable, alert, assignee.
    """
    task = session.look(task_id).task(task_id)
    op = lifecycle.MOVES.get((task.status, to)) or _move_from_nowhere(to)
    if op == "task.submit":
        return tasks.submit(session, task_id, given.get("output"), given.get("repository"))
    if op in ("review.approve", "review.reject"):
        from opsgit.operations import reviews

        return reviews.verdict(session, op, task_id, given.get("deliverable"))
    if op in ("task.deploy-finish", "task.rollback"):
        from opsgit.operations import deployments

        if op == "task.rollback":
            return deployments.rollback(session, task_id, given.get("alert"))
        return deployments.deploy(session, task_id, given.get("deploy_ref"), given.get("deliverable"))
    if op == "task.assign":
        if not (given.get("assignee") or task.assigned):
            refuse(
                "BAD_VALUE",
                f"{task_id} was never assigned: to whom?",
                f"opsgit task assign {task_id} --to AGENT",
                "assignee",
            )
        return tasks.assign(session, task_id, given.get("assignee") or task.assigned or "")
    natural = orchestrator if op == "task.cancel" else assignee(task_id)
    return session.write(session.request(op, task_id, natural))


def _move_from_nowhere(to: str) -> str:
    """The operation that leads to a status from elsewhere: asking for it earns the lifecycle's own refusal."""
    if to not in vocabulary.STATUSES:
        refuse("BAD_VALUE", f"{to!r} is no status; there are {', '.join(vocabulary.STATUSES)}",
               "opsgit task move ID --to in-progress", "to")  # fmt: skip
    return next(op for (_, target), op in lifecycle.MOVES.items() if target == to)
