"""The command `opsgit inbox`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from opsgit.cli import output
from opsgit.cli.notifications import notifying, tell
from opsgit.cli.options import MANY, common, fetching
from opsgit.domain import times
from opsgit.operations import inbox
from opsgit.operations.session import Session, orchestrator
from opsgit.views import terminal


@click.command("inbox", epilog="\b\nExample:\n  opsgit inbox --as qa --new")
@click.option("--humans", is_flag=True, help="What waits for people: all agents of kind human.")
@click.option("--new", "only_new", is_flag=True, help="Only what was not shown in this clone before.")
@click.option("--limit", type=MANY, default=100, show_default=True, help="At most so many.")
@common
@notifying
@fetching
def command(session: Session, as_json: bool, humans: bool, only_new: bool, limit: int, receivers: Sequence[Any]) -> int:
    """List everything that waits for the acting agent, or for people, the oldest first.

    These are steps to take, replies and mentions (@NAME in a comment) that are not answered, blocked tasks, failed
    deployments, alerts, and what a sync did not publish. Each has the command that answers it. --webhook and --exec
    tell others what is new and what no longer waits, each once. What could not be delivered is told by the next run,
    and the exit is 9.
    """
    names = inbox.people(session) if humans else [session.actor(session.look(), orchestrator)]
    every = inbox.items(session, names)
    found = inbox.new(session, every) if only_new else every
    inbox.remember(session, every)
    failed = tell(session, receivers, "inbox", inbox.described(every), whose=names)
    now, more = int(session.clock()), max(0, len(found) - limit)
    found = found[:limit]
    if as_json:
        told = [{**one._asdict(), "since": times.text(one.since), "age": max(0, now - one.since)} for one in found]
        output.data("inbox", agents=names, items=told, more=more)
        return failed
    rows = [(_age(now, one), one.to, one.about, terminal.cut(_line(one.why), 60), one.command) for one in found]
    for line in terminal.table(("AGE", "FOR", "ABOUT", "WHY", "COMMAND"), rows) if rows else ():
        output.line(line)
    if more:
        output.say(f"{more} more: --limit {len(found) + more}")
    if not rows:
        output.say(f"nothing{' new' if only_new else ''} waits for {', '.join(names) or 'anybody'}")
    return failed


def _age(now: int, one: inbox.Item) -> str:
    return times.rough(max(0, now - one.since))


def _line(text: str) -> str:
    return " ".join(text.split())
