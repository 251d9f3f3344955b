"""What the dashboard in the terminal shows, answered by the index: its cost does not grow with the number of tasks."""

from __future__ import annotations

from typing import Any

from opsgit.domain import times, vocabulary
from opsgit.domain.model import Agent, Project
from opsgit.domain.records import Record, from_record
from opsgit.operations.compile import agents, all_quotas, metrics_as_shown
from opsgit.operations.queries import ORDER, shown, waiting
from opsgit.operations.session import Session
from opsgit.storage.index import Index

WAITING_MAX, ACTIVITY_MAX = 20, 8
_WAITS = "open = 1 AND waits IS NOT NULL"


def summary(session: Session, now: int) -> dict[str, Any]:
    """Return the values of the dashboard; they are those of the whole compiled state, as far as they are shown.

    :param now: seconds after the epoch: quotas are given as they count at that time.
    """
    index = session.index()
    found = {kind: index.select("kind = ?", (kind,), "name") for kind in ("project", "agent", "metric", "alert")}
    project = from_record(Project, found["project"][0])
    counts = index.tally("status", "kind = 'task'", ())
    newest = index.log("status IS NOT NULL", (), ACTIVITY_MAX)
    return {
        "project": project.name,
        "updated": times.text(index.latest()),
        "commit": index.tip() or "",
        "counts": [(status, counts.get(status, 0)) for status in vocabulary.STATUSES],
        "waiting": [_waiting(index, record) for record in index.select(_WAITS, (), ORDER, WAITING_MAX)],
        "agents": agents(index, project, [from_record(Agent, record) for record in found["agent"]]),
        "quotas": all_quotas(index, now),
        "metrics": metrics_as_shown(found),
        "activity": [{**shown(dict(entry)), "task": entry["what"]} for entry in reversed(newest)],
    }


def _waiting(index: Index, record: Record) -> tuple[str, str, str, str]:
    """Return who has to act on a task, the task, its title, and what to do."""
    who, what = waiting(index, record) or ("", "")
    return who, record["id"], record["title"], what
