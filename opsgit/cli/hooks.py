"""The commands of `opsgit hooks`."""

from __future__ import annotations

import click

from opsgit.cli import output
from opsgit.cli.options import common
from opsgit.operations import refresh
from opsgit.operations.session import Session
from opsgit.storage import repository
from opsgit.verification import hooks


@click.group("hooks", epilog="\b\nExample:\n  opsgit hooks install")
def command() -> None:
    """Git hooks: turn a hand edit and git commit into a signed operation, or refuse it."""


@command.command("install", epilog="\b\nExample:\n  opsgit hooks install")
@common
def install(session: Session, as_json: bool) -> None:
    """Install the hooks in this clone. Existing hooks are kept and called first."""
    hooks.install(session.repository)
    _tell(session, as_json)


@command.command("status", epilog="\b\nExample:\n  opsgit hooks status")
@common
def status(session: Session, as_json: bool) -> None:
    """Show which hooks are installed."""
    _tell(session, as_json)


@command.command("uninstall", epilog="\b\nExample:\n  opsgit hooks uninstall")
@common
def uninstall(session: Session, as_json: bool) -> None:
    """Remove the hooks, and restore the hooks that were there before."""
    hooks.uninstall(session.repository)
    _tell(session, as_json)


def _tell(session: Session, as_json: bool) -> None:
    found = hooks.status(session.repository)
    if as_json:
        output.data("hooks", hooks=found)
        return
    for name, state in found.items():
        output.line(f"{name:20} {state}")


@command.command(
    "run",
    hidden=True,
    context_settings={"ignore_unknown_options": True},
    epilog="\b\nExample:\n  opsgit hooks run pre-commit",
)
@click.argument("name", type=click.Choice(hooks.NAMES))
@click.argument("arguments", nargs=-1)
def run(name: str, arguments: tuple[str, ...]) -> None:
    """Run one hook. The installed hooks call this command."""
    found = repository.find(repository.from_git())
    try:
        hooks.run(found, name, list(arguments))
        if name == hooks.PULLED:
            refresh.catch_up(Session(found))
    finally:
        found.close()
