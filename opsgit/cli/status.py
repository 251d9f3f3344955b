"""The command `opsgit status`."""

from __future__ import annotations

from dataclasses import asdict

import click

from opsgit.cli import output
from opsgit.cli.options import common
from opsgit.operations.session import Session
from opsgit.operations.status import Status

MODES = {
    "local": "no remote: what is written is kept here",
    "manual": "opsgit.sync is manual: what is written is kept here until opsgit sync",
    "online": "what is written is published at once",
}
KEYS = {
    "active": "its key is here",
    "missing": "its key is not on this machine",
    "rotated": "its key here was replaced: opsgit agent prove NAME --new, for an orchestrator",
    "removed": "it was removed from the project",
    "unknown": "the ledger here does not know it yet",
}


@click.command("status", epilog="\b\nExample:\n  opsgit status")
@common
def command(session: Session, as_json: bool) -> None:
    """Show how this clone stands to its remote: what is not published, what is missing, what was left unfinished.

    It looks at what was fetched last; opsgit sync fetches.
    """
    from opsgit.operations import status

    tell(status.status(session), as_json)


def tell(found: Status, as_json: bool) -> None:
    """Print the state of a clone."""
    if as_json:
        output.data("status", **asdict(found))
        return
    for line in _lines(found):
        output.line(line)


def _lines(found: Status) -> list[str]:
    lines = [f"remote    {found.remote or '-'}", f"mode      {MODES[found.mode]}"]
    if found.agent:
        lines.append(f"agent     {found.agent}: {KEYS[found.key].replace('NAME', found.agent)}")
    lines.append(f"ahead     {len(found.ahead)} operations are not published")
    lines += [f"  {one['commit'][:10]}  {one['at']}  {one['by']}  {one['subject']}" for one in found.ahead]
    lines.append(f"behind    {found.behind} operations of the remote are not here")
    for one in found.outcomes:
        lines.append(f"outcome   {one['target']}: {one['op']} ended with {one['evidence']}, not published: opsgit sync")
    for one in found.unconfirmed:
        lines.append(f"unknown   {one['subject']} ({one['commit'][:10]}): the remote did not answer: opsgit sync")
    if found.unfinished:
        lines.append(f"git       a command is unfinished, and nothing is written meanwhile: {found.unfinished}")
    return lines
