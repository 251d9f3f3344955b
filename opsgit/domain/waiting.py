"""Whom each task waits for, as the ledger shows it."""

from __future__ import annotations

from opsgit.domain.model import Task
from opsgit.domain.words import ASSIGNED, BACKLOG, DONE, IN_PROGRESS, IN_REVIEW, REJECTED, ROLLED_BACK

ORCHESTRATORS = "orchestrator"


def waits_for(task: Task) -> tuple[str, str] | None:
    """Who has to act next (an agent or a role) and on what; None when the task has ended."""
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
