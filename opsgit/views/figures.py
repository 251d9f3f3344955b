"""Figures of a compiled state, and numbers and durations in readable form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

State = Mapping[str, Any]


def metrics(state: State) -> list[tuple[str, str]]:
    """Return names and values of the gauges, and when a monitor run was last recorded; empty without any."""
    gauges = [(name, str(value)) for name, value in state["metrics"].items() if name not in ("last_check", "alerts")]
    checked = state["metrics"]["last_check"]
    return [*gauges, *([("last check", checked)] if checked else [])]


def completed(agent: Mapping[str, Any]) -> str:
    """Return how many tasks an agent completed, with the imported part in brackets."""
    brought = agent.get("imported", {}).get("tasks_completed")
    return f"{agent['tasks_completed']} ({brought} imported)" if brought else str(agent["tasks_completed"])


def exhausted(quota: Mapping[str, Any]) -> str:
    """Return a remark on a quota of which nothing is left; empty if something is left."""
    if quota["used"] < quota["limit"]:
        return ""
    return f"exhausted until {quota['reset_at']}" if quota["reset_at"] else "exhausted"


def share(quota: Mapping[str, Any]) -> float:
    """Return how much of a quota is used: 0 is nothing, 1 is all, and more is possible after the limit was lowered."""
    return quota["used"] / quota["limit"] if quota["limit"] else 1.0


def span(seconds: float | None) -> str:
    """Return a duration in its two largest units, `-` for None.

    :param seconds: the duration in seconds.
    """
    if seconds is None:
        return "-"
    whole = round(seconds)
    parts = [(whole // 86400, "d"), (whole % 86400 // 3600, "h"), (whole % 3600 // 60, "m"), (whole % 60, "s")]
    named = [f"{amount}{unit}" for amount, unit in parts if amount]
    return " ".join(named[:2]) or "0s"


AGES = (("week", 7 * 86400), ("day", 86400), ("hour", 3600), ("minute", 60))


def age(seconds: int) -> str:
    """Return a duration in words, in the largest unit that it fills: `3 days`."""
    for unit, size in AGES:
        if seconds >= size * (2 if unit == "week" else 1):
            return f"{seconds // size} {unit}{'s' if seconds // size > 1 else ''}"
    return "a moment"


def percent(share: float | None) -> str:
    """Return a share (0 to 1) as a percentage, `-` for None."""
    return "-" if share is None else f"{share:.0%}"


def bar(amount: int, most: int, columns: int) -> str:
    """Return a bar of block characters: full at `most`, and at least one block for an amount above 0.

    :param columns: the length of a full bar.
    """
    filled = round(columns * min(amount, most) / most) if most else 0
    return "█" * (max(filled, 1) if amount else 0)
