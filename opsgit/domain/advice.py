"""Whom a task waits for with each step that takes it forward: one function for each, named in the catalogue.

Each sees the task and `can_act`, which says whether the agent of a name is still active (a role always can), and
returns the name of an agent, a role, or `ORCHESTRATORS`; None where the task does not wait for that step.
"""

from __future__ import annotations

from collections.abc import Callable

from opsgit.domain.authority import open_stage
from opsgit.domain.model import Stage, Task
from opsgit.domain.vocabulary import ASSIGNED, BACKLOG, DONE, IN_PROGRESS, IN_REVIEW, REJECTED, ROLLED_BACK

ORCHESTRATORS = "orchestrator"
CanAct = Callable[[str], bool]


def orchestrators_assign(task: Task, can_act: CanAct) -> str | None:
    """What nobody has, what was rolled back, what an agent left behind, and what must be approved here first."""
    orphaned = task.status in (ASSIGNED, IN_PROGRESS, REJECTED) and not can_act(task.assigned or "")
    unapproved = task.status == DONE and not _approved(task)
    return ORCHESTRATORS if orphaned or unapproved or task.status in (BACKLOG, ROLLED_BACK) else None


def _approved(task: Task) -> bool:
    """Whether a review of this ledger approved the task."""
    return task.submission is not None


def _deploys(task: Task) -> bool:
    return task.deployment is not None and task.deployment.state == "started"


def _stage(stage: Stage, can_act: CanAct) -> str | None:
    """The name of a stage that somebody can take."""
    return stage.name if stage.role or can_act(stage.name) else None


def first_stage_claims(task: Task, can_act: CanAct) -> str | None:
    """A task in the backlog."""
    return _stage(task.pipeline[0], can_act) if task.status == BACKLOG else None


def assignee_starts(task: Task, can_act: CanAct) -> str | None:
    """A task that is assigned, or sent back."""
    return task.assigned if task.status in (ASSIGNED, REJECTED) and can_act(task.assigned or "") else None


def assignee_submits(task: Task, can_act: CanAct) -> str | None:
    """A task that is worked on."""
    return task.assigned if task.status == IN_PROGRESS and can_act(task.assigned or "") else None


def last_stage_reviews(task: Task, can_act: CanAct) -> str | None:
    """A review whose last stage is open: it gives the verdict."""
    last = len(task.pipeline) - 2
    return _stage(task.pipeline[last], can_act) if task.status == IN_REVIEW and open_stage(task) == last else None


def open_stage_signs_off(task: Task, can_act: CanAct) -> str | None:
    """A review with an open stage before the last."""
    stage = open_stage(task) if task.status == IN_REVIEW else None
    return _stage(task.pipeline[stage], can_act) if stage is not None and stage < len(task.pipeline) - 2 else None


def last_stage_deploys(task: Task, can_act: CanAct) -> str | None:
    """An approved task that nobody deploys."""
    waits = task.status == DONE and _approved(task) and not _deploys(task)
    return _stage(task.pipeline[-1], can_act) if waits else None


def starter_finishes(task: Task, can_act: CanAct) -> str | None:
    """A deployment that runs."""
    running = task.deployment if task.status == DONE and _deploys(task) else None
    return running.by if running and can_act(running.by) else None


def orchestrators_abandon(task: Task, can_act: CanAct) -> str | None:
    """A deployment whose agent is gone."""
    running = task.deployment if task.status == DONE and _deploys(task) else None
    return ORCHESTRATORS if running and not can_act(running.by) else None
