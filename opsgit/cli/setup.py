"""The commands of `opsgit setup`."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from opsgit.cli import output
from opsgit.cli.options import WRITES_WITH
from opsgit.domain import policy
from opsgit.domain.refusals import Refused
from opsgit.domain.vocabulary import ORCHESTRATE
from opsgit.operations import setup
from opsgit.operations.session import Session
from opsgit.storage import repository
from opsgit.views import terminal
from opsgit.views.harnesses import HARNESSES, Setting


@click.group("setup", epilog="\b\nExample:\n  opsgit setup claude\n  opsgit setup agents-md --check")
def command() -> None:
    """Make opsgit known to OpenClaw, Claude Code, Codex and others that read AGENTS.md."""


def _add(name: str, does: str) -> None:
    @command.command(name, help=does, epilog=f"\b\nExample:\n  opsgit setup {name}\n  opsgit setup {name} --remove")
    @click.option("-C", "directory", metavar="DIR", help="The state repository, named in what is written.")
    @click.option("--dir", "folder", type=click.Path(path_type=Path), default=".", help="The project (default: here).")
    @click.option("--check", is_flag=True, help="Only look; exit 10 if a file is absent or differs.")
    @click.option("--remove", is_flag=True, help="Take out what setup wrote; the rest of a file stays.")
    @click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
    def one(directory: str | None, folder: Path, check: bool, remove: bool, as_json: bool) -> int:
        if check and remove:
            raise click.UsageError("--check and --remove exclude each other", click.get_current_context())
        pieces = list(HARNESSES[name](_setting(directory or click.get_current_context().find_root().obj)))
        old = setup.stray(folder, pieces)
        if check:
            found = setup.check(folder, pieces) + [setup.State(piece.path, setup.DIFFERS) for piece in old]
        elif remove:
            found = setup.remove(folder, [*pieces, *old])
        else:
            found = setup.install(folder, pieces) + setup.remove(folder, old)
        _tell(name, found, as_json)
        return output.FOUND if check and any(state != setup.CURRENT for _, state in found) else 0


def _setting(directory: str | None) -> Setting:
    """Return the setting of a state repository; its agents are known if there is one."""
    try:
        found = repository.find(Path(directory) if directory else None)
    except Refused:
        if directory:
            raise
        return Setting()
    try:
        snapshot = Session(found).look()
        agents = tuple(one for one in snapshot.agents() if one.status == "active")
        leads = tuple(one.name for one in agents if ORCHESTRATE in policy.rights(snapshot.project, one))
        return Setting(str(Path(directory).absolute()) if directory else None, agents, leads)
    finally:
        found.close()


def _tell(harness: str, found: Sequence[setup.State], as_json: bool) -> None:
    if as_json:
        output.data("setup", harness=harness, files=[one._asdict() for one in found])
        return
    for line in terminal.table(("STATE", "FILE"), [(one.state, one.path) for one in found]):
        output.line(line)


for _name, _does in {
    "openclaw": "Write the skill for OpenClaw, to skills/opsgit/SKILL.md of a workspace.",
    "claude": "Write the plugin for Claude Code, and turn it on in .claude/settings.json. Each agent of the ledger "
    "becomes a sub-agent: run it again after agent add.",
    "codex": "Write the block for Codex to AGENTS.md.",
    "agents-md": "Write the block to AGENTS.md.",
}.items():
    _add(_name, _does)


@command.command("guard", hidden=True)
def guard() -> None:
    """Judge a tool call of Claude Code, given on stdin: the hook of PreToolUse that `setup claude` installs."""
    from opsgit.operations import guard

    try:
        event = json.load(sys.stdin)
    except ValueError:
        raise click.UsageError("stdin is not JSON", click.get_current_context()) from None
    reason = guard.refusal(event, _writes) if isinstance(event, dict) else None
    if reason:
        decision = {"hookEventName": "PreToolUse", "permissionDecision": "deny", "permissionDecisionReason": reason}
        click.echo(json.dumps({"hookSpecificOutput": decision}))


def _writes(words: Sequence[str]) -> bool:
    """Return whether an opsgit command writes to the ledger: it has --dry-run, and the switch for writing, if any.

    An MCP server writes for its caller.
    """
    from opsgit.cli.main import opsgit

    found: click.Command | None = opsgit
    rest = list(words)
    while isinstance(found, click.Group) and rest:
        word = rest.pop(0)
        if word == "-C":
            rest = rest[1:]
        elif not word.startswith("-"):
            found = found.get_command(click.Context(found), word)
    switches = [one for one in found.params if one.name in WRITES_WITH] if found else []
    on = all(set(one.opts) & set(rest) for one in switches)
    can = found is not None and (found.name == "mcp" or any(one.name == "dry_run" for one in found.params))
    return can and on and not {"--dry-run", "--help", "-h"} & set(rest)
