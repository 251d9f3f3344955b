"""The command `opsgit board`."""

from __future__ import annotations

import click

from opsgit.cli import completion, output
from opsgit.cli.options import MANY, common, looking_back
from opsgit.cli.watch import watching, width
from opsgit.operations import board
from opsgit.operations.session import Session


@click.command("board", epilog="\b\nExample:\n  opsgit board --assigned dev --watch")
@click.option("--assigned", metavar="AGENT", help="Only the tasks of this agent.", shell_complete=completion.agents)
@click.option("--limit", type=MANY, default=10, show_default=True, help="At most so many tasks in a column.")
@click.option("--format", "form", type=click.Choice(["text", "md"]), default="text", show_default=True)
@common
@looking_back
@watching
def command(session: Session, as_json: bool, assigned: str | None, limit: int, form: str) -> None:
    """Show the board: the tasks in each status, the most urgent first.

    `!!` is critical, `!` is high. Each task has its assignee and the time since its last operation. In the columns
    deployed and cancelled the newest task is first. --watch shows it again when the ledger changes, until Ctrl-C.
    """
    from opsgit.views import columns

    found, now = board.columns(session, limit, assigned), int(session.clock())
    if as_json:
        output.data("board", columns=[one._asdict() for one in found])
    elif form == "md":
        output.document(columns.markdown(session.look().project.name, found, now))
    else:
        output.document(columns.text(found, now, width(), output.colour()))
