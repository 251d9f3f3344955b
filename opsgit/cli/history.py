"""The command `opsgit history`."""

from __future__ import annotations

from typing import Any

import click

from opsgit.cli import completion, output
from opsgit.cli.options import MANY, common
from opsgit.operations import queries, rounds
from opsgit.operations.session import Session
from opsgit.views import terminal


@click.command("history", epilog="\b\nExample:\n  opsgit history SKILL-001 --json")
@click.argument("task_id", required=False, metavar="ID", shell_complete=completion.ids)
@click.option("--id", "named", metavar="ID", help="The task (or give it bare); none: everything.")
@click.option(
    "--all",
    "everything",
    is_flag=True,
    help="Every operation, not only transitions and what was said in reviews.",
)
@click.option("--limit", type=MANY, help="Only the newest so many.")
@common
def command(
    session: Session, as_json: bool, task_id: str | None, named: str | None, everything: bool, limit: int | None
) -> None:
    """Show who did what, from the ledger.

    With a task's ID: its transitions and what was said in its reviews, and with --all every operation. Without: the
    operations on everything, by default the newest 100.
    """
    wanted = task_id or named
    if wanted:
        told = [entry for entry in rounds.history(session, wanted) if everything or _is_told(entry)]
        shown = told[-(limit or len(told)) :]
    else:
        shown = queries.history(session, None, limit or 100)
    if as_json:
        output.data("history", id=wanted, history=shown)
        return
    for line in terminal.table(HEAD, [_row(entry) for entry in shown]):
        output.line(line)


def _is_told(entry: dict[str, Any]) -> bool:
    """Return whether an entry is a transition or was said in a review; the request comes with its submission."""
    return "status" in entry or ("said" in entry and entry["op"] != "review.request")


DETAILS = ("output", "check", "thread", "text", "ref", "evidence", "notes")
HEAD = ("AT", "BY", "WHAT", "STATUS OR STEP", "COMMIT", "ASSIGNED", "DETAILS")


def _row(entry: dict[str, Any]) -> tuple[str, ...]:
    named = (f"{name}: {entry[name]}" for name in DETAILS if name in entry)
    step = entry.get("status") or entry.get("said") or entry["op"]
    where = "imported" if "imported" in entry else entry["commit"][:10]
    who = entry.get("at", "-"), entry.get("by", "-"), entry.get("what", "-")
    return *who, step, where, entry.get("assigned", "-"), "; ".join(named)
