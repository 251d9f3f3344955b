"""`task move`: choose the operation that takes a task to a status."""

from __future__ import annotations

from typing import Any

from opsgit.domain import rules, vocabulary
from opsgit.domain.refusals import refuse
from opsgit.operations import tasks
from opsgit.operations.publication import act
from opsgit.operations.session import Session
from opsgit.operations.transactions import Written


def move(session: Session, task_id: str, to: str, **given: Any) -> list[Written]:
    """Perform the operation that takes a task to a status.

    :param to: a status.
    :param given: output, repository, deploy_ref, deliverable, alert, assignee.
    :raises Refused: `BAD_VALUE` if there is no such status, or nobody to assign the task to; if the rule book refuses
        the operation.
    """
    snapshot = session.look(task_id)
    task = snapshot.task(task_id)
    before = session.repeated()
    repeats = before and before.request.target == task_id and before.after == to
    op = before.request.op if before and repeats else _operation(rules.in_force(snapshot.project), task.status, to)
    if op == "task.submit":
        from opsgit.operations.deliverables import Given

        return tasks.submit(session, task_id, Given(given.get("output"), given.get("repository"), given.get("attach")))
    if op in ("review.approve", "review.reject"):
        from opsgit.operations import reviews

        return reviews.verdict(session, op, task_id, given.get("deliverable"))
    if op == "task.deploy-finish":
        from opsgit.operations import deployments

        return deployments.deploy(session, task_id, given.get("deploy_ref"), given.get("deliverable"))
    if op == "task.rollback":
        from opsgit.operations import deployments

        return deployments.rollback(session, task_id, given.get("alert"))
    if op == "task.assign":
        to_whom = given.get("assignee") or task.assigned
        if not to_whom:
            hint = f"opsgit task assign {task_id} --to AGENT"
            refuse("BAD_VALUE", f"{task_id} was never assigned: to whom?", hint, "assignee")
        return act(session, op, task_id, to=to_whom)
    return act(session, op, task_id)


def _operation(book: rules.RuleBook, status: str, to: str) -> str:
    """Return the name of the operation from one status to another.

    If the lifecycle has none, return one that leads to the status: its refusal says what is possible instead.
    """
    if to not in vocabulary.STATUSES:
        refuse("BAD_VALUE", f"{to!r} is no status; there are {', '.join(vocabulary.STATUSES)}",
               "opsgit task move ID --to in-progress", "to")  # fmt: skip
    found = book.moves.get((status, to)) or next(one for (_, target), one in book.moves.items() if target == to)
    return found.name
