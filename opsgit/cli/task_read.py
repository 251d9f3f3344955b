"""The commands `opsgit task list`, `show` and `next`. They only read, but for `task next --claim`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from opsgit.cli import completion, output
from opsgit.cli.options import MANY, as_status, common, listed, looking_back, operations, subject, writing
from opsgit.domain.vocabulary import PRIORITIES
from opsgit.operations import queries
from opsgit.operations.session import Session, orchestrator
from opsgit.views import terminal


@click.command("list", epilog="\b\nExample:\n  opsgit task list --status review --priority critical --priority high")
@click.option(
    "--status",
    "statuses",
    callback=as_status,
    multiple=True,
    metavar="STATUS",
    shell_complete=completion.statuses,
    help="May be given again (default: open work).",
)
@click.option("--all", "ended_too", is_flag=True, help="Deployed and cancelled tasks too, after the open ones.")
@click.option("--priority", "priorities", type=click.Choice(PRIORITIES, case_sensitive=False), multiple=True)
@click.option("--tag", "--tags", "tags", multiple=True, help="Every tag that is given must be there.")
@click.option("--assigned", metavar="AGENT", help="Assigned to this agent.", shell_complete=completion.agents)
@click.option("--waiting-for", metavar="WHO", help="What waits for this agent (its role counts) or role.")
@click.option("--blocked", is_flag=True, help="What cannot be started: a dependency is not done.")
@click.option("--text", metavar="WORDS", help="In the id, title or description.")
@click.option("--updated-since", metavar="TIME", help="With an operation since: 2d, 2026-01-31, or a full time.")
@click.option("--sort", type=click.Choice(list(queries.SORTS)), default="need", show_default=True)
@click.option("--fields", metavar="NAMES", help="Only these, with commas: id,title,blocked_by,waiting_for,updated ...")
@click.option("--limit", type=MANY, default=100, show_default=True, help="At most so many.")
@common
@looking_back
def list_(session: Session, as_json: bool, fields: str | None, **wanted: Any) -> None:
    """List the open tasks, the most urgent first.

    First come tasks that need a decision (rejected, review, done, rolled-back, in this order), then tasks in progress,
    then assigned tasks, then the backlog. Within a status the order is by priority, then the oldest first.
    """
    chosen = listed((fields or "",)) or ()
    queries.check_fields(chosen)
    found = queries.tasks(session, queries.Query(**wanted))
    told = [queries.described(session, task, chosen) for task in found.tasks]
    if as_json:
        output.data("tasks", tasks=told, more=found.more, ended=found.ended)
        return
    head = [name.upper() for name in chosen] or HEAD
    rows = [[_cell(task[name]) for name in chosen] if chosen else _row(task) for task in told]
    for line in terminal.table(head, rows):
        output.line(line)
    if found.more:
        output.say(f"{found.more} more: --limit {len(told) + found.more}")
    if found.ended:
        output.say(f"{found.ended} deployed or cancelled: --all")


def _cell(value: Any) -> str:
    """Return a field of a task as text for a table."""
    if isinstance(value, Mapping):
        return " ".join(f"{name}={_cell(inner)}" for name, inner in value.items())
    return ", ".join(map(_cell, value)) if isinstance(value, list) else str(value if value is not None else "-")


@click.command("show", epilog="\b\nExample:\n  opsgit task show SKILL-001 --json")
@subject("id")
@common
def show(session: Session, as_json: bool, name: str) -> None:
    """Show one task with what was said in all rounds of its review."""
    task = queries.task(session, name)
    blocked = queries.blocked(session.index(), task)
    found = _rounds(session, name)
    if as_json:
        output.data("task", task=task, blocked_by=blocked, rounds=found)
        return
    from opsgit.views import tasks

    for line in tasks.page(task, blocked, found):
        output.line(line)


def _rounds(session: Session, task_id: str) -> list[dict[str, Any]]:
    if not queries.submitted(session, task_id):
        return []  # this saves reading objects
    from opsgit.operations import rounds

    return [one._asdict() for one in rounds.rounds(session, task_id)]


@click.command("next", epilog="\b\nExample:\n  opsgit task next --as dev\n  opsgit task next --claim --json --as dev")
@click.option("--limit", type=MANY, default=20, show_default=True, help="At most so many.")
@click.option("--claim", is_flag=True, help="Put the next task in progress, and show all that is needed for it.")
@click.option("--lease", metavar="DURATION", help="With --claim: a lease for the claim, such as 2h.")
@writing
@common
def next_(session: Session, as_json: bool, limit: int, claim: bool, lease: str | None) -> None:
    """List what the acting agent should do now.

    The most urgent step comes first; each has its command.

    With --claim the agent gets one task to work on, in progress: the one that it has begun, else one that is assigned
    to it or was rejected, else the most urgent one that it may claim. This is one step: of several agents one gets a
    task, and the others get the next one.
    """
    name = session.actor(session.look(), orchestrator)
    if claim:
        _claim(session, as_json, name, lease)
        return
    if lease:
        raise click.UsageError("--lease goes with --claim", click.get_current_context())
    from opsgit.operations import next_steps

    steps = next_steps.next_steps(session, name, limit)
    if as_json:
        output.data("next", agent=name, steps=steps)
        return
    for line in terminal.table(("TASK", "DO", "TITLE", "COMMAND"), [_step(step) for step in steps]) if steps else ():
        output.line(line)
    if not steps:
        output.say(f"nothing waits for {name}")


def _claim(session: Session, as_json: bool, name: str, lease: str | None) -> None:
    from opsgit.operations import next_steps, work

    found = work.take(session, name, lease)
    waiting = 0 if found else len(next_steps.next_steps(session, name))
    if as_json:
        told = found._asdict() if found else dict.fromkeys(work.Work._fields)
        made = operations(found.written, session.dry_run) if found else []
        output.data("work", agent=name, dry_run=session.dry_run, waiting=waiting, **{**told, "written": made})
        return
    if found is None:
        others = f"; {waiting} other steps wait: opsgit task next --as {name}" if waiting else ""
        output.say(f"there is no task that {name} could work on now{others}")
        return
    from opsgit.views import tasks

    for line in tasks.work(found.task, found.rounds, found.dependencies, found.deliverable):
        output.line(line)


def _step(step: dict[str, str]) -> tuple[str, ...]:
    return step["task"], step["do"], step["title"], step["command"]


HEAD = ("ID", "STATUS", "PRIORITY", "ASSIGNED", "TITLE")


def _row(task: Mapping[str, Any]) -> tuple[str, ...]:
    blocked = f"  (blocked by {', '.join(task['blocked_by'])})" if task["blocked_by"] else ""
    return task["id"], task["status"], task["priority"], task.get("assigned") or "-", task["title"] + blocked
