"""The state in the shape of state.json, compiled from the ledger: the same commit always gives the same bytes."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from opsgit.domain import names, policy, quotas, rules, statistics, times, vocabulary
from opsgit.domain.dependencies import blocked_by
from opsgit.domain.model import Agent, Project, Quota, Task
from opsgit.domain.next_steps import waits_for
from opsgit.domain.records import Record, from_record, to_record
from opsgit.operations.queries import shown, synced
from opsgit.operations.session import Session
from opsgit.storage.disk import put

SMALL = 200  # tasks: up to this number, state.json is written again after every operation
OPEN = (vocabulary.ASSIGNED, vocabulary.IN_PROGRESS, vocabulary.REJECTED, vocabulary.IN_REVIEW)
Found = Mapping[str, Sequence[Record]]
Entries = Sequence[Mapping[str, Any]]


def state(session: Session, now: int | None = None) -> dict[str, Any]:
    """Return the whole state in the documented shape: project, agents, tasks with history, quotas, metrics.

    :param now: seconds after the epoch: quotas are given as they count at that time. None: as the ledger has them.
    """
    index = synced(session)
    kinds = ("project", "agent", "task", "quota", "metric", "alert")
    found = {kind: index.select("kind = ?", (kind,), "name") for kind in kinds}
    project, entries = from_record(Project, found["project"][0]), index.log("1")
    return {
        "schema_version": 1,
        "project": project.name,
        "repository": project.repository,
        "commit": index.tip() or "",
        "created": project.created,
        "updated": times.text(max(entry["at"] for entry in entries)),
        "agents": _agents(project, found, entries),
        "tasks": _tasks(project, found, entries),
        "quotas": {record["name"]: quota_as_shown(from_record(Quota, record), now) for record in found["quota"]},
        "metrics": metrics_as_shown(found),
    }


def _agents(project: Project, found: Found, entries: Entries) -> dict[str, Any]:
    """Return all agents by name. An imported number of completed tasks is included."""
    active = {entry["by"]: entry["at"] for entry in entries}
    performed = statistics.figures(entries, 0).agents
    held = [task.get("assigned") for task in found["task"] if task["status"] in OPEN]
    agents = (from_record(Agent, record) for record in found["agent"])
    return {
        agent.name: {
            "role": agent.role,
            "description": agent.description or "",
            "kind": agent.kind,
            "status": agent.status,
            "rights": sorted(policy.rights(project, agent)),
            "tasks_completed": performed[agent.name].completed + ((brought and brought.tasks_completed) or 0),
            "tasks_open": held.count(agent.name),
            "last_active": times.text(active[agent.name]) if agent.name in active else brought and brought.last_active,
            **({"imported": to_record(brought)} if brought else {}),
        }
        for agent, brought in ((agent, agent.imported) for agent in agents)
    }


def _tasks(project: Project, found: Found, entries: Entries) -> dict[str, Any]:
    """Return all tasks by id, each with its history, the agent or role that it waits for, and what blocks it."""
    histories: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for entry in entries:
        if "status" in entry:
            histories[entry["path"]].append(shown(dict(entry)))
    statuses = {record["id"]: record["status"] for record in found["task"]}
    active = {record["name"] for record in found["agent"] if record["status"] == "active"}
    book = rules.in_force(project)
    compiled = {}
    for record in found["task"]:
        task = from_record(Task, record)
        blocked = blocked_by(task.status, task.depends_on, statuses.get)
        waiting = waits_for(book, task, active.__contains__, blocked)
        compiled[task.id] = _task(task, histories[names.task_path(task.id)], blocked, waiting)
    return compiled


def _task(
    task: Task, history: list[dict[str, Any]], blocked: Sequence[str], waiting: tuple[str, str] | None
) -> dict[str, Any]:
    past = to_record(task.imported).get("history", []) if task.imported else []
    empty: dict[str, Any] = {
        "description": "",
        "assigned": None,
        "tags": [],
        "depends_on": [],
        "contributors": [],
        "comments": [],
    }
    return {
        **empty,
        **to_record(task),
        "pipeline": [stage.name for stage in task.pipeline],
        "waiting_for": waiting[0] if waiting else None,
        "waiting_to": waiting[1] if waiting else None,
        "blocked_by": list(blocked),
        "history": [*({**event, "imported": True} for event in past), *history],
    }


def quota_as_shown(stored: Quota, now: int | None) -> dict[str, Any]:
    """Return a quota as state.json has it.

    :param now: the time at which it counts (seconds after the epoch); None: as the ledger has it.
    """
    quota = stored if now is None else quotas.current(stored, times.text(now))
    return {"limit": quota.limit, "used": quota.used, "period": quota.period, "reset_at": quota.reset_at,
            "agents": list(quota.agents)}  # fmt: skip


def metrics_as_shown(found: Found) -> dict[str, Any]:
    """Return the gauges, the time of the last recorded monitor run, and the open alerts."""
    gauges = {record["name"]: record["value"] for record in found["metric"]}
    gauges.pop(names.LAST_CHECK, None)
    checked = (record["at"] for record in found["metric"] if record["name"] == names.LAST_CHECK)
    alerts = [dict(record) for record in found["alert"] if record["status"] == "open"]
    return {names.LAST_CHECK: next(checked, None), **gauges, "alerts": alerts}


def refresh_small(session: Session) -> None:
    """Write state.json again if the repository has a checkout and at most 200 tasks."""
    top = session.repository.top
    if top and synced(session).count("kind = 'task'", ()) <= SMALL:
        put(top / "state.json", dumped(state(session)).encode())


def dumped(compiled: dict[str, Any]) -> str:
    """Return the text of state.json."""
    return json.dumps(compiled, ensure_ascii=False, indent=2) + "\n"
