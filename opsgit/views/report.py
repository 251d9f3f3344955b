"""The report as text or Markdown, both with the same sections."""

from __future__ import annotations

from typing import Any

from opsgit.views import terminal
from opsgit.views.figures import percent, span

Told = dict[str, Any]
ODD_MAX = 50  # exceptions that a report lists


def sections(told: Told) -> list[dict[str, Any]]:
    """Return the tables of a report, each with title, head and rows of text.

    :param told: what `operations.report.report` returns.
    """
    progress, cycle = told["progress"], told["cycle"]
    statuses = [(s, n, progress["reached"][s]) for s, n in progress["tasks"].items()]
    waiting = [(who, len(ids), _some(ids)) for who, ids in told["pipeline"].items()]
    quotas = [(q["name"], q["used"], q["limit"], q["left"], q.get("reset_at", "-")) for q in told["quotas"]]
    activity = [(e["at"], e["by"], e["what"], e.get("status") or e["op"]) for e in told["activity"]]
    listed = told["exceptions"][:ODD_MAX]
    odd = [(e["at"], e["kind"], e["about"], e["by"], e["what"]) for e in listed]
    more = told["exceptions_more"] + len(told["exceptions"]) - len(listed)
    odd += [("", f"and {more} more", "", "", "")] if more else []
    cycles = [(cycle["count"], span(cycle["median"]), span(cycle["p85"]))]
    return [
        _section("Progress", ("status", "tasks now", "reached in this time"), statuses),
        _section("Pipeline", ("waits for", "tasks", ""), waiting),
        _section("Performance", AGENT_HEAD, [_agent(name, one) for name, one in told["agents"].items()]),
        _section("Cycle time (first start to done)", ("tasks", "median", "85 %"), cycles),
        _section("Quotas", ("quota", "used", "limit", "left", "resets"), quotas),
        _section("Exceptions", ("time", "what", "about", "by", "details"), odd),
        _section("Activity", ("time", "by", "what", "step"), activity),
    ]


AGENT_HEAD = ("agent", "done", "rejected", "success", "reviews", "review time", "deployed", "completed", "operations")


def _agent(name: str, one: Told) -> tuple[Any, ...]:
    times = percent(one["success_rate"]), one["reviews"], span(one["review_time"])
    return name, one["done"], one["rejected"], *times, one["deployed"], one["completed"], one["operations"]


def _some(ids: list[str]) -> str:
    return ", ".join(ids[:10]) + (f" and {len(ids) - 10} more" if len(ids) > 10 else "")


def _section(title: str, head: tuple[str, ...], rows: list[tuple[Any, ...]]) -> dict[str, Any]:
    return {"title": title, "head": head, "rows": [tuple(str(cell) for cell in row) for row in rows]}


def text(told: Told) -> str:
    """Return the report for a terminal."""
    parts = [f"{terminal.safe(told['project'])}: {told['since']} to {told['until']}"]
    for section in sections(told):
        parts += ["", section["title"], *(f"  {line}" for line in terminal.table(section["head"], section["rows"]))]
    return "\n".join(parts)


def markdown(told: Told) -> str:
    """Return the report in Markdown."""
    from opsgit.views.markdown import escaped, table

    parts = [f"# {escaped(told['project'])}: report", f"{told['since']} to {told['until']}"]
    for section in sections(told):
        parts += [
            f"## {section['title']}",
            table(section["head"], [tuple(map(escaped, row)) for row in section["rows"]]),
        ]
    return "\n\n".join(parts)
