"""The command `opsgit export`."""

from __future__ import annotations

import click

from opsgit.cli import output
from opsgit.cli.options import as_status, common, listed
from opsgit.operations import bulk, queries
from opsgit.operations.session import Session
from opsgit.views import sheet

FORMATS = {"jsonl": sheet.jsonl, "csv": sheet.table}


@click.command("export", epilog="\b\nExample:\n  opsgit export --format csv > tasks.csv")
@click.option("--format", "form", type=click.Choice(list(FORMATS)), default="jsonl", show_default=True)
@click.option("--status", "statuses", callback=as_status, multiple=True, metavar="STATUS", help="May be given again.")
@click.option("--fields", metavar="NAMES", help="Only these, with commas: id,title,blocked_by,updated ...")
@click.option("--new", is_flag=True, help="Only the fields that `opsgit task add --from` reads.")
@common
def command(
    session: Session, as_json: bool, form: str, statuses: tuple[str, ...], fields: str | None, new: bool
) -> None:
    """Print all tasks as JSONL or CSV, by id. --json is JSONL.

    In CSV, a cell that a spreadsheet would take for a formula begins with an apostrophe. `opsgit task add --from` reads
    both forms again, if they are exported with --new.
    """
    if new and fields:
        raise click.UsageError("--new and --fields exclude each other", click.get_current_context())
    chosen = bulk.FIELDS if new else listed((fields or "",)) or ()
    queries.check_fields(chosen)
    found = queries.tasks(session, queries.Query(statuses=statuses, ended_too=True, sort="id")).tasks
    told = (queries.described(session, record, chosen) if chosen else record for record in found)
    for line in FORMATS["jsonl" if as_json else form](told, chosen):
        output.document(line)
