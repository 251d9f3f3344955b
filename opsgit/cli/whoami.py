"""The command `opsgit whoami`."""

from __future__ import annotations

import click

from opsgit.cli import output
from opsgit.cli.options import common
from opsgit.operations import agents
from opsgit.operations.session import Session


@click.command("whoami", epilog="\b\nExample:\n  opsgit whoami --as dev")
@common
def command(session: Session, as_json: bool) -> None:
    """Show who acts here, why, and whose keys this machine holds."""
    found = agents.whoami(session)
    if as_json:
        output.data("whoami", **found)
        return
    if found["agent"]:
        rights = ", ".join(found["rights"]) or "nothing"
        key = "its key is here" if found["holds_key"] else "its key is NOT here"
        output.line(f"{found['agent']} ({found['source']}), {found['role']}, may {rights}; {key}")
    else:
        output.line("nobody is named; each command acts as its natural actor (opsgit help identity)")
    output.line(f"keys here: {', '.join(found['keys_here']) or 'none'}")
    output.line(f"project {found['project']} in {found['path']}")
