"""The command `opsgit compile`."""

from __future__ import annotations

import click

from opsgit.cli import output
from opsgit.cli.options import common
from opsgit.operations import compile
from opsgit.operations.session import Session


@click.command("compile", epilog="\b\nExample:\n  opsgit compile")
@common
def command(session: Session, as_json: bool) -> None:
    """Write state.json, dashboard.md and dashboard.html. The same commit always gives the same bytes."""
    written = [str(path) for path in compile.compile_all(session)]
    if as_json:
        output.data("compile", files=written, commit=session.repository.tip())
        return
    for path in written:
        output.line(path)
