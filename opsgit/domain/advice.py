"""The next step of a task: one function per operation that takes a task forward. The catalogue names them.

Each function receives the task and `can_act`, which returns whether the agent of a name is active. It returns the agent
or role that the task waits for, or `ORCHESTRATORS`; None when the task does not wait for that operation.
"""

from __future__ import annotations

from collections.abc import Callable

from opsgit.domain.authority import gives_verdict, open_stage
from opsgit.domain.model import Stage, Task
from opsgit.domain.vocabulary import ASSIGNED, BACKLOG, DONE, IN_PROGRESS, IN_REVIEW, REJECTED, ROLLED_BACK

ORCHESTRATORS = "orchestrator"
CanAct = Callable[[str], bool]


def orchestrators_assign(task: Task, can_act: CanAct) -> str | None:
    """Return `ORCHESTRATORS` when the task must be assigned.

    These are tasks in the backlog, tasks that were rolled back, tasks whose assignee was removed, done tasks without an
    approval in this ledger (imported ones), and done tasks whose deployer was removed.
    """
    orphaned = task.status in (ASSIGNED, IN_PROGRESS, REJECTED) and not can_act(task.assigned or "")
    stuck = task.status == DONE and not (_approved(task) and _stage(task.pipeline[-1], can_act)) and not _deploys(task)
    return ORCHESTRATORS if orphaned or stuck or task.status in (BACKLOG, ROLLED_BACK) else None


def _approved(task: Task) -> bool:
    """Return whether a done task was submitted, and so approved, in this ledger."""
    return task.submission is not None


def _deploys(task: Task) -> bool:
    return task.deployment is not None and task.deployment.state == "started"


def _stage(stage: Stage, can_act: CanAct) -> str | None:
    """Return the name of a stage, or None when it names an agent that was removed."""
    return stage.name if stage.role or can_act(stage.name) else None


def first_stage_claims(task: Task, can_act: CanAct) -> str | None:
    """Return the first stage for a task in the backlog."""
    return _stage(task.pipeline[0], can_act) if task.status == BACKLOG else None


def assignee_starts(task: Task, can_act: CanAct) -> str | None:
    """Return the assignee of a task that is assigned or rejected."""
    return task.assigned if task.status in (ASSIGNED, REJECTED) and can_act(task.assigned or "") else None


def assignee_submits(task: Task, can_act: CanAct) -> str | None:
    """Return the assignee of a task in progress."""
    return task.assigned if task.status == IN_PROGRESS and can_act(task.assigned or "") else None


def last_stage_reviews(task: Task, can_act: CanAct) -> str | None:
    """Return the last review stage of a task in review when its next reviewer gives the verdict."""
    waits = task.status == IN_REVIEW and gives_verdict(task)
    return _stage(task.pipeline[-2], can_act) if waits else None


def open_stage_signs_off(task: Task, can_act: CanAct) -> str | None:
    """Return the open review stage of a task in review when its next reviewer signs off."""
    waits = task.status == IN_REVIEW and not gives_verdict(task)
    return _stage(task.pipeline[open_stage(task)], can_act) if waits else None


def _reviewer_is_gone(task: Task, can_act: CanAct) -> bool:
    """Return whether a task is in review and the open stage names an agent that was removed."""
    return task.status == IN_REVIEW and _stage(task.pipeline[open_stage(task)], can_act) is None


def assignee_withdraws(task: Task, can_act: CanAct) -> str | None:
    """Return the assignee when the reviewer of the open stage was removed."""
    return task.assigned if _reviewer_is_gone(task, can_act) and can_act(task.assigned or "") else None


def orchestrators_cancel(task: Task, can_act: CanAct) -> str | None:
    """Return `ORCHESTRATORS` when both the reviewer of the open stage and the assignee were removed."""
    return ORCHESTRATORS if _reviewer_is_gone(task, can_act) and not can_act(task.assigned or "") else None


def last_stage_deploys(task: Task, can_act: CanAct) -> str | None:
    """Return the last stage of an approved task without a running deployment."""
    waits = task.status == DONE and _approved(task) and not _deploys(task)
    return _stage(task.pipeline[-1], can_act) if waits else None


def starter_finishes(task: Task, can_act: CanAct) -> str | None:
    """Return the agent whose deployment of the task is running."""
    running = task.deployment if task.status == DONE and _deploys(task) else None
    return running.by if running and can_act(running.by) else None


def orchestrators_abandon(task: Task, can_act: CanAct) -> str | None:
    """Return `ORCHESTRATORS` when the agent of a running deployment was removed."""
    running = task.deployment if task.status == DONE and _deploys(task) else None
    return ORCHESTRATORS if running and not can_act(running.by) else None
