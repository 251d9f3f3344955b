"""The command `opsgit fmt`."""

from __future__ import annotations

from pathlib import Path

import click

from opsgit.cli import output
from opsgit.cli.options import common
from opsgit.domain.refusals import Refused
from opsgit.operations import fmt
from opsgit.operations.session import Session


@click.command("fmt", epilog="\b\nExample:\n  opsgit fmt --check")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--check", is_flag=True, help="Change nothing; exit 10 when a file is not in the form.")
@common
def command(session: Session, as_json: bool, files: tuple[Path, ...], check: bool) -> int:
    """Bring FILES (default: all records) into the canonical form (opsgit help format)."""
    changed, faults = fmt.fmt(session, files, check)
    if faults:
        raise Refused(*faults)
    if as_json:
        output.data("fmt", changed=changed, check=check)
    else:
        for path in changed:
            output.line(path)
    return 10 if check and changed else 0
