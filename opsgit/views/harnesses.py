"""The files by which a harness knows opsgit: OpenClaw's skill, Claude Code's plugin, the block in AGENTS.md."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterable, Iterator
from importlib.resources import files
from typing import Any, NamedTuple

from opsgit.domain.model import Agent
from opsgit.version import VERSION

WHOLE, BLOCK, KEYS = "file", "block", "keys"
PLUGIN = ".claude/opsgit"
DESCRIPTION = "The tasks of a team of agents: signed, reviewed and gated by opsgit"


class Piece(NamedTuple):
    """What a harness needs in one file.

    `path` is relative to the project's folder. `kind` is `WHOLE`: the file is ours; `BLOCK`: a marked block in a file
    of others; `KEYS`: keys of a JSON object of others. `content` is the text, for `KEYS` the object that is merged in.
    """

    path: str
    kind: str
    content: Any


class Setting(NamedTuple):
    """What the pieces depend on: the state repository that is named in commands, and the agents of the project.

    `leads` are the agents that orchestrate: if there is one, sessions without another name begin as it.
    """

    directory: str | None = None
    agents: tuple[Agent, ...] = ()
    leads: tuple[str, ...] = ()

    @property
    def lead(self) -> tuple[str, ...]:
        """The option that names the only orchestrator; empty if there is none or several."""
        return ("--as", self.leads[0]) if len(self.leads) == 1 else ()

    def command(self, *words: str) -> str:
        """Return an opsgit command for the shell."""
        return shlex.join(["opsgit", *(["-C", self.directory] if self.directory else []), *words])


def _packaged(name: str) -> str:
    return files("opsgit.views").joinpath(f"harness/{name}").read_text("utf-8")


def _with_place(text: str, setting: Setting) -> str:
    """Return a text whose first command names the state repository, if one was given."""
    return text.replace("`opsgit prime`", f"`{setting.command('prime')}`") if setting.directory else text


def openclaw(setting: Setting) -> Iterator[Piece]:
    """Yield the skill for OpenClaw; the folder is a workspace of OpenClaw."""
    yield Piece("skills/opsgit/SKILL.md", WHOLE, _with_place(_packaged("SKILL.md"), setting))


def agents_md(setting: Setting) -> Iterator[Piece]:
    """Yield the block for AGENTS.md, which Codex and others read."""
    yield Piece("AGENTS.md", BLOCK, _with_place(_packaged("AGENTS.md"), setting))


def claude(setting: Setting) -> Iterator[Piece]:
    """Yield the plugin for Claude Code, and the settings that turn it on in the project."""
    plugin = {"name": "opsgit", "version": VERSION, "description": DESCRIPTION}
    listed = {"name": "opsgit", "source": "./plugin", "description": DESCRIPTION}
    market = {"name": "opsgit", "owner": {"name": "opsgit"}, "plugins": [listed]}
    yield Piece(f"{PLUGIN}/.claude-plugin/marketplace.json", WHOLE, _json(market))
    yield Piece(f"{PLUGIN}/plugin/.claude-plugin/plugin.json", WHOLE, _json(plugin))
    yield Piece(f"{PLUGIN}/plugin/hooks/hooks.json", WHOLE, _json({"hooks": _hooks(setting)}))
    for agent in setting.agents:
        yield Piece(f"{PLUGIN}/plugin/agents/{agent.name}.md", WHOLE, _subagent(setting, agent))
    on = {
        "extraKnownMarketplaces": {"opsgit": {"source": {"source": "directory", "path": f"./{PLUGIN}"}}},
        "enabledPlugins": {"opsgit@opsgit": True},
    }
    yield Piece(".claude/settings.json", KEYS, on)


def _hooks(setting: Setting) -> dict[str, Any]:
    def run(*words: str) -> list[dict[str, str]]:
        return [{"type": "command", "command": setting.command(*words)}]

    return {
        "SessionStart": [{"hooks": run("prime", *setting.lead)}],
        "PreCompact": [{"hooks": run("prime", *setting.lead)}],
        "PreToolUse": [{"matcher": "Bash", "hooks": run("setup", "guard")}],
    }


def _subagent(setting: Setting, agent: Agent) -> str:
    """Return the file of a sub-agent. The agent's description stays out: Claude Code would read it as instructions."""
    return f"""\
---
name: {agent.name}
description: {json.dumps(f"{agent.name}, {agent.role} in opsgit")}
---

You are {agent.name}, role {agent.role}. Run `{setting.command("prime", "--as", agent.name)}` first. Give every opsgit
command that writes `--as {agent.name}`, and no other name. Do what your order says, and nothing else.
"""


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


HARNESSES: dict[str, Callable[[Setting], Iterable[Piece]]] = {
    "openclaw": openclaw,
    "claude": claude,
    "codex": agents_md,
    "agents-md": agents_md,
}
