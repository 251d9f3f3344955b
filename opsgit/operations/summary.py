"""What the dashboard in the terminal shows, answered by the index: its cost does not grow with the number of tasks."""

from __future__ import annotations

from typing import Any

from opsgit.domain import policy, times, vocabulary
from opsgit.domain.model import Agent, Project, Quota
from opsgit.domain.records import Record, from_record, to_record
from opsgit.operations.compile import OPEN, metrics_as_shown, quota_as_shown
from opsgit.operations.queries import ORDER, among, shown, synced, waiting
from opsgit.operations.session import Session
from opsgit.storage.index import Index

WAITING_MAX, ACTIVITY_MAX = 20, 8
_WAITS = "open = 1 AND waits IS NOT NULL"


def summary(session: Session, now: int) -> dict[str, Any]:
    """Return the values of the dashboard; they are those of the whole compiled state, as far as they are shown.

    :param now: seconds after the epoch: quotas are given as they count at that time.
    """
    index = synced(session)
    found = {
        kind: index.select("kind = ?", (kind,), "name") for kind in ("project", "agent", "quota", "metric", "alert")
    }
    project = from_record(Project, found["project"][0])
    counts = index.tally("status", "kind = 'task'", ())
    newest = index.log("status IS NOT NULL", (), ACTIVITY_MAX)
    return {
        "project": project.name,
        "updated": times.text(max(index.last_times("agent").values())),
        "commit": index.tip() or "",
        "counts": [(status, counts.get(status, 0)) for status in vocabulary.STATUSES],
        "waiting": [_waiting(index, record) for record in index.select(_WAITS, (), ORDER, WAITING_MAX)],
        "agents": _agents(index, project, [from_record(Agent, record) for record in found["agent"]]),
        "quotas": {record["name"]: quota_as_shown(from_record(Quota, record), now) for record in found["quota"]},
        "metrics": metrics_as_shown(found),
        "activity": [{**shown(dict(entry)), "task": entry["what"]} for entry in reversed(newest)],
    }


def _waiting(index: Index, record: Record) -> tuple[str, str, str, str]:
    """Return who has to act on a task, the task, its title, and what to do."""
    who, what = waiting(index, record) or ("", "")
    return who, record["id"], record["title"], what


def _agents(index: Index, project: Project, agents: list[Agent]) -> dict[str, Any]:
    done = index.agents()
    fits, values = among("status", OPEN)
    held = index.tally("assigned", f"kind = 'task' AND {fits}", values)
    told = {}
    for agent in agents:
        completed, last = done.get(agent.name, (0, None))
        brought = agent.imported
        told[agent.name] = {
            "role": agent.role,
            "status": agent.status,
            "rights": sorted(policy.rights(project, agent)),
            "tasks_completed": completed + ((brought and brought.tasks_completed) or 0),
            "tasks_open": held.get(agent.name, 0),
            "last_active": times.text(last) if last is not None else brought and brought.last_active,
            **({"imported": to_record(brought)} if brought else {}),
        }
    return told
