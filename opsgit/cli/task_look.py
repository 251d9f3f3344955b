"""`opsgit task list|show|next`: what only reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from opsgit.cli import voice
from opsgit.cli.options import common, subject
from opsgit.domain.words import STATUSES
from opsgit.operations import listing
from opsgit.operations.session import Session, orchestrator
from opsgit.views import terminal


@click.command("list", epilog="\b\nExample:\n  opsgit task list --status review")
@click.option("--status", type=click.Choice(STATUSES))
@click.option("--assigned", metavar="AGENT", help="Only this agent's.")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="At most so many.")
@common
def list_(session: Session, as_json: bool, status: str | None, assigned: str | None, limit: int) -> None:
    """Tasks, the most urgent first."""
    found, more = listing.tasks(session, limit, status=status, assigned=assigned)
    if as_json:
        voice.data("tasks", tasks=found, more=more)
        return
    for line in terminal.table(HEAD, [_row(task) for task in found]):
        voice.line(line)
    if more:
        voice.say(f"{more} more: --limit {len(found) + more}")


@click.command("show", epilog="\b\nExample:\n  opsgit task show SKILL-001 --json")
@subject("id")
@common
def show(session: Session, as_json: bool, name: str) -> None:
    """One task, with the words of its review."""
    task = listing.task(session, name)
    if as_json:
        voice.data("task", task=task)
        return
    from opsgit.views import tasks

    for line in tasks.page(task):
        voice.line(line)


@click.command("next", epilog="\b\nExample:\n  opsgit task next --as dev")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="At most so many.")
@common
def next_(session: Session, as_json: bool, limit: int) -> None:
    """What the acting agent should do now, the most urgent first, each with its command."""
    from opsgit.operations import waiting

    name = session.actor(session.look(), orchestrator)
    steps = waiting.next_steps(session, name, limit)
    if as_json:
        voice.data("next", agent=name, steps=steps)
        return
    for line in terminal.table(("TASK", "DO", "TITLE", "COMMAND"), [_step(step) for step in steps]) if steps else ():
        voice.line(line)
    if not steps:
        voice.say(f"nothing waits for {name}")


def _step(step: dict[str, str]) -> tuple[str, ...]:
    return step["task"], step["do"], step["title"], step["command"]


HEAD = ("ID", "STATUS", "PRIORITY", "ASSIGNED", "TITLE")


def _row(task: Mapping[str, Any]) -> tuple[str, ...]:
    return task["id"], task["status"], task["priority"], task.get("assigned") or "-", task["title"]
