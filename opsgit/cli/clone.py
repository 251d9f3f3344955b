"""The command `opsgit clone`."""

from __future__ import annotations

from pathlib import Path

import click

from opsgit.cli import output
from opsgit.cli.options import PIN
from opsgit.operations import clone


@click.command("clone", epilog="\b\nExample:\n  opsgit clone /srv/git/ops.git state --as dev")
@click.argument("url")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--as", "agent", metavar="AGENT", help="The clone acts as this agent.")
@PIN
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
def command(url: str, folder: Path, agent: str | None, pin: str | None, as_json: bool) -> None:
    """Clone a state repository, verify it, and set up signing and hooks."""
    repository, verdict = clone.clone(url, folder, agent, pin)
    repository.close()
    if as_json:
        output.data("clone", path=str(folder.resolve()), agent=agent)
        return
    output.line(f"{folder.resolve()}  {verdict.judged} commits verified, genesis {verdict.genesis[:10]}")
    for notice in verdict.notices:
        output.say(notice)
