"""The honest repository that is attacked: tasks in every status, made once, copied for each attack."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from opsgit.operations import init
from opsgit.operations.session import Session
from opsgit.storage.repository import Repository
from tests.attacks.forge import Forge, copied

AGENTS = {"dev": "developer", "dev2": "developer", "qa": "reviewer", "qa2": "reviewer", "ship": "deployer",
          "ship2": "deployer", "eye": "observer", "eye2": "observer"}  # fmt: skip


@pytest.fixture(scope="session")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path]]:
    """The repository and the data folder that holds its keys."""
    from opsgit.cli.main import main

    box = tmp_path_factory.mktemp("honest")
    saved = dict(os.environ)
    for name in [name for name in os.environ if name.startswith(("GIT_", "OPSGIT_", "OPS_", "XDG_"))]:
        del os.environ[name]
    os.environ.update(
        XDG_DATA_HOME=str(box / "data"), XDG_STATE_HOME=str(box / "pins"), GIT_CONFIG_NOSYSTEM="1", HOME=str(box)
    )
    init.init(box / "state", "honest").close()
    (box / "out").mkdir()
    (box / "out" / "r.txt").write_text("result\n")

    def do(*words: str) -> None:
        assert main(["-C", str(box / "state"), *words]) == 0, words

    for name, role in AGENTS.items():
        do("agent", "add", name, "--role", role)
    for number in range(1, 8):
        do(
            "task",
            "add",
            "--id",
            f"T-{number}",
            "--title",
            f"task {number}",
            "--tag",
            "a",
            *(["--as", "eye"] if number == 5 else ["--assign", "dev"]),
        )
    for number in (1, 2, 3, 4):
        do("task", "start", f"T-{number}")
    for number in (1, 2, 3):
        do("task", "submit", f"T-{number}", "--output", str(box / "out"))
    for number in (2, 3):
        do("review", "approve", f"T-{number}", "--as", "qa")
    do("task", "move", "T-3", "--to", "deployed", "--as", "ship")
    do("task", "add", "--id", "M-1", "--title", "two stages", "--assign", "dev", "--pipeline", "dev,qa,qa2,ship")
    do("task", "start", "M-1")
    do("task", "submit", "M-1", "--output", str(box / "out"))
    do("review", "comment", "M-1", "--as", "eye", "--text", "hm")
    do("quota", "set", "q", "--limit", "3", "--period", "daily", "--agent", "dev")
    do("quota", "use", "q", "--as", "dev")
    do("alert", "raise", "--id", "A-1", "--message", "m", "--task", "T-3", "--as", "eye")
    do("metric", "set", "m", "1", "--as", "eye")
    do("task", "comment", "T-4", "--text", "one", "--as", "qa")
    do("agent", "add", "boss2", "--role", "orchestrator")
    os.environ.clear()
    os.environ.update(saved)
    yield box / "state", box / "data"


@pytest.fixture
def forge(honest: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Forge]:
    """A copy of the honest repository to forge in."""
    state, data = honest
    monkeypatch.setenv("XDG_DATA_HOME", str(copied(data, tmp_path / "keys")))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "pins"))
    made = Forge(copied(state, tmp_path / "copy"))
    yield made
    made.close()


@pytest.fixture
def session(forge: Forge) -> Session:
    return Session(Repository((forge.path / ".git").resolve(), forge.path))
