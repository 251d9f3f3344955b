"""The command `opsgit dashboard`."""

from __future__ import annotations

import click

from opsgit.cli import output
from opsgit.cli.options import common, looking_back
from opsgit.cli.watch import watching, width
from opsgit.operations import compile
from opsgit.operations.session import Session


@click.command("dashboard", epilog="\b\nExample:\n  opsgit dashboard --format html > dashboard.html")
@click.option("--format", "form", type=click.Choice(["text", "md", "html", "json"]), default="text", show_default=True)
@common
@looking_back
@watching
def command(session: Session, as_json: bool, form: str) -> None:
    """Show the project: tasks, who must act next, agents, quotas, alerts, activity."""
    if form == "html" and not as_json:
        from opsgit.operations.overview import overview, with_fixed_clock
        from opsgit.views.site import single

        click.echo(single(overview(with_fixed_clock(session, live=True))), nl=False)
        return
    now = int(session.clock())
    if as_json or form == "json":
        output.data("dashboard", state=compile.state(session, now))
    elif form == "md":
        from opsgit.operations.summary import document
        from opsgit.views import markdown

        click.echo(markdown.dashboard(document(session, now)), nl=False)
    else:
        from opsgit.operations.summary import summary
        from opsgit.views import board

        click.echo(board.dashboard(summary(session, now), width(), output.colour()), color=output.colour())
