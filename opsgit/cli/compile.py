"""The command `opsgit compile`."""

from __future__ import annotations

from pathlib import Path

import click

from opsgit.cli import output
from opsgit.cli.options import common, looking_back
from opsgit.operations import dashboards
from opsgit.operations.session import Session


@click.command("compile", epilog="\b\nExample:\n  opsgit compile --at 2026-01-31 --out january")
@click.option("--out", "folder", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
              help="Write them there, not beside the ledger.")  # fmt: skip
@common
@looking_back
def command(session: Session, as_json: bool, folder: Path | None) -> None:
    """Write state.json, dashboard.md and dashboard.html. The same commit always gives the same bytes.

    With --at they are those of the past, and --out says where.
    """
    if session.at and not folder:
        raise click.UsageError("--at is for files of the past: say where with --out DIR", click.get_current_context())
    commit, paths = dashboards.write(session, folder)
    written = [str(path) for path in paths]
    if as_json:
        output.data("compile", files=written, commit=commit)
        return
    for path in written:
        output.line(path)
