"""The README's commands are run as they stand there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).parent.parent.parent / "README.md"
BLOCKS = re.findall(r"^```sh\n(.*?)^```$", README.read_text(), re.MULTILINE | re.DOTALL)


def shell(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], cwd=folder, env=env, capture_output=True, text=True, check=False
    )


@pytest.mark.slow
def test_five_minutes(tmp_path: Path) -> None:
    done = shell("\n".join(BLOCKS[2:]), tmp_path)
    assert done.returncode == 0, done.stderr
    assert "SKILL-001: deployed → rolled-back" in done.stdout


@pytest.mark.slow
def test_the_refusal_shown_is_the_one_that_is_given(tmp_path: Path) -> None:
    shown = re.search(r"^```console\n\$ (.*?)\n(.*?)^```$", README.read_text(), re.MULTILINE | re.DOTALL)
    assert shown
    blocks = "\n".join(BLOCKS[2:5])
    done = shell(f"{blocks}\n{shown[1]} > out 2>&1 || true\ncat out", tmp_path)
    assert done.stdout.endswith(shown[2]), done.stdout + done.stderr


def test_the_first_two_commands_are_one_line_each() -> None:
    assert all(block.count("\n") == 1 for block in BLOCKS[:2])
    assert "opsgit demo" in BLOCKS[0]
    assert "pytest" in BLOCKS[1]


@pytest.mark.slow
def test_a_stranger_pastes_it_all(tmp_path: Path) -> None:
    """A fresh clone, a shell without opsgit on its path, every block but the tests, one after the other."""
    subprocess.run(["git", "clone", "-q", str(README.parent), "clone"], cwd=tmp_path, check=True)
    venv = str(Path(sys.executable).parent)
    path = ":".join(part for part in os.environ["PATH"].split(":") if part != venv)
    script = "\n".join([BLOCKS[0], *BLOCKS[2:]])
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], cwd=tmp_path / "clone", env={**os.environ, "PATH": path},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "REFUSED" in done.stdout
    assert "rolled-back" in done.stdout
