"""The package as a user gets it: wheel and sdist, by pip, pipx and uv; with its man page, schemas and topics."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run(*words: str | Path, **more: str) -> str:
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    done = subprocess.run(list(map(str, words)), env={**env, **more}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with build, pipx and uv."""
    place = tmp_path_factory.mktemp("tools")
    run(sys.executable, "-m", "venv", place)
    run(place / "bin/pip", "install", "-q", "build", "pipx", "uv")
    return place / "bin"


@pytest.fixture(scope="module")
def built(tools: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the sdist, built from a clean clone; the wheel is built from the sdist."""
    place = tmp_path_factory.mktemp("built")
    run("git", "clone", "-q", ROOT, place / "clone")
    run(tools / "python", "-m", "build", "--outdir", place / "dist", place / "clone")
    return place / "dist"


def works(opsgit: Path, folder: Path) -> None:
    """A first approved task, as a new user comes to it, in a home of its own."""
    home = {"HOME": str(folder / "home"), "XDG_DATA_HOME": str(folder / "data"), "OPS_STATE_DIR": str(folder / "state")}
    (folder / "home").mkdir(parents=True)
    (folder / "made.txt").write_text("made\n")
    for words in (
        "init --project p", "agent add dev --role developer", "agent add qa --role reviewer", "agent add op --role deployer",
        "task add --title one --assign dev", "task next --claim --as dev", f"task submit T-1 --output {folder}/made.txt",
        "review show T-1 --as qa", "review approve T-1 --as qa", "verify", "prime --as dev", "dashboard --format html",
    ):  # fmt: skip
        run(opsgit, *words.split(), **home)
    assert '"done"' in run(opsgit, "task", "show", "T-1", "--json", **home)
    assert "QUOTA_EXCEEDED" in run(opsgit, "help", "exit-codes", **home)


@pytest.mark.slow
def test_what_is_in_them(built: Path) -> None:
    (wheel,), (sdist,) = list(built.glob("*.whl")), list(built.glob("*.tar.gz"))
    names = set(zipfile.ZipFile(wheel).namelist())
    assert any(name.endswith("data/share/man/man1/opsgit.1") for name in names)
    assert {"opsgit/schema/task.schema.json", "opsgit/cli/topics/api.md", "opsgit/views/harness/SKILL.md"} <= names
    assert not any(name.startswith("tests") for name in names)
    with tarfile.open(sdist) as packed:
        inside = {name.split("/", 1)[1] for name in packed.getnames() if "/" in name}
    assert {"README.md", "LICENSE", "CHANGELOG.md", "pyproject.toml", "tests/conftest.py"} <= inside


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["*.whl", "*.tar.gz"])
def test_pip(built: Path, tmp_path: Path, kind: str) -> None:
    run(sys.executable, "-m", "venv", tmp_path / "venv")
    run(tmp_path / "venv/bin/pip", "install", "-q", next(built.glob(kind)))
    assert (tmp_path / "venv/share/man/man1/opsgit.1").is_file()
    works(tmp_path / "venv/bin/opsgit", tmp_path / "box")


@pytest.mark.slow
def test_pipx(tools: Path, built: Path, tmp_path: Path) -> None:
    places = {
        "PIPX_HOME": str(tmp_path / "pipx"),
        "PIPX_BIN_DIR": str(tmp_path / "bin"),
        "PIPX_MAN_DIR": str(tmp_path / "man"),
    }
    run(tools / "pipx", "install", "--python", sys.executable, next(built.glob("*.whl")), **places)
    works(tmp_path / "bin/opsgit", tmp_path / "box")
    assert (tmp_path / "man/man1/opsgit.1").exists()


@pytest.mark.slow
def test_uv_tool(tools: Path, built: Path, tmp_path: Path) -> None:
    places = {
        "UV_TOOL_DIR": str(tmp_path / "uv"),
        "UV_TOOL_BIN_DIR": str(tmp_path / "bin"),
        "UV_CACHE_DIR": str(tmp_path / "cache"),
    }
    run(tools / "uv", "tool", "install", "--python", sys.executable, next(built.glob("*.whl")), **places)
    works(tmp_path / "bin/opsgit", tmp_path / "box")
