"""The report: progress, pipeline, performance, cycle times, quotas and activity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from opsgit.domain import audit, statistics, times, vocabulary
from opsgit.operations import quotas
from opsgit.operations.queries import shown
from opsgit.operations.session import Session
from opsgit.storage.index import Index

EXCEPTIONS_MAX = 500  # that a report has
# The operations of a period and of the day before it; and all operations on the tasks of which a review ended in it, or
# that were claimed in it: the review began earlier, and somebody may have held the task.
_NEEDED = (
    "time >= ? OR path IN"
    " (SELECT path FROM log WHERE time >= ? AND (status IN ('done', 'rejected') OR op = 'task.claim'))"
)


def report(session: Session, since: str) -> dict[str, Any]:
    """Return the figures for a period that ends now; durations are in seconds, shares from 0 to 1.

    :param since: the length of the period, such as `7d`.
    :raises Refused: `BAD_VALUE` if `since` is not a duration.
    """
    now = int(session.clock())
    start = max(0, now - times.duration(since))
    index = session.index()
    entries = index.log(_NEEDED, (start - times.DAY, start))
    found, odd = statistics.figures(entries, start), _exceptions(session, entries, start)
    counts = index.tally("status", "kind = 'task'", ())
    return {
        "project": session.look().project.name,
        "since": times.text(start),
        "until": times.text(now),
        "progress": {
            "tasks": {status: counts.get(status, 0) for status in vocabulary.STATUSES},
            "reached": {s: found.transitions[s] for s in vocabulary.STATUSES},
        },
        "pipeline": _pipeline(index),
        "agents": {name: _performance(one) for name, one in sorted(found.agents.items())},
        "cycle": {
            "count": len(found.cycles),
            "median": statistics.median(found.cycles),
            "p85": statistics.rank(found.cycles),
        },
        "quotas": quotas.every_quota(session),
        "exceptions": [one._asdict() for one in odd[: -EXCEPTIONS_MAX - 1 : -1]],
        "exceptions_more": max(0, len(odd) - EXCEPTIONS_MAX),
        "activity": [shown(entry) for entry in reversed(index.log("time >= ?", (start,), 20))],
    }


def _exceptions(session: Session, entries: Sequence[Mapping[str, Any]], start: int) -> list[audit.Oddity]:
    """Return the exceptions since a moment, the oldest first."""
    founded = None if session.look().project.clock else session.index().oldest()
    since = times.text(start)  # such texts are in the order of their times
    return [one for one in audit.oddities(entries, founded) if one.at >= since]


def _pipeline(index: Index) -> dict[str, list[str]]:
    """Return the ids of the open tasks by the agent or role that they wait for."""
    waiting: dict[str, list[str]] = {}
    for who, task_id in index.waits():
        waiting.setdefault(who, []).append(task_id)
    return waiting


def _performance(one: statistics.Performance) -> dict[str, Any]:
    return {"done": one.done, "rejected": one.rejected, "success_rate": one.success, "reviews": one.reviewed,
            "review_time": statistics.median(one.reviews), "deployed": one.deployed, "completed": one.completed,
            "operations": one.operations}  # fmt: skip
