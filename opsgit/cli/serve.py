"""The command `opsgit serve`."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import click

from opsgit.cli import completion, output
from opsgit.cli.options import common
from opsgit.cli.watch import until_signal
from opsgit.domain.refusals import refuse
from opsgit.operations.session import Session

if TYPE_CHECKING:
    from opsgit.web.live import Live
    from opsgit.web.server import Server


@click.command("serve", epilog="\b\nExample:\n  opsgit serve --act-as ana")
@click.option("--port", type=click.IntRange(0, 65535), default=8474, show_default=True, help="0 takes a free one.")
@click.option("--act-as", metavar="AGENT", help="Let the page comment and decide reviews, signed by this agent.",
              shell_complete=completion.agents)  # fmt: skip
@click.option(
    "--fetch", metavar="DURATION", default="30s", show_default=True, help="How often to fetch from the remote."
)
@common
def command(session: Session, as_json: bool, port: int, act_as: str | None, fetch: str) -> int:
    """Serve the site live on 127.0.0.1, until Ctrl-C.

    The pages are those of `report --format html`, and follow the ledger. They are for reading. With --act-as a person
    comments, resolves threads, approves and rejects from the page, through the same rules and signed with that agent's
    key. The URL that is printed holds a token that works once: the browser that opens it can act until this command
    ends. Other users of this machine can read the pages, but not act.
    """
    from opsgit.domain import times
    from opsgit.web.live import Live

    seconds = times.duration(fetch) if session.url and not session.offline else 0
    if act_as:
        session.look().agent(act_as)
        session.repository.keys.need(act_as)
    live = Live(session.repository.top or session.repository.folder, act_as, output.say)
    try:
        with _bound(live, port) as server:
            if as_json:
                output.data("serve", url=server.url, port=server.server_port)
            else:
                output.line(server.url)
            output.finish()
            _run(server, seconds)
    finally:
        live.close()
    return 0


def _bound(live: Live, port: int) -> Server:
    from opsgit.web.server import Server

    try:
        return Server(live, port)
    except OSError as error:
        refuse("BUSY", f"port {port} cannot be used: {error.strerror}", "--port 0 takes a free one")


def _run(server: Server, fetch: float) -> None:
    """Serve until a signal."""
    over = threading.Event()
    threads = [threading.Thread(target=server.serve_forever, args=(0.2,), daemon=True),
               threading.Thread(target=server.watch, args=(fetch, over), daemon=True)]  # fmt: skip
    for one in threads:
        one.start()
    with until_signal():
        over.wait()
    over.set()
    server.live.stop()
    server.shutdown()
    for one in threads:
        one.join(1)  # a fetch that hangs keeps nobody waiting
