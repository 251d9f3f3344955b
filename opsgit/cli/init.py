"""The command `opsgit init`."""

from __future__ import annotations

import os
from pathlib import Path

import click

from opsgit.cli import output
from opsgit.operations import compile, init
from opsgit.operations.session import Session


@click.command("init", epilog='\b\nExample:\n  opsgit init --project "my-project" --state-dir state')
@click.option("--project", required=True, metavar="NAME", help="The project's name.")
@click.option("--state-dir", metavar="DIR", help="Where (default: OPS_STATE_DIR, else ./state).")
@click.option("--orchestrator", default="orchestrator", show_default=True, help="The first agent's name.")
@click.option("--in-repo", is_flag=True, help="Beside the code: in .opsgit of this code repository, and on its remote.")
@click.option("-C", "directory", metavar="DIR", help="Where --state-dir is relative to.")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
def command(
    project: str, state_dir: str | None, orchestrator: str, in_repo: bool, directory: str | None, as_json: bool
) -> None:
    """Make a state repository: a git repository whose first commit the orchestrator signs.

    With --in-repo the ledger lives with a code repository: in its folder .opsgit, which git ignores there, and on the
    branch opsgit/main of its remote origin (or of the repository itself, if it has none). Branches of the code are not
    touched, and commands in the code repository find the ledger (`opsgit help teams`).
    """
    where, notices = Path(directory or "."), list[str]()
    if in_repo and state_dir:
        raise click.UsageError("--in-repo and --state-dir exclude each other", click.get_current_context())
    if in_repo:
        from opsgit.operations import beside

        made, notices = beside.found(where, project, orchestrator)
    else:
        made = init.init(where / (state_dir or os.environ.get("OPS_STATE_DIR") or "state"), project, orchestrator)
    key = made.keys.path(orchestrator)
    genesis = made.tip()
    compile.refresh_small(Session(made))
    made.close()
    if as_json:
        output.data("init", path=str(made.top), repository=made.identity.repository, genesis=genesis, key=str(key))
        return
    output.line(f"{made.top}  {genesis[:10]}  signed by {orchestrator}")
    output.say(f"the key of {orchestrator} is {key}; keep a copy of it: whoever has it governs the project")
    for notice in notices:
        output.say(notice)
    place = "" if in_repo else f" -C {where / (state_dir or os.environ.get('OPS_STATE_DIR') or 'state')}"
    output.say(f"next: opsgit{place} agent add --name dev --role developer")
