"""Numbers and times as people read them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from opsgit.domain.vocabulary import PRIORITIES, STATUSES

State = Mapping[str, Any]


def counts(state: State) -> list[tuple[str, int]]:
    """How many tasks there are in each status, in the order of the lifecycle."""
    found = Counter(task["status"] for task in state["tasks"].values())
    return [(status, found[status]) for status in STATUSES]


def waiting(state: State) -> list[tuple[str, str, str, str]]:
    """What waits for whom: agent or role, task, title, what to do; the most urgent first."""
    tasks = sorted(state["tasks"].values(), key=lambda task: (PRIORITIES.index(task["priority"]), task["id"]))
    return [(t["waiting_for"], t["id"], t["title"], t["waiting_to"]) for t in tasks if t["waiting_for"]]


def activity(state: State, most: int = 15) -> list[dict[str, Any]]:
    """The newest transitions, newest first, each with its task."""
    events = ({**event, "task": task["id"]} for task in state["tasks"].values() for event in task["history"])
    proven = [event for event in events if not event.get("imported")]
    return sorted(proven, key=lambda e: str(e["at"]))[::-1][:most]  # within a second as each history has them


def metrics(state: State) -> list[tuple[str, str]]:
    """The gauges and when a monitor last recorded a run, as words; empty where nobody has observed anything."""
    gauges = [(name, str(value)) for name, value in state["metrics"].items() if name not in ("last_check", "alerts")]
    checked = state["metrics"]["last_check"]
    return [*gauges, *([("last check", checked)] if checked else [])]


def completed(agent: Mapping[str, Any]) -> str:
    """How many tasks an agent completed; what it brought from another tracker is unproven, and said."""
    brought = agent.get("imported", {}).get("tasks_completed")
    return f"{agent['tasks_completed']} ({brought} imported)" if brought else str(agent["tasks_completed"])


def exhausted(quota: Mapping[str, Any]) -> str:
    """What is to be said of a quota of which nothing is left; empty while something is."""
    if quota["used"] < quota["limit"]:
        return ""
    return f"exhausted until {quota['reset_at']}" if quota["reset_at"] else "exhausted"


def share(quota: Mapping[str, Any]) -> float:
    """How much of a quota is used, from 0 to 1 and above."""
    return quota["used"] / quota["limit"] if quota["limit"] else 1.0


def span(seconds: float | None) -> str:
    """A duration in its two largest units, `-` for none."""
    if seconds is None:
        return "-"
    whole = round(seconds)
    parts = [(whole // 86400, "d"), (whole % 86400 // 3600, "h"), (whole % 3600 // 60, "m"), (whole % 60, "s")]
    named = [f"{amount}{unit}" for amount, unit in parts if amount]
    return " ".join(named[:2]) or "0s"


def percent(share: float | None) -> str:
    """A share as a percentage, `-` for none."""
    return "-" if share is None else f"{share:.0%}"


def bar(amount: int, most: int, columns: int) -> str:
    """A bar of blocks: full at `most`, at least one block for anything above nothing."""
    filled = round(columns * min(amount, most) / most) if most else 0
    return "█" * (max(filled, 1) if amount else 0)
