"""The relations that an actor can have to a task, agent or quota, one function each.

Each function receives the context, the way `who` to be permitted and the value, and refuses unless the relation holds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from opsgit.domain import names, policy, standing, times
from opsgit.domain.context import Context
from opsgit.domain.model import Agent, Deployment, Quota, Task
from opsgit.domain.operation import Who
from opsgit.domain.refusals import Refused, refuse
from opsgit.domain.request import Snapshot
from opsgit.domain.vocabulary import BACKLOG, ORCHESTRATE


def check(context: Context, ways: tuple[Who, ...], value: Any, evidence: bool = True) -> None:
    """Refuse unless the actor is permitted in at least one of the ways.

    The refusal is that of the first way whose right the actor holds, or else of the first way.

    :param value: the value that the operation is about; None for a new file.
    :param evidence: whether a relation may require arguments of the request; False for `decide.may`.
    :raises Refused: the codes of the relations.
    """
    if all(who.relation == "anyone" for who in ways):
        rights = [who.right for who in ways if who.right]
        return context.need_right(*rights) if rights else None
    refusals = []
    for who in sorted(ways, key=lambda who: who.right not in {None, *context.rights}):
        try:
            RELATIONS[who.relation](context, who, value)
            return None
        except Refused as refused:
            if not evidence and refused.refusal.code == "ALERT_REQUIRED":
                return None  # a request that only asks names no alert
            refusals.append(refused)
    raise refusals[0]


def is_party(snapshot: Snapshot, task: Task, name: str) -> bool:
    """Return whether an agent is party to a task: it made it, worked on it, may work on it, or orchestrates.

    :param name: the name of an agent; False if there is none.
    """
    agent = snapshot.find_agent(name)
    if agent is None:
        return False
    rights = policy.rights(snapshot.project, agent)
    named = bool(rights) and any(policy.matches(stage, agent) for stage in task.pipeline)
    return named or ORCHESTRATE in rights or name in (task.created_by, task.assigned, *task.contributors)


def anyone(context: Context, who: Who, task: Task) -> None:
    """Require the right alone.

    :raises Refused: `RIGHT_MISSING`.
    """
    if who.right:
        context.need_right(who.right)


def assignee(context: Context, who: Who, task: Task) -> None:
    """Require that the task is assigned to the actor.

    :raises Refused: `NOT_ASSIGNEE`, `RIGHT_MISSING`.
    """
    if task.assigned != context.me:
        refuse("NOT_ASSIGNEE", f"{task.id} is assigned to {task.assigned or 'nobody'}, not to {context.me}",
               f"opsgit {context.request.op.replace('.', ' ')} {task.id} --as {task.assigned or 'AGENT'}")  # fmt: skip
    anyone(context, who, task)


def creator(context: Context, who: Who, task: Task) -> None:
    """Require that the actor created the task, and that the task is still in the backlog.

    :raises Refused: `NOT_CREATOR`.
    """
    if task.created_by != context.me or task.status != BACKLOG:
        refuse("NOT_CREATOR", f"{context.me} neither orchestrates nor made {task.id} (still in backlog)",
               f'opsgit task comment {task.id} --text "..."')  # fmt: skip


def first_stage(context: Context, who: Who, task: Task) -> None:
    """Require that the first stage of the pipeline names the actor or its role.

    :raises Refused: `RIGHT_MISSING`, `NOT_IN_PIPELINE`.
    """
    _stage(context, who, task, 0)


def last_stage(context: Context, who: Who, task: Task) -> None:
    """Require that the last stage of the pipeline names the actor or its role.

    :raises Refused: `RIGHT_MISSING`, `NOT_IN_PIPELINE`.
    """
    _stage(context, who, task, len(task.pipeline) - 1)


def _stage(context: Context, who: Who, task: Task, index: int) -> None:
    anyone(context, who, task)
    if not policy.matches(task.pipeline[index], context.actor):
        refuse("NOT_IN_PIPELINE", f"the pipeline of {task.id} names {task.pipeline[index].name} for this stage",
               f"ask {task.pipeline[index].name}")  # fmt: skip


def reviewer(context: Context, who: Who, task: Task) -> None:
    """Require that some review stage names the actor or its role, and that the actor is no contributor.

    :raises Refused: `SELF_REVIEW`, `RIGHT_MISSING`, `NOT_IN_PIPELINE`.
    """
    if context.me in task.contributors:
        refuse("SELF_REVIEW", f"{context.me} contributed to {task.id} and may not judge it",
               _by_another(context, task))  # fmt: skip
    anyone(context, who, task)
    stages = task.pipeline[1:-1]
    if not any(policy.matches(stage, context.actor) for stage in stages):
        refuse("NOT_IN_PIPELINE", f"the pipeline of {task.id} has no review stage for {context.me}",
               f"ask {' or '.join(stage.name for stage in stages)}")  # fmt: skip


def _by_another(context: Context, task: Task) -> str:
    """Return the command for another reviewer, from a stage that does not name a contributor."""
    others = [stage for stage in task.pipeline[1:-1] if stage.name not in (context.me, *task.contributors)]
    if not others:
        return "an orchestrator adds the task anew, with another reviewer"
    command = context.operation.command.format(id=task.id)
    return command.replace("REVIEWER", others[-1].agent) if others[-1].agent else command


def open_stage(task: Task) -> int:
    """Return the index in the pipeline of the first review stage that needs another reviewer.

    The last review stage gives the verdict, so it is open while the review is.
    """
    last = len(task.pipeline) - 2
    return next((index for index in range(1, last) if missing(task, index)), last)


def missing(task: Task, stage: int) -> int:
    """Return how many reviewers a stage still needs; the verdict is the last review stage's last one.

    All sign-offs are of this version: a submission begins a new review, and a revision drops them.

    :param stage: index into the pipeline.
    """
    marks = task.review.sign_offs if task.review else ()
    return (task.pipeline[stage].count or 1) - sum(mark.stage == stage for mark in marks)


def gives_verdict(task: Task) -> bool:
    """Return whether the next reviewer is the last one that is needed, and gives the verdict."""
    last = len(task.pipeline) - 2
    return open_stage(task) == last and missing(task, last) <= 1


def starter(context: Context, who: Who, task: Task) -> None:
    """Require that the actor started the deployment that is running.

    :raises Refused: `RIGHT_MISSING`, `NO_DEPLOYMENT`, `NOT_STARTED_BY_YOU`.
    """
    anyone(context, who, task)
    by = running(task).by
    if by != context.me:
        refuse("NOT_STARTED_BY_YOU", f"{by} is deploying {task.id}",
               f"ask {by}, or an orchestrator: opsgit deploy abandon {task.id}")  # fmt: skip


def running(task: Task) -> Deployment:
    """Return the running deployment of a task.

    :raises Refused: `NO_DEPLOYMENT`.
    """
    if not task.deployment or task.deployment.state != "started":
        refuse("NO_DEPLOYMENT", f"no deployment of {task.id} is running", f"opsgit task show {task.id}")
    return task.deployment


def alerted(context: Context, who: Who, task: Task) -> None:
    """Require that the request names an open alert on this task that another agent raised after the deployment.

    :raises Refused: `RIGHT_MISSING`, `ALERT_REQUIRED`, `ALERT_UNFIT`, `BAD_ID`, `NOT_FOUND`.
    """
    anyone(context, who, task)
    others = f"{task.pipeline[-1].name} or an orchestrator may roll it back without an alert"
    alert_id = context.request.get("alert")
    if not alert_id:
        refuse("ALERT_REQUIRED", f"an observer rolls back {task.id} only by an open alert on it; {others}",
               f"opsgit rollback {task.id} --alert ALERT (opsgit alert list)")  # fmt: skip
    alert = context.snapshot.alert(str(alert_id))
    deployed = times.seconds((task.deployment and task.deployment.finished) or context.at)
    fits = alert.status == "open" and alert.task == task.id and alert.raised_by != context.me
    stolen = standing.voided_by(context.snapshot, names.path_of("alert", alert.id), "alert.raise", [alert.raised_by])
    if not fits or stolen or times.seconds(alert.raised) < deployed:
        refuse("ALERT_UNFIT", f"alert {alert.id} is no ground for {context.me} to roll back {task.id}: it must be "
               f"open, on this task, raised since the deployment, by somebody else with a good key; {others}",
               f'another observer: opsgit alert raise --task {task.id} --message "..."')  # fmt: skip


def in_place(context: Context, who: Who, task: Task) -> None:
    """Require that the task's assignee was removed: then somebody else acts in its place.

    :raises Refused: `RIGHT_MISSING`, `NOT_ASSIGNEE`.
    """
    anyone(context, who, task)
    if context.snapshot.is_active(task.assigned or ""):
        assignee(context, who, task)


def oneself(context: Context, who: Who, agent: Agent) -> None:
    """Require that the operation is about the actor itself.

    :raises Refused: `NOT_YOURS`.
    """
    if context.me != agent.name:
        refuse("NOT_YOURS", f"{context.me} may not change the keys of {agent.name}", f"--as {agent.name}")


def user(context: Context, who: Who, quota: Quota) -> None:
    """Require that the quota names the actor, or names nobody.

    :raises Refused: `NOT_ON_QUOTA`.
    """
    if quota.agents and context.me not in quota.agents:
        refuse("NOT_ON_QUOTA", f"quota {quota.name} is for {', '.join(quota.agents)}", "ask an orchestrator")


RELATIONS: dict[str, Callable[[Context, Who, Any], None]] = {
    "anyone": anyone,
    "assignee": assignee,
    "creator": creator,
    "first stage": first_stage,
    "last stage": last_stage,
    "reviewer": reviewer,
    "starter": starter,
    "alerted": alerted,
    "in place of a removed assignee": in_place,
    "oneself": oneself,
    "user": user,
}
