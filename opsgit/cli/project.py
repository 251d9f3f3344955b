"""`opsgit project`."""

from __future__ import annotations

import click

from opsgit.cli import voice
from opsgit.cli.options import common, writing, wrote
from opsgit.operations import governing
from opsgit.operations.session import Session


@click.group("project", epilog="\b\nExample:\n  opsgit project set deploy.command '[gates/deploy.sh]'")
def command() -> None:
    """The project's policy."""


@command.command("show", epilog="\b\nExample:\n  opsgit project show")
@common
def show(session: Session, as_json: bool) -> None:
    """The policy as it is."""
    found = governing.policy(session)
    if as_json:
        voice.data("project", project=found)
        return
    for line in governing.lines(found):
        voice.line(line)


@command.command("set", epilog="\b\nExample:\n  opsgit project set deploy.command '[\"false\"]'")
@click.argument("key")
@click.argument("value", required=False)
@click.option("--unset", is_flag=True, help="Take the key out.")
@writing
@common
def set_(session: Session, as_json: bool, key: str, value: str | None, unset: bool) -> None:
    """Set one dotted KEY to a YAML VALUE (see opsgit help policy)."""
    if (value is None) != unset:
        raise click.UsageError("give a VALUE, or --unset", click.get_current_context())
    wrote(session, governing.set_key(session, key, value), as_json)
