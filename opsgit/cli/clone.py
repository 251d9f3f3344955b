"""The command `opsgit clone`."""

from __future__ import annotations

from pathlib import Path

import click

from opsgit.cli import output
from opsgit.cli.options import PIN
from opsgit.domain import names
from opsgit.operations import clone


@click.command(
    "clone",
    epilog="\b\nExample:\n  opsgit clone /srv/git/ops.git state --as dev\n  opsgit clone --in-repo --as dev",
)
@click.argument("url", required=False)
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@click.option("--as", "agent", metavar="AGENT", help="The clone acts as this agent.")
@click.option("--in-repo", is_flag=True, help="Of the ledger beside the code; without URL: of this code repository.")
@PIN
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
def command(
    url: str | None, folder: Path | None, agent: str | None, in_repo: bool, pin: str | None, as_json: bool
) -> None:
    """Clone a state repository, verify it, and set up signing and hooks.

    With --in-repo alone, in a code repository: its ledger is cloned into .opsgit from the branch opsgit/main.
    """
    if in_repo and url is None:
        from opsgit.operations import beside

        folder, url = beside.place(Path())
    if url is None or folder is None:
        raise click.UsageError("give URL and FOLDER, or --in-repo", click.get_current_context())
    repository, verdict = clone.clone(url, folder, agent, pin, names.LEAD if in_repo else "")
    repository.close()
    if as_json:
        output.data("clone", path=str(folder.resolve()), agent=agent)
        return
    output.line(f"{folder.resolve()}  {verdict.judged} commits verified, genesis {verdict.genesis[:10]}")
    for notice in verdict.notices:
        output.say(notice)
