"""The command `opsgit report`."""

from __future__ import annotations

import click

from opsgit.cli import output
from opsgit.cli.options import common, looking_back
from opsgit.operations.session import Session


@click.command("report", epilog="\b\nExample:\n  opsgit report --since 7d --format md")
@click.option("--since", default="7d", show_default=True, metavar="TIME", help="How far back: 12h, 7d, 4w.")
@click.option("--format", "form", type=click.Choice(["text", "md", "html", "json"]), default="text", show_default=True)
@common
@looking_back
def command(session: Session, as_json: bool, since: str, form: str) -> None:
    """Report progress, pipeline, each agent's performance, cycle times, quotas, activity."""
    from opsgit.operations import report as figures
    from opsgit.views import report

    told = figures.report(session, since)
    if as_json or form == "json":
        output.data("report", report=told)
    else:
        click.echo({"text": report.text, "md": report.markdown, "html": report.html}[form](told))
