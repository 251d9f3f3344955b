"""The state compiled from the ledger: state.json and the dashboards, byte-identical for the same commit."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

from opsgit.domain import names, policy, times, words
from opsgit.domain.model import Agent, Project, Quota, Task
from opsgit.domain.records import Record, from_record, to_record
from opsgit.domain.waiting import waits_for
from opsgit.operations.listing import synced
from opsgit.operations.past import shown
from opsgit.operations.session import Session
from opsgit.storage.disk import put
from opsgit.storage.index import Index

SMALL = 200  # tasks: up to here state.json is written anew after every operation
COMPLETED = (words.DONE, words.DEPLOYED)


def state(session: Session) -> dict[str, Any]:
    """The whole state in the documented shape: project, created, agents, tasks with history, quotas, metrics."""
    index = synced(session)
    found: dict[str, list[Record]] = defaultdict(list)
    for kind in ("project", "agent", "task", "quota", "metric", "alert"):
        found[kind] = index.select("kind = ?", (kind,), "name")
    project = from_record(Project, found["project"][0])
    active = index.last_times("agent")
    tip = index.tip() or ""
    return {
        "schema_version": 1,
        "project": project.name,
        "repository": project.repository,
        "commit": tip,
        "created": project.created,
        "updated": times.text(max(active.values())),
        "agents": _agents(project, found, active),
        "tasks": _tasks(found["task"], index),
        "quotas": {record["name"]: _quota(from_record(Quota, record)) for record in found["quota"]},
        "metrics": _metrics(project, found, active),
    }


def _agents(project: Project, found: dict[str, list[Record]], active: dict[str, int]) -> dict[str, Any]:
    return {
        agent.name: {
            "role": agent.role,
            "description": agent.description or "",
            "kind": agent.kind,
            "status": agent.status,
            "rights": sorted(policy.rights(project, agent)),
            "last_active": times.text(active[agent.name]) if agent.name in active else None,
            "tasks_completed": _count(found["task"], agent, COMPLETED),
            "tasks_open": _count(
                found["task"], agent, (words.ASSIGNED, words.IN_PROGRESS, words.REJECTED, words.IN_REVIEW)
            ),
        }
        for agent in (from_record(Agent, record) for record in found["agent"])
    }


def _count(tasks: list[Record], agent: Agent, statuses: tuple[str, ...]) -> int:
    return sum(task.get("assigned") == agent.name and task["status"] in statuses for task in tasks)


def _tasks(records: list[Record], index: Index) -> dict[str, Any]:
    histories: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for entry in index.log("status IS NOT NULL"):
        histories[entry["path"]].append(shown(entry))
    return {
        record["id"]: _task(from_record(Task, record), histories[names.task_path(record["id"])]) for record in records
    }


def _task(task: Task, history: list[dict[str, Any]]) -> dict[str, Any]:
    waiting = waits_for(task)
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
        "history": [*({**event, "imported": True} for event in past), *history],
    }


def _quota(quota: Quota) -> dict[str, Any]:
    return {"limit": quota.limit, "used": quota.used, "period": quota.period, "reset_at": quota.reset_at,
            "agents": list(quota.agents)}  # fmt: skip


def _metrics(project: Project, found: dict[str, list[Record]], active: dict[str, int]) -> dict[str, Any]:
    agents = (from_record(Agent, record) for record in found["agent"])
    roles = policy.roles(project)
    checks = [active[a.name] for a in agents if words.OBSERVE in roles.get(a.role, ()) and a.name in active]
    gauges = {record["name"]: record["value"] for record in found["metric"]}
    alerts = [dict(record) for record in found["alert"] if record["status"] == "open"]
    return {**gauges, "last_check": times.text(max(checks)) if checks else None, "alerts": alerts}


def compile_all(session: Session) -> list[Path]:
    """Write state.json, dashboard.md and dashboard.html beside the ledger's files; returns their paths."""
    from opsgit.views import markdown, page

    compiled = state(session)
    texts = {"state.json": dumped(compiled), "dashboard.md": markdown.dashboard(compiled),
             "dashboard.html": page.dashboard(compiled)}  # fmt: skip
    return [_write(session, name, text) for name, text in texts.items()]


def refresh_small(session: Session) -> None:
    """Write state.json anew where the project is small and has a checkout."""
    top = session.repository.top
    if top and synced(session).count("kind = 'task'", ()) <= SMALL:
        _write(session, "state.json", dumped(state(session)))


def dumped(compiled: dict[str, Any]) -> str:
    """The bytes of state.json."""
    return json.dumps(compiled, ensure_ascii=False, indent=2) + "\n"


def _write(session: Session, name: str, text: str) -> Path:
    folder = session.repository.top or session.repository.own
    put(folder / name, text.encode())
    return folder / name
