"""Dashboards and reports in Markdown. Text that users wrote is escaped."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from opsgit.views.figures import State, bar, completed, exhausted, metrics
from opsgit.views.terminal import safe

# What Markdown, or a forge that shows it, would take for markup. A hyphen, a dot or an underscore in a word is none.
_SPECIAL = re.compile(
    r"[\\`*\[\]<>&|~$]|(?<![^\W_])_|_(?![^\W_])|:(?=//)|:(?=[A-Za-z0-9_+-]+:)|@(?=\w)|#(?=\w)|#$|(?<=[wW]{3})\.|"
    r"^[-+#=]|^(?<![0-9])[0-9]+(?P<end>[.)])"
)


def escaped(text: str) -> str:
    """Return a text on one line, escaped so that Markdown shows it as it is."""
    return _SPECIAL.sub(_escape, " ".join(safe(text).split()))


def _escape(found: re.Match[str]) -> str:
    entities = {"<": "&lt;", ">": "&gt;", "&": "&amp;"}
    if found["end"]:
        return f"{found.group()[:-1]}\\{found['end']}"
    return entities.get(found.group(), f"\\{found.group()}")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table.

    :param rows: the cells, escaped already.
    """
    lines = [f"| {' | '.join(head)} |", f"| {' | '.join('---' for _ in head)} |"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def dashboard(state: State) -> str:
    """Return the dashboard.

    :param state: what `operations.summary.document` returns.
    """
    total = sum(number for _, number in state["counts"])
    parts = [
        f"# {escaped(state['project'])}",
        f"As of {state['updated']}, commit `{state['commit'][:10]}`.",
        "## Tasks",
        table(("status", "tasks", ""), [(s, str(n), bar(n, total, 30)) for s, n in state["counts"]]),
        "## Waiting",
        table(("for", "task", "title", "to"), [tuple(map(escaped, row)) for row in state["waiting"]]),
        *_more(state["waiting_total"] - len(state["waiting"]), "opsgit task list"),
        "## Agents",
        table(("agent", "role", "status", "open", "completed", "last active"), _agents(state)),
        *_quotas(state),
        *_metrics(state),
        *_alerts(state),
        "## Tasks, by need",
        table(("task", "title", "status", "priority", "assigned", "pipeline"), _tasks(state)),
        *_more(total - len(state["tasks"]), "opsgit task list --all"),
        "## Activity",
        table(
            ("time", "task", "status", "by"),
            [(e["at"], escaped(e["task"]), e["status"], escaped(e["by"])) for e in state["activity"]],
        ),
    ]
    return "\n\n".join(parts) + "\n"


def _more(number: int, command: str) -> list[str]:
    return [f"And {number} more: `{command}`."] if number > 0 else []


def _agents(state: State) -> Iterable[Sequence[str]]:
    for name, agent in state["agents"].items():
        yield (escaped(name), escaped(agent["role"]), agent["status"], str(agent["tasks_open"]),
               completed(agent), agent["last_active"] or "never")  # fmt: skip


def _quotas(state: State) -> list[str]:
    rows = [
        (
            escaped(name),
            f"{q['used']} of {q['limit']}",
            bar(q["used"], q["limit"], 20),
            q["period"],
            f"**{said}**" if (said := exhausted(q)) else q["reset_at"] or "-",
        )
        for name, q in state["quotas"].items()
    ]
    return ["## Quotas", table(("quota", "used", "", "period", "resets"), rows)] if rows else []


def _metrics(state: State) -> list[str]:
    rows = [(escaped(name), escaped(value)) for name, value in metrics(state)]
    return ["## Metrics", table(("metric", "value"), rows)] if rows else []


def _alerts(state: State) -> list[str]:
    rows = [
        (
            escaped(a["id"]),
            a["severity"],
            escaped(a.get("task", "-")),
            escaped(a["message"]),
            a["raised"],
            escaped(a["raised_by"]),
        )
        for a in state["metrics"]["alerts"]
    ]
    return ["## Alerts", table(("alert", "severity", "task", "message", "raised", "by"), rows)] if rows else []


def _tasks(state: State) -> Iterable[Sequence[str]]:
    for task in state["tasks"]:
        pipeline = " → ".join(stage.get("agent") or stage["role"] for stage in task["pipeline"])
        imported = " (imported, unproven)" if "imported" in task else ""
        yield (escaped(task["id"]), escaped(task["title"]) + imported, task["status"], task["priority"],
               escaped(task.get("assigned") or "-"), escaped(pipeline))  # fmt: skip
