"""The command `opsgit rollback`."""

from __future__ import annotations

import click

from opsgit.cli.options import common, subject, writing, wrote
from opsgit.operations import deployments
from opsgit.operations.session import Session


@click.command("rollback", epilog="\b\nExample:\n  opsgit rollback SKILL-001 --reason 'errors doubled'")
@subject("id")
@click.option("--alert", metavar="ID", help="The open alert on the task, for observers.")
@writing
@common
def command(session: Session, as_json: bool, name: str, alert: str | None) -> None:
    """Roll a deployed task back.

    The project's rollback command runs first, if one is set. The new commit names the commit that deployed the task.
    """
    wrote(session, deployments.rollback(session, name, alert), as_json)
