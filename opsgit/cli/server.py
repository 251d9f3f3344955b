"""The commands of `opsgit server`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from opsgit.cli import output
from opsgit.storage.git import Git
from opsgit.verification import beside, server


@click.group("server", epilog="\b\nExample:\n  opsgit server init /srv/git/ops.git")
def command() -> None:
    """Servers: bare repositories that judge every push by the rule book."""


PLACE = click.argument("folder", type=click.Path(path_type=Path), metavar="DIR.git")
JSON = click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")


@command.command("init", epilog="\b\nExample:\n  opsgit server init /srv/git/ops.git")
@PLACE
@JSON
def init(folder: Path, as_json: bool) -> None:
    """Make a bare repository that judges every push."""
    _tell(server.init(folder), as_json)


@command.command("install", epilog="\b\nExample:\n  opsgit server install /srv/git/ops.git")
@PLACE
@click.option("--in-repo", is_flag=True, help="A code repository: judge only its ledger, on the branches opsgit/...")
@JSON
def install(folder: Path, in_repo: bool, as_json: bool) -> None:
    """Make an existing bare repository judge every push.

    With --in-repo it is the repository of code with a ledger beside it (opsgit init --in-repo): pushes of code pass as
    before, and those of opsgit/main, opsgit/review/... and refs/opsgit/ are judged.

    An existing pre-receive hook is kept and called first. To require that the pusher signed the new commits, name the
    variable in which your server gives the pusher: git config opsgit.pusherVariable REMOTE_USER.
    """
    _tell(beside.install(folder) if in_repo else server.install(folder), as_json)


def _tell(folder: Path, as_json: bool) -> None:
    if as_json:
        output.data("server", path=str(folder.absolute()))
        return
    output.line(str(folder.absolute()))
    output.say(f"next, in a state repository: git remote add origin {folder.absolute()} && opsgit sync")


@command.command("judge", hidden=True, epilog="\b\nExample:\n  opsgit server judge < updates")
@click.argument("receiver", type=int, required=False)
def judge(receiver: int | None) -> int:
    """Judge a push. The pre-receive hook calls this command with git's updates on standard input.

    RECEIVER is the id of the git process that moves the refs.
    """
    folder = Path(os.environ.get("GIT_DIR", "."))
    judged = beside.judge if Git(folder).setting("opsgit.branches") else server.judge
    updates = sys.stdin.buffer.read().decode("utf-8", "surrogateescape")  # a name of a branch can be any bytes
    findings = judged(folder, updates.split("\n")[:-1], receiver)
    for one in findings:
        output.say(f"{one.code}: {one.commit[:10]}: {one.path + ': ' if one.path else ''}{one.message}")
    if findings:
        output.say("nothing was taken; opsgit help exit-codes explains the codes")
    return 1 if findings else 0
