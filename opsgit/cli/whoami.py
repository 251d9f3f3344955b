"""`opsgit whoami`."""

from __future__ import annotations

import click

from opsgit.cli import voice
from opsgit.cli.options import common
from opsgit.operations import people
from opsgit.operations.session import Session


@click.command("whoami", epilog="\b\nExample:\n  opsgit whoami --as dev")
@common
def command(session: Session, as_json: bool) -> None:
    """Who acts here, why, and whose keys this machine holds."""
    found = people.whoami(session)
    if as_json:
        voice.data("whoami", **found)
        return
    if found["agent"]:
        rights = ", ".join(found["rights"]) or "nothing"
        key = "its key is here" if found["holds_key"] else "its key is NOT here"
        voice.line(f"{found['agent']} ({found['source']}), {found['role']}, may {rights}; {key}")
    else:
        voice.line("nobody is named; each command acts as its natural actor (opsgit help identity)")
    voice.line(f"keys here: {', '.join(found['keys_here']) or 'none'}")
    voice.line(f"project {found['project']} in {found['path']}")
