"""The commands of `opsgit alert`."""

from __future__ import annotations

from typing import Any

import click

from opsgit.cli import output
from opsgit.cli.options import MANY, common, subject, writing, wrote
from opsgit.domain.vocabulary import SEVERITIES
from opsgit.operations import observations
from opsgit.operations.session import Session
from opsgit.views import terminal


@click.group("alert", epilog="\b\nExample:\n  opsgit alert raise --message 'errors doubled' --task SKILL-001")
def command() -> None:
    """Alerts: observers raise and resolve them. An observer may roll back a task only with an open alert on it."""


@command.command("raise", epilog="\b\nExample:\n  opsgit alert raise --message 'errors doubled' --task SKILL-001")
@click.option("--id", "alert_id", metavar="ID", help="The alert's id (default: the next A-number).")
@click.option("--message", required=True)
@click.option("--severity", type=click.Choice(SEVERITIES), default="warning", show_default=True)
@click.option("--task", metavar="ID", help="The task that it is about.")
@writing
@common
def raise_(session: Session, as_json: bool, alert_id: str | None, message: str, **fields: Any) -> None:
    """Raise an alert."""
    wrote(session, observations.raise_alert(session, alert_id, message, **fields), as_json)


@command.command("resolve", epilog="\b\nExample:\n  opsgit alert resolve A-1")
@subject("id")
@writing
@common
def resolve(session: Session, as_json: bool, name: str) -> None:
    """Resolve an alert."""
    wrote(session, observations.resolve_alert(session, name), as_json)


@command.command("list", epilog="\b\nExample:\n  opsgit alert list --all")
@click.option("--all", "everything", is_flag=True, help="Resolved ones too.")
@click.option("--limit", type=MANY, default=200, show_default=True, help="At most so many.")
@common
def list_(session: Session, as_json: bool, everything: bool, limit: int) -> None:
    """List the open alerts."""
    found = observations.records(session, "alert", None if everything else "open")
    more = max(0, len(found) - limit)
    if as_json:
        output.data("alerts", alerts=found[:limit], more=more)
        return
    rows = [(a["id"], a["severity"], a["status"], a.get("task", "-"), a["raised"], a["message"]) for a in found[:limit]]
    for line in terminal.table(("ID", "SEVERITY", "STATUS", "TASK", "RAISED", "MESSAGE"), rows):
        output.line(line)
    if more:
        output.say(f"{more} more: --limit {len(found)}")
