"""What waits for whom: the next thing that an agent should do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from opsgit.domain import policy, vocabulary
from opsgit.domain.authority import open_stage
from opsgit.domain.model import Agent, Project, Task
from opsgit.domain.records import from_record
from opsgit.domain.request import Snapshot
from opsgit.operations.queries import ORDER, synced
from opsgit.operations.session import Session


def next_steps(session: Session, name: str, limit: int = 20) -> list[dict[str, str]]:
    """What an agent should do now, most urgent first: each with the task, why, and the command."""
    snapshot = session.look()
    agent, project = snapshot.agent(name), snapshot.project
    open_ones = "kind = 'task' AND status NOT IN ('cancelled', 'deployed')"
    found = [from_record(Task, record) for record in synced(session).select(open_ones, (), ORDER)]
    tasks_now = (session.look(t.id).task(t.id) if t.status == vocabulary.IN_REVIEW else t for t in found)
    able = (task for task in tasks_now if not _blocked(snapshot, task))
    steps = (step for task in able for step in _steps(project, agent, task))
    return [step for step, _ in zip(steps, range(limit), strict=False)]


def _blocked(snapshot: Snapshot, task: Task) -> bool:
    """Whether a task that is not started waits for another one."""
    if task.status not in (vocabulary.BACKLOG, vocabulary.ASSIGNED):
        return False
    return any(snapshot.task(one).status not in (vocabulary.DONE, vocabulary.DEPLOYED) for one in task.depends_on)


def _steps(project: Project, agent: Agent, task: Task) -> Iterator[dict[str, str]]:
    """The steps on one task that wait for an agent."""
    held = policy.rights(project, agent)
    for right, status, fits, what, command in WAITING:
        if right in held and task.status == status and fits(agent, task):
            yield {"task": task.id, "title": task.title, "status": task.status, "priority": task.priority,
                   "do": what, "command": f"opsgit {command.format(id=task.id, me=agent.name)}"}  # fmt: skip


def _mine(agent: Agent, task: Task) -> bool:
    return task.assigned == agent.name


def _first(agent: Agent, task: Task) -> bool:
    return policy.matches(task.pipeline[0], agent)


def _last(agent: Agent, task: Task) -> bool:
    idle = not task.deployment or task.deployment.state != "started"
    return idle and policy.matches(task.pipeline[-1], agent)


def _to_sign_off(agent: Agent, task: Task) -> bool:
    return _reviews(agent, task) and open_stage(task) != len(task.pipeline) - 2


def _to_judge(agent: Agent, task: Task) -> bool:
    return _reviews(agent, task) and open_stage(task) == len(task.pipeline) - 2


def _reviews(agent: Agent, task: Task) -> bool:
    stage = open_stage(task)
    return stage is not None and agent.name not in task.contributors and policy.matches(task.pipeline[stage], agent)


def _nobodys(agent: Agent, task: Task) -> bool:
    return task.assigned is None


def _deploying(agent: Agent, task: Task) -> bool:
    return bool(task.deployment and task.deployment.state == "started" and task.deployment.by == agent.name)


# Right, status, whether the task waits for the agent, what to do, the command.
# fmt: off
WAITING: tuple[tuple[str, str, Any, str, str], ...] = (
    (vocabulary.WORK, vocabulary.REJECTED, _mine, "rework: it was rejected", "task start {id} --as {me}"),
    (vocabulary.WORK, vocabulary.IN_PROGRESS, _mine, "finish and submit", "task submit {id} --output PATH --as {me}"),
    (vocabulary.WORK, vocabulary.ASSIGNED, _mine, "start", "task start {id} --as {me}"),
    (vocabulary.WORK, vocabulary.BACKLOG, _first, "claim", "task claim {id} --as {me}"),
    (vocabulary.REVIEW, vocabulary.IN_REVIEW, _to_judge, "review", "review approve {id} --as {me}"),
    (vocabulary.REVIEW, vocabulary.IN_REVIEW, _to_sign_off, "review and sign off", "review sign-off {id} --as {me}"),
    (vocabulary.DEPLOY, vocabulary.DONE, _last, "deploy", "task move {id} --to deployed --as {me}"),
    (vocabulary.DEPLOY, vocabulary.DONE, _deploying, "unfinished: ask an orchestrator",
     "deploy abandon {id}"),
    (vocabulary.ORCHESTRATE, vocabulary.BACKLOG, _nobodys, "assign", "task assign {id} --to AGENT --as {me}"),
    (vocabulary.ORCHESTRATE, vocabulary.ROLLED_BACK, lambda agent, task: True, "decide: assign again",
     "task assign {id} --to AGENT --as {me}"),
)
# fmt: on
