"""The command `opsgit mcp`."""

from __future__ import annotations

import click

from opsgit.cli.options import common
from opsgit.domain.refusals import refuse
from opsgit.operations.session import Session, nobody


@click.command("mcp", epilog="\b\nExample:\n  opsgit mcp -C state --as dev")
@common
def command(session: Session, as_json: bool) -> None:
    """Serve the Model Context Protocol over stdin and stdout, as one agent.

    The agent is fixed when the server starts; it must be named. A client starts the server itself, with this command in
    its configuration (`opsgit help recipes`). It needs `pip install 'opsgit[mcp]'`.
    """
    snapshot = session.look()
    name = session.actor(snapshot, nobody)
    snapshot.agent(name)
    try:
        from opsgit import mcp_server
    except ModuleNotFoundError as error:
        if error.name not in ("mcp", "pydantic"):
            raise
        refuse("EXTRA_MISSING", f"the package {error.name} is not installed", "pip install 'opsgit[mcp]'")
    mcp_server.serve(session.repository.top or session.repository.folder, name)
