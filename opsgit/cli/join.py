"""The command `opsgit join`."""

from __future__ import annotations

from pathlib import Path

import click

from opsgit.cli import output
from opsgit.cli.agent import tell_proof
from opsgit.cli.options import PIN
from opsgit.domain import names
from opsgit.operations import agents, clone
from opsgit.operations.session import Session


@click.command("join", epilog="\b\nExample:\n  opsgit join ssh://git@host/srv/ops.git dev --role developer")
@click.argument("words", nargs=-1, required=True, metavar="URL NAME [DIR]")
@click.option("--role", default="ROLE", metavar="ROLE", help="The role to ask for in the line that is printed.")
@click.option("--in-repo", is_flag=True, help="Of the ledger beside code; without URL: of this code repository.")
@PIN
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
def command(words: tuple[str, ...], role: str, in_repo: bool, pin: str | None, as_json: bool) -> None:
    """Join a project as the agent NAME: clone it into DIR (default: NAME), make the key, and print one line.

    An orchestrator runs that line once in its own clone. Then the agent's commands work here. The private key stays on
    this machine. With --in-repo the ledger lies beside code: NAME alone is enough in a code repository, and DIR is its
    folder .opsgit then.
    """
    if in_repo and len(words) == 1:
        from opsgit.operations import beside

        (name,), (place, url) = words, beside.place(Path())
    elif len(words) in (2, 3):
        url, name, place = words[0], words[1], Path(words[-1])
    else:
        raise click.UsageError("give URL NAME [DIR], or NAME with --in-repo", click.get_current_context())
    repository, found = clone.join(url, name, place, pin, names.LEAD if in_repo else "")
    try:
        tell_proof(name, agents.prove(Session(repository), name), role, as_json)
        for notice in found.notices:
            output.say(notice)
        output.say(f"the clone is {place.absolute()}, the key of {name} is {repository.keys.path(name)}")
        output.say("next: an orchestrator runs the line above; then here: opsgit task next")
    finally:
        repository.close()
