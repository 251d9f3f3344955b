"""The report: progress, pipeline, performance, cycle times, quotas and activity."""

from __future__ import annotations

from typing import Any

from opsgit.domain import statistics, times, vocabulary
from opsgit.operations import compile, quotas
from opsgit.operations.queries import shown, synced
from opsgit.operations.session import Session


def report(session: Session, since: str) -> dict[str, Any]:
    """Return the figures for a period that ends now; durations are in seconds, shares from 0 to 1.

    :param since: the length of the period, such as `7d`.
    :raises Refused: `BAD_VALUE` if `since` is not a duration.
    """
    now = int(session.clock())
    start = max(0, now - times.duration(since))
    entries = synced(session).log("1")
    found, compiled = statistics.figures(entries, start), compile.state(session)
    newest = [entry for entry in entries if entry["at"] >= start][-20:]
    return {
        "project": compiled["project"],
        "since": times.text(start),
        "until": times.text(now),
        "progress": {
            "tasks": _counted(compiled["tasks"]),
            "reached": {s: found.transitions[s] for s in vocabulary.STATUSES},
        },
        "pipeline": _pipeline(compiled["tasks"]),
        "agents": {name: _performance(one) for name, one in sorted(found.agents.items())},
        "cycle": {
            "count": len(found.cycles),
            "median": statistics.median(found.cycles),
            "p85": statistics.rank(found.cycles),
        },
        "quotas": quotas.every_quota(session),
        "activity": [shown(entry) for entry in reversed(newest)],
    }


def _counted(tasks: dict[str, Any]) -> dict[str, int]:
    return {status: sum(task["status"] == status for task in tasks.values()) for status in vocabulary.STATUSES}


def _pipeline(tasks: dict[str, Any]) -> dict[str, list[str]]:
    """Return the ids of the open tasks by the agent or role that they wait for."""
    waiting: dict[str, list[str]] = {}
    for task in tasks.values():
        if task["waiting_for"]:
            waiting.setdefault(task["waiting_for"], []).append(task["id"])
    return dict(sorted(waiting.items()))


def _performance(one: statistics.Performance) -> dict[str, Any]:
    return {"done": one.done, "rejected": one.rejected, "success_rate": one.success, "reviews": one.reviewed,
            "review_time": statistics.median(one.reviews), "deployed": one.deployed, "completed": one.completed,
            "operations": one.operations}  # fmt: skip
