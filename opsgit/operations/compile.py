"""The state in the shape of state.json, compiled from the ledger. The same commit always gives the same bytes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from opsgit.domain import names, policy, quotas, times, vocabulary
from opsgit.domain.dependencies import with_blockers
from opsgit.domain.model import Agent, Project, Quota
from opsgit.domain.records import Record, from_record, to_record
from opsgit.operations.queries import among, blocked, shown
from opsgit.operations.session import Session
from opsgit.storage.disk import put
from opsgit.storage.index import Index, Standing
from opsgit.storage.parts import in_parts

SMALL = 200  # tasks: up to this number, state.json is written again after every operation
OPEN = (vocabulary.ASSIGNED, vocabulary.IN_PROGRESS, vocabulary.REJECTED, vocabulary.IN_REVIEW)
ENTITIES = ("agents", "tasks", "quotas")
Found = Mapping[str, Sequence[Record]]


def state(session: Session, now: int | None = None) -> dict[str, Any]:
    """Return the whole state in the documented shape: project, agents, tasks with history, quotas, metrics.

    :param now: seconds after the epoch: quotas are given as they count at that time. None: as the ledger has them.
    """
    index = session.index()
    return _document(index, now, {task["id"]: task for task in tasks(index)})


def _document(index: Index, now: int | None, tasks: Any) -> dict[str, Any]:
    found = {kind: index.select("kind = ?", (kind,), "name") for kind in ("project", "agent", "metric", "alert")}
    project = from_record(Project, found["project"][0])
    return {
        "schema_version": 1,
        "project": project.name,
        "repository": project.repository,
        "commit": index.tip() or "",
        "created": project.created,
        "updated": times.text(index.latest()),
        "agents": agents(index, project, [from_record(Agent, record) for record in found["agent"]]),
        "tasks": tasks,
        "quotas": all_quotas(index, now),
        "metrics": metrics_as_shown(found),
    }


def agents(index: Index, project: Project, those: Iterable[Agent]) -> dict[str, Any]:
    """Return agents by name, as state.json has them. An imported number of completed tasks is included."""
    done = index.agents()
    fits, values = among("status", OPEN)
    held = index.tally("assigned", f"kind = 'task' AND {fits}", values)
    told = {}
    for agent in those:
        completed, last = done.get(agent.name, (0, None))
        brought = agent.imported
        told[agent.name] = {
            "role": agent.role,
            "description": agent.description or "",
            "kind": agent.kind,
            "status": agent.status,
            "rights": sorted(policy.rights(project, agent)),
            "tasks_completed": completed + ((brought and brought.tasks_completed) or 0),
            "tasks_open": held.get(agent.name, 0),
            "last_active": times.text(last) if last is not None else brought and brought.last_active,
            **({"imported": to_record(brought)} if brought else {}),
        }
    return told


def tasks(index: Index) -> Iterator[dict[str, Any]]:
    """Yield all tasks in the order of their ids, as state.json has them.

    Each has its history, the agent or role that it waits for, and what blocks it.
    """
    for one in index.standing():
        yield _told(index, one)


def _told(index: Index, one: Standing) -> dict[str, Any]:
    path, record, who, what = one
    ids = blocked(index, record)
    history = [shown(entry) for entry in index.log("path = ? AND status IS NOT NULL", (path,))]
    return _task(record, history, ids, (who, with_blockers(what, ids)) if who and what else (None, None))


EMPTY: dict[str, Any] = {
    "description": "",
    "assigned": None,
    "tags": [],
    "depends_on": [],
    "contributors": [],
    "comments": [],
}


def _task(
    task: Record, history: list[dict[str, Any]], ids: Sequence[str], waiting: tuple[str | None, str | None]
) -> dict[str, Any]:
    past = task.get("imported", {}).get("history", [])
    return {
        **EMPTY,
        **task,
        "pipeline": [stage.get("agent") or stage["role"] for stage in task["pipeline"]],
        "waiting_for": waiting[0],
        "waiting_to": waiting[1],
        "blocked_by": list(ids),
        "history": [*({**event, "imported": True} for event in past), *history],
    }


def all_quotas(index: Index, now: int | None) -> dict[str, Any]:
    """Return the quotas by name, each as `quota_as_shown` does."""
    found = index.select("kind = 'quota'", (), "name")
    return {record["name"]: quota_as_shown(from_record(Quota, record), now) for record in found}


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
    top, index = session.repository.top, session.index()
    if top and index.count("kind = 'task'", ()) <= SMALL:
        keep(index)
        put(top / "state.json", b"".join(text(index)))  # at once: a process that is killed should leave no part


def keep(index: Index) -> None:
    """Store the JSON text of each task in the index, so that `text` makes only those of tasks that have changed.

    The text of an open task with dependencies is not stored: its blockers change without a change to the task.
    """
    tip = index.tip() or ""
    alone = (
        one for one in index.without_line() if not one[1].get("depends_on") or one[1]["status"] in vocabulary.ENDED
    )
    for some in in_parts(alone):
        if not index.keep_lines(tip, [(one[1]["id"], _json(_told(index, one))) for one in some]):
            break  # another process uses the index: `text` makes the others itself


def text(index: Index) -> Iterator[bytes]:
    """Yield the text of state.json in pieces: each agent, task and quota is on a line of its own."""
    for piece in _pieces(index):
        yield piece.encode()


def _pieces(index: Index) -> Iterator[str]:
    tasks = ((name, one if isinstance(one, str) else _json(_told(index, one))) for name, one in index.lines())
    mark = "{"
    for name, value in _document(index, None, tasks).items():
        yield f"{mark}\n  {_json(name)}: "
        yield from _members(value if name == "tasks" else _each(value)) if name in ENTITIES else [_json(value)]
        mark = ","
    yield "\n}\n"


def _each(named: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield from ((name, _json(value)) for name, value in named.items())


def _members(texts: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Yield an object of which each member is on a line of its own.

    :param texts: name and JSON text of each member.
    """
    mark = "{"
    for name, value in texts:
        yield f"{mark}\n    {_json(name)}: {value}"
        mark = ","
    yield "{}" if mark == "{" else "\n  }"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
