"""Each command in `help start`, `help recipes` and `help site` is run, by a shell, as a reader pastes it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from opsgit.cli.help import text
from tests.conftest import Desk

PATH = f"{Path(sys.executable).parent}:{os.environ['PATH']}"


def blocks(words: str) -> list[str]:
    """The indented lines of a text, in one piece for each run of them."""
    found = re.findall(r"(?:^    .*\n?)+", words, re.MULTILINE)
    return [re.sub("^    ", "", one, flags=re.MULTILINE).strip() for one in found]


def sections(topic: str) -> dict[str, str]:
    parts = re.split(r"^## (.+)\n", text(topic), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def play(script: str, folder: Path, home: Path) -> subprocess.CompletedProcess[str]:
    """Run a script with /tmp and ~ in a folder of the test's own."""
    own = script.replace("/tmp/", f"{home}/")
    env = {**os.environ, "PATH": PATH, "HOME": str(home), "XDG_STATE_HOME": str(home / "pins")}
    words = ["bash", "-euo", "pipefail", "-c", own]
    return subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True, check=False)


RECIPES = sections("recipes")
SHELL = [name for name in RECIPES if name not in ("MCP clients", "A worker in Python")]


@pytest.fixture
def team(desk: Desk, tmp_path: Path) -> Desk:
    (tmp_path / "home/code").mkdir(parents=True)
    return desk


@pytest.mark.slow
@pytest.mark.parametrize("recipe", SHELL)
def test_a_recipe_runs(team: Desk, tmp_path: Path, recipe: str) -> None:
    if recipe == "A worker in a shell script":
        for title in ("one", "two"):
            team.ok("task", "add", "--title", title)
    found = blocks(RECIPES[recipe])
    assert found
    done = play("\n".join(found), team.path, tmp_path / "home")
    assert done.returncode == 0 or recipe == "Tell a chat or a program", done.stderr
    if recipe.startswith("OpenClaw"):
        assert '"tool": "sessions_spawn"' in done.stdout
    if recipe == "A worker in a shell script":
        assert team.status("T-1") == team.status("T-2") == "review"


@pytest.mark.slow
def test_the_start(tmp_path: Path) -> None:
    script = "\n".join(blocks(text("start"))[1:])  # the first one installs
    done = play(script, tmp_path, tmp_path / "home")
    assert done.returncode == 0, done.stderr
    assert "done" in done.stdout


def test_the_configuration_for_mcp_names_a_command_that_is_there() -> None:
    (block,) = blocks(RECIPES["MCP clients"])
    server = json.loads(block)["mcpServers"]["opsgit"]
    from opsgit.cli.main import COMMANDS

    assert (server["command"], server["args"][2]) == ("opsgit", "mcp")
    assert "mcp" in COMMANDS


def test_the_block_of_python_is_tested_elsewhere() -> None:
    assert "opsgit help api" in RECIPES["A worker in Python"]


@pytest.mark.slow
def test_the_commands_about_pages_run(in_review: Desk, tmp_path: Path) -> None:
    done = play("\n".join(blocks(text("site"))), in_review.path, tmp_path / "home")
    assert done.returncode == 0, done.stderr
    for name in ("site/task/T-1.html", "report.html", "retro.md", "before/state.json", "opsgit.prom"):
        assert (in_review.path / name).stat().st_size > 0, name
