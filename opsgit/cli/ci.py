"""The commands of `opsgit ci`."""

from __future__ import annotations

import click

from opsgit.cli.options import common, writing, wrote
from opsgit.operations import ci
from opsgit.operations.session import Session


@click.group("ci", epilog="\b\nExample:\n  opsgit ci init github")
def command() -> None:
    """Continuous integration: verify every push and publish the report."""


@command.command("init", epilog="\b\nExample:\n  opsgit ci init github")
@click.argument("forge", type=click.Choice(list(ci.FORGES)))
@writing
@common
def init(session: Session, as_json: bool, forge: str) -> None:
    """Commit a CI job that verifies the ledger and publishes the report.

    The job verifies the whole history and trusts only this ledger's genesis, which is written into it. It can be a
    required check of requests (`opsgit help forges`). It keeps the dashboard and the report as an artifact, publishes
    them on Pages of GitHub or GitLab, and writes a summary in Markdown.
    """
    wrote(session, ci.init(session, forge), as_json)
