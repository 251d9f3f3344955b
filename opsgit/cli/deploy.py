"""The commands of `opsgit deploy`."""

from __future__ import annotations

import click

from opsgit.cli import output
from opsgit.cli.options import common, subject, writing, wrote
from opsgit.operations import deployments, project
from opsgit.operations.session import Session


@click.group("deploy", epilog="\b\nExample:\n  opsgit deploy trust")
def command() -> None:
    """Deployments. To deploy a task: opsgit task move ID --to deployed."""


@command.command("trust", epilog="\b\nExample:\n  opsgit deploy trust")
@common
def trust(session: Session, as_json: bool) -> None:
    """Consent to the project's deploy and rollback commands in this clone.

    The consent covers the commands and the scripts in gates/ as they are now.
    """
    commands = project.consent(session)
    if as_json:
        output.data("trust", **commands)
        return
    for what, words in commands.items():
        output.line(f"{what}: {words if words else 'no command is set'}")


@command.command("abandon", epilog="\b\nExample:\n  opsgit deploy abandon SKILL-001 --reason 'the deployer crashed'")
@subject("id")
@writing
@common
def abandon(session: Session, as_json: bool, name: str) -> None:
    """Give up a running deployment whose agent is gone. The task stays done."""
    wrote(session, deployments.abandon(session, name), as_json)
