"""The dashboard for a terminal: it fits the width and can be read without colour."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from opsgit.views.figures import State, bar, completed, exhausted, metrics, share
from opsgit.views.terminal import Cell, cut, safe, styled, table

LEVELS = ((1.0, "bold red"), (0.8, "yellow"), (0.0, "green"))


def dashboard(state: State, width: int, colour: bool) -> str:
    """Return the dashboard as text.

    :param state: what `operations.summary.summary` returns.
    :param width: columns of the terminal.
    :param colour: whether to use escape sequences for colour.
    """
    lines = [
        styled(cut(safe(state["project"]), width), "bold", colour),
        styled(cut(f"as of {state['updated']}, {state['commit'][:10]}", width), "dim", colour),
    ]
    for title, head, rows in _sections(state, max(8, width // 5)):
        lines += ["", styled(title, "bold", colour), *table(head, rows, width, colour)]
    return "\n".join(lines)


def _sections(state: State, columns: int) -> Iterable[tuple[str, Sequence[str], list[Sequence[Cell]]]]:
    total = sum(number for _, number in state["counts"])
    yield (
        f"Tasks ({total})",
        ("status", "", ""),
        [(s, str(n), (bar(n, total, columns), "cyan")) for s, n in state["counts"]],
    )
    yield "Waits for", ("who", "task", "to", "title"), [(w, t, to, title) for w, t, title, to in state["waiting"]]
    yield "Agents", ("agent", "role", "open", "done", "last active"), [_agent(n, a) for n, a in state["agents"].items()]
    if state["quotas"]:
        yield "Quotas", ("quota", "used", "", "resets"), [_quota(n, q, columns) for n, q in state["quotas"].items()]
    if metrics(state):
        yield "Metrics", ("metric", "value"), [(name, value) for name, value in metrics(state)]
    if state["metrics"]["alerts"]:
        alerts: list[Sequence[Cell]] = [
            (a["id"], (a["severity"], "red"), a.get("task", "-"), a["message"]) for a in state["metrics"]["alerts"]
        ]
        yield "Alerts", ("alert", "severity", "task", "message"), alerts
    yield (
        "Activity",
        ("time", "task", "status", "by"),
        [(e["at"], e["task"], e["status"], e["by"]) for e in state["activity"]],
    )


def _agent(name: str, agent: dict[str, Any]) -> Sequence[Cell]:
    removed = "" if agent["status"] == "active" else " (removed)"
    load: Cell = (f"{agent['tasks_open']} {'▪' * min(agent['tasks_open'], 10)}", "cyan")
    return name, agent["role"] + removed, load, completed(agent), agent["last_active"] or "never"


def _quota(name: str, quota: dict[str, Any], columns: int) -> Sequence[Cell]:
    style = next(style for least, style in LEVELS if share(quota) >= least)
    blocks = bar(quota["used"], quota["limit"], columns)
    said, used = exhausted(quota), f"{quota['used']}/{quota['limit']}"
    return (
        name,
        (used, style) if said else used,
        (blocks + "░" * (columns - len(blocks)), style),
        (said, style) if said else quota["reset_at"] or "-",
    )
