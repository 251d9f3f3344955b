"""What the dashboards show, answered by the index: the cost does not grow with the number of tasks."""

from __future__ import annotations

from typing import Any

from opsgit.domain import times, vocabulary
from opsgit.domain.model import Agent, Project
from opsgit.domain.records import Record, from_record
from opsgit.operations.compile import agents, all_quotas, metrics_as_shown
from opsgit.operations.queries import ORDER, SORTS, shown, waiting
from opsgit.operations.session import Session
from opsgit.storage.index import Index

WAITING_MAX, ACTIVITY_MAX = 20, 8  # what a terminal shows
LISTED_MAX = 200  # tasks that a document lists
_WAITS = "open = 1 AND waits IS NOT NULL"


def document(session: Session, now: int | None) -> dict[str, Any]:
    """Return the values of the dashboard as a document: those of `summary`, and tasks in the order of lists.

    :param now: as `compile.state`.
    """
    index = session.index()
    told = summary(session, now, LISTED_MAX, 15)
    listed = index.select("kind = 'task'", (), SORTS["need"], LISTED_MAX)
    return {**told, "tasks": listed, "waiting_total": index.count(_WAITS, ())}


def summary(
    session: Session, now: int | None, waiting_max: int = WAITING_MAX, activity_max: int = ACTIVITY_MAX
) -> dict[str, Any]:
    """Return the values of the dashboard; they are those of the whole compiled state, as far as they are shown.

    :param now: as `compile.state`.
    """
    index = session.index()
    found = {kind: index.select("kind = ?", (kind,), "name") for kind in ("project", "agent", "metric", "alert")}
    project = from_record(Project, found["project"][0])
    counts = index.tally("status", "kind = 'task'", ())
    newest = index.log("status IS NOT NULL", (), activity_max)
    return {
        "project": project.name,
        "updated": times.text(index.latest()),
        "commit": index.tip() or "",
        "counts": [(status, counts.get(status, 0)) for status in vocabulary.STATUSES],
        "waiting": [_waiting(index, record) for record in index.select(_WAITS, (), ORDER, waiting_max)],
        "agents": agents(index, project, [from_record(Agent, record) for record in found["agent"]]),
        "quotas": all_quotas(index, now),
        "metrics": metrics_as_shown(found),
        "activity": [{**shown(dict(entry)), "task": entry["what"]} for entry in reversed(newest)],
    }


def _waiting(index: Index, record: Record) -> tuple[str, str, str, str]:
    """Return who has to act on a task, the task, its title, and what to do."""
    who, what = waiting(index, record) or ("", "")
    return who, record["id"], record["title"], what
