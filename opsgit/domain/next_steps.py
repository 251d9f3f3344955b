"""Whom and what each task waits for, as the ledger shows it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from opsgit.domain.model import Task
from opsgit.domain.vocabulary import ASSIGNED, BACKLOG, DEPLOYED, DONE, IN_PROGRESS, IN_REVIEW, REJECTED, ROLLED_BACK

ORCHESTRATORS = "orchestrator"
MET = (DONE, DEPLOYED)  # a dependency with one of these statuses keeps nobody from starting
BEFORE_START = (BACKLOG, ASSIGNED, REJECTED)


def open_dependencies(depends_on: Iterable[str], status_of: Callable[[str], str | None]) -> tuple[str, ...]:
    """The dependencies that keep a task from being started.

    :param status_of: a function from the id of a task to its status, None where there is no such task.
    """
    return tuple(other for other in depends_on if status_of(other) not in MET)


def blocked_by(status: str, depends_on: Iterable[str], status_of: Callable[[str], str | None]) -> tuple[str, ...]:
    """What a task of a status is blocked by: its open dependencies until it is started, then nothing."""
    return open_dependencies(depends_on, status_of) if status in BEFORE_START else ()


def waits_for(task: Task, blocked: Iterable[str] = ()) -> tuple[str, str] | None:
    """Who has to act next (an agent or a role) and on what; None when the task has ended.

    :param blocked: the ids of the tasks that it is blocked by.
    """
    found = _next_act(task)
    return (found[0], f"{found[1]} (blocked by {', '.join(blocked)})") if found and blocked else found


def _next_act(task: Task) -> tuple[str, str] | None:
    if task.deployment and task.deployment.state == "started":
        return task.deployment.by, "finish the deployment"
    stages = [stage.name for stage in task.pipeline]
    found = {
        BACKLOG: (stages[0], "claim it, or an orchestrator assigns it"),
        ASSIGNED: (task.assigned or "", "start"),
        IN_PROGRESS: (task.assigned or "", "submit"),
        REJECTED: (task.assigned or "", "rework"),
        IN_REVIEW: (", ".join(stages[1:-1]), "review"),
        DONE: (stages[-1], "deploy"),
        ROLLED_BACK: (ORCHESTRATORS, "assign it again"),
    }
    return found.get(task.status)
