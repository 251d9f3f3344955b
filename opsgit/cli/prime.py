"""The command `opsgit prime`."""

from __future__ import annotations

import click

from opsgit.cli import output
from opsgit.cli.options import common, fetching, silent_outside
from opsgit.operations import prime
from opsgit.operations.session import Session
from opsgit.views import prime as page


@click.command("prime", epilog="\b\nExample:\n  opsgit prime --as dev")
@silent_outside
@common
@fetching
def command(session: Session, as_json: bool) -> None:
    """Print what the acting agent needs to know now: for the start of a session of a language model.

    It says who the agent is, what waits for it, its commands and the rules that bind it, in at most 1,500 tokens. Text
    by others is quoted as data. Outside a state repository the command prints nothing and exits 0.
    """
    found = prime.prime(session)
    lines = page.lines(found._asdict())
    if as_json:
        told = {"project": found.project, "agent": found.agent or None, "role": found.role or None}
        output.data("prime", **told, rights=found.rights, waiting=len(found.items), text="\n".join(lines))
        return
    for line in lines:
        output.line(line)
