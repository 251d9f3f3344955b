"""The command `opsgit maintenance`."""

from __future__ import annotations

import click

from opsgit.cli import output
from opsgit.cli.options import common
from opsgit.operations.session import Session


@click.command("maintenance", epilog="\b\nExample:\n  opsgit maintenance")
@common
def command(session: Session, as_json: bool) -> None:
    """Pack this clone's objects and refs, and delete review branches that were merged.

    Commands that write start it in the background when it is due.
    """
    from opsgit.operations import maintenance

    before, after = maintenance.maintain(session)
    if as_json:
        output.data("maintenance", before=before._asdict(), after=after._asdict())
        return
    for what, size in (("before", before), ("after", after)):
        output.line(f"{what:8} {size.loose} loose objects, {size.packs} packs, {size.bytes / 1_000_000:.1f} MB")
