"""The commands of `opsgit project`."""

from __future__ import annotations

import click

from opsgit.cli import output
from opsgit.cli.options import common, writing, wrote
from opsgit.operations import project
from opsgit.operations.session import Session


@click.group("project", epilog="\b\nExample:\n  opsgit project set deploy.command '[gates/deploy.sh]'")
def command() -> None:
    """The project's policy."""


@command.command("show", epilog="\b\nExample:\n  opsgit project show")
@common
def show(session: Session, as_json: bool) -> None:
    """Show the policy."""
    found = project.policy(session)
    if as_json:
        output.data("project", project=found)
        return
    for line in project.lines(found):
        output.line(line)


@command.command("upgrade-rules", epilog="\b\nExample:\n  opsgit project upgrade-rules --dry-run")
@writing
@common
def upgrade_rules(session: Session, as_json: bool) -> None:
    """Move the ledger to the next version of the rule book.

    Earlier commits keep their meaning: each commit is judged by the version that its parent names. Every clone and
    server needs an opsgit that knows the new version; an older opsgit refuses with exit 9. There is no way back.
    """
    wrote(session, project.upgrade_rules(session), as_json)


@command.command("reset-clock", epilog="\b\nExample:\n  opsgit project reset-clock --note 'the clock of dev was wrong'")
@writing
@common
def reset_clock(session: Session, as_json: bool) -> None:
    """Let the time go on from now, after a commit from a clock that was ahead.

    No commit may be dated before its parent, so that one from the year 2099 stops all writing until then. This commit
    alone may be, and those after it go on from its time. opsgit verify names a commit that is ahead, until the reset.
    """
    wrote(session, project.reset_clock(session), as_json)


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
    wrote(session, project.set_key(session, key, value), as_json)
