"""The commands of `opsgit metric`."""

from __future__ import annotations

import click

from opsgit.cli import completion, output
from opsgit.cli.options import MANY, common, writing, wrote
from opsgit.domain.vocabulary import COUNT_MAX
from opsgit.operations import observations
from opsgit.operations.session import Session
from opsgit.views import terminal


@click.group("metric", epilog="\b\nExample:\n  opsgit metric set total_downloads 42")
def command() -> None:
    """Metrics: gauges that observers set."""


@command.command(
    "set",
    context_settings={"ignore_unknown_options": True},
    epilog="\b\nExample:\n  opsgit metric set total_downloads 42",
)
@click.argument("name", shell_complete=completion.ids)
@click.argument("value", type=float)
@writing
@common
def set_(session: Session, as_json: bool, name: str, value: float) -> None:
    """Set a gauge to a number."""
    exact = int(value) if value == value // 1 and abs(value) <= COUNT_MAX else value
    wrote(session, observations.set_metric(session, name, exact), as_json)


@command.command("list", epilog="\b\nExample:\n  opsgit metric list")
@click.option("--limit", type=MANY, default=200, show_default=True, help="At most so many.")
@common
def list_(session: Session, as_json: bool, limit: int) -> None:
    """List all metrics."""
    found = observations.records(session, "metric")
    more = max(0, len(found) - limit)
    if as_json:
        output.data("metrics", metrics=found[:limit], more=more)
        return
    rows = [(m["name"], str(m["value"]), m["at"], m["by"]) for m in found[:limit]]
    for line in terminal.table(("NAME", "VALUE", "SET", "BY"), rows):
        output.line(line)
    if more:
        output.say(f"{more} more: --limit {len(found)}")
