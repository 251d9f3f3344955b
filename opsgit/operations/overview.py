"""What is there and what waits for whom: lists, the next thing to do, history."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from opsgit.domain import lifecycle, message, names, policy, times
from opsgit.domain.authority import open_stage
from opsgit.domain.model import Agent, Project, Task
from opsgit.domain.records import Record, from_record
from opsgit.operations.session import Session
from opsgit.storage import log, reader
from opsgit.storage.index import Index

ORDER = "priority, path"


def synced(session: Session) -> Index:
    """The index, brought to the ledger's tip."""
    repository = session.repository
    tip = repository.tip()
    if repository.index.tip() != tip:
        reader.sync_index(repository.objects(), repository.index, tip)
    return repository.index


def tasks(session: Session, limit: int | None, **wanted: str | None) -> tuple[list[Record], int]:
    """The tasks that fit, most urgent first, and how many there are beyond the limit.

    :param wanted: status, assigned.
    """
    index = synced(session)
    given = {name: value for name, value in wanted.items() if value is not None}
    where = " AND ".join(["kind = 'task'", *(f"{name} = ?" for name in given)])
    found = index.select(where, tuple(given.values()), ORDER, limit)
    full = limit is not None and len(found) == limit
    return found, index.count(where, tuple(given.values())) - len(found) if full else 0


def next_steps(session: Session, name: str, limit: int = 20) -> list[dict[str, str]]:
    """What an agent should do now, most urgent first: each with the task, why, and the command."""
    snapshot = session.look()
    agent, project = snapshot.agent(name), snapshot.project
    open_ones = "kind = 'task' AND status NOT IN ('cancelled', 'deployed')"
    found = [from_record(Task, record) for record in synced(session).select(open_ones, (), ORDER)]
    tasks_now = (session.look(t.id).task(t.id) if t.status == lifecycle.IN_REVIEW else t for t in found)
    steps = (step for task in tasks_now for step in _steps(project, agent, task))
    return [step for step, _ in zip(steps, range(limit), strict=False)]


def _steps(project: Project, agent: Agent, task: Task) -> Iterator[dict[str, str]]:
    """The steps on one task that wait for an agent."""
    held = policy.rights(project, agent)
    for right, status, fits, words, command in WAITING:
        if right in held and task.status == status and fits(agent, task):
            yield {"task": task.id, "title": task.title, "status": task.status, "priority": task.priority,
                   "do": words, "command": f"opsgit {command.format(id=task.id, me=agent.name)}"}  # fmt: skip


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
    (policy.WORK, lifecycle.REJECTED, _mine, "rework: it was rejected", "task start {id} --as {me}"),
    (policy.WORK, lifecycle.IN_PROGRESS, _mine, "finish and submit", "task submit {id} --output PATH --as {me}"),
    (policy.WORK, lifecycle.ASSIGNED, _mine, "start", "task start {id} --as {me}"),
    (policy.WORK, lifecycle.BACKLOG, _first, "claim", "task claim {id} --as {me}"),
    (policy.REVIEW, lifecycle.IN_REVIEW, _to_judge, "review", "review approve {id} --as {me}"),
    (policy.REVIEW, lifecycle.IN_REVIEW, _to_sign_off, "review and sign off", "review sign-off {id} --as {me}"),
    (policy.DEPLOY, lifecycle.DONE, _last, "deploy", "task move {id} --to deployed --as {me}"),
    (policy.DEPLOY, lifecycle.DONE, _deploying, "a deployment of yours is unfinished", "deploy abandon {id}"),
    (policy.ORCHESTRATE, lifecycle.BACKLOG, _nobodys, "assign", "task assign {id} --to AGENT --as {me}"),
    (policy.ORCHESTRATE, lifecycle.ROLLED_BACK, lambda agent, task: True, "decide: assign again",
     "task assign {id} --to AGENT --as {me}"),
)
# fmt: on


def history(session: Session, task_id: str | None, limit: int | None = None) -> list[dict[str, Any]]:
    """Every operation on a task (or on everything), oldest first, read from the ledger's log.

    `status` is there when the operation was a transition; `output`, `ref` and `note` when there was one.
    """
    repository = session.repository
    tip, paths = repository.tip(), [names.task_path(names.check_id(task_id))] if task_id else []
    if task_id:
        session.look().task(task_id)
    found = list(log.entries(repository.git, tip, *paths, most=limit))
    objects = repository.objects()
    return [_happened(entry, repository.reader(objects, entry.id), paths) for entry in reversed(found)]


def _happened(entry: log.Logged, then: reader.TreeReader, paths: list[str]) -> dict[str, Any]:
    said = message.parse(entry.message)
    what, _, step = said.subject.partition(": ")
    status = step.partition(" → ")[2] or None
    record = then.record(paths[0]) if paths and status else None
    happened = {
        "status": status,
        "by": entry.agent,
        "time": times.text(entry.time),
        "op": said.op,
        "what": what,
        "commit": entry.id,
        "note": said.note or None,
        **_details(status, record or {}),
    }
    return {name: value for name, value in happened.items() if value is not None}


def _details(status: str | None, record: Mapping[str, Any]) -> dict[str, str | None]:
    if status == lifecycle.IN_REVIEW:
        return {"output": record.get("submission", {}).get("deliverable")}
    if status == lifecycle.DEPLOYED:
        return {name: record.get("deployment", {}).get(name) for name in ("ref", "evidence")}
    return {"to": record.get("assigned")} if status == lifecycle.ASSIGNED else {}
