"""Real parts for tests: a home of their own, state repositories, plain git, the command line in this process."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from opsgit.cli.main import main
from opsgit.operations import clone_config, init
from opsgit.operations.session import Session
from opsgit.storage.repository import Repository

settings.register_profile("quick", max_examples=40, deadline=None)
settings.register_profile("long", max_examples=600, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


MEMORY = Path("/dev/shm")  # thousands of small repositories are made and thrown away: a disk takes half of the time


def has_room(folder: Path) -> bool:
    """Whether a folder can hold what a whole run makes: 2 GiB and a million files."""
    free = os.statvfs(folder)
    return os.access(folder, os.W_OK) and free.f_bavail * free.f_frsize > 2**31 and free.f_favail > 10**6


def is_running(pid: str) -> bool:
    """Whether a process of this number lives."""
    return Path("/proc", pid).exists()


def own_temporary_folder() -> None:
    """Make all temporary files in a folder that ends with this run; a run that was killed is tidied by the next."""
    for left in MEMORY.glob("opsgit-tests-*"):
        if not is_running(left.name.rsplit("-", 1)[1]):
            shutil.rmtree(left, ignore_errors=True)
    if has_room(MEMORY):
        made = MEMORY / f"opsgit-tests-{os.getpid()}"
        made.mkdir(mode=0o755)  # some tests run commands as another user
        os.environ["TMPDIR"] = tempfile.tempdir = str(made)
        atexit.register(shutil.rmtree, made, ignore_errors=True)


if MEMORY.is_dir() and "TMPDIR" not in os.environ:  # the workers of a run have the folder of its first process
    own_temporary_folder()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder of the test's own; nothing of the caller's git or opsgit settings."""
    for name in [name for name in os.environ if name.startswith(("GIT_", "OPSGIT_", "OPS_", "XDG_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@dataclass
class Result:
    """How a command ended: exit code, stdout, stderr."""

    exit: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def code(self) -> str:
        """The refusal's code of a command that ran with --json."""
        assert not self.out, self.out
        return str(json.loads(self.err)["error"]["code"])


@dataclass
class Desk:
    """A state repository and the command line on it."""

    path: Path
    capsys: pytest.CaptureFixture[str]

    def run(self, *words: str) -> Result:
        """Run a command in this process."""
        self.capsys.readouterr()
        exit_code = main(["-C", str(self.path), *words])
        said = self.capsys.readouterr()
        return Result(exit_code, said.out, said.err)

    def ok(self, *words: str) -> Result:
        """Run a command that must succeed."""
        result = self.run(*words)
        assert result.exit == 0, result
        return result

    def refused(self, *words: str) -> str:
        """Run a command that must be refused, and return the code; nothing may have changed."""
        before = self.refs()
        result = self.run(*words, "--json")
        assert result.exit not in (0, 1), result
        assert self.refs() == before
        return result.code

    def unattach(self, task: str = "T-1", version: str = "1") -> None:
        """Take the attachment away, as if the submission had been made with --no-attach."""
        git(self.path, "update-ref", "-d", f"refs/opsgit/deliverables/{task}/{version}")

    def refs(self) -> str:
        return git(self.path, "for-each-ref") + git(self.path, "status", "--porcelain")

    def session(self, name: str | None = None) -> Session:
        return Session(Repository((self.path / ".git").resolve(), self.path), (("--as", name),) if name else ())

    def status(self, task_id: str = "T-1") -> str:
        return str(self.ok("task", "show", task_id, "--json").json["task"]["status"])


def git(folder: Path, *words: str, check: bool = True, **more: Any) -> str:
    """Plain git; a ref is moved past the hooks, as by somebody who has none."""
    past = ("-c", "core.hooksPath=/dev/null") if words[:1] == ("update-ref",) else ()
    done = subprocess.run(
        ["git", "-C", str(folder), *past, *words], capture_output=True, text=True, check=False, **more
    )
    assert not check or done.returncode == 0, done.stderr
    return str(done.stdout)


@pytest.fixture(scope="session")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state repository with one agent of each role, and the data folder with their keys: to be copied."""
    box = tmp_path_factory.mktemp("founded")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(box))
        patch.setenv("XDG_DATA_HOME", str(box / "data"))
        init.init(box / "state", "demo").close()
        for name, role in (("dev", "developer"), ("qa", "reviewer"), ("ship", "deployer"), ("eye", "observer")):
            assert main(["-C", str(box / "state"), "agent", "add", name, "--role", role]) == 0
    return box


@pytest.fixture
def desk(founded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    """A fresh state repository with one agent of each role."""
    subprocess.run(["cp", "-a", str(founded / "state"), str(founded / "data"), str(tmp_path)], check=True)
    repository = Repository((tmp_path / "state/.git").resolve(), tmp_path / "state")
    clone_config.configure_clone(repository, "orchestrator")  # whose keys lie elsewhere now
    repository.close()
    capsys.readouterr()
    return Desk(tmp_path / "state", capsys)


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """A deliverable."""
    folder = tmp_path / "output"
    folder.mkdir()
    (folder / "result.txt").write_text("done\n")
    return folder


@pytest.fixture
def in_review(desk: Desk, output: Path) -> Desk:
    """A desk with T-1 in review."""
    desk.ok("task", "add", "--title", "One", "--assign", "dev")
    desk.ok("task", "start", "T-1")
    desk.ok("task", "submit", "T-1", "--output", str(output))
    return desk


@pytest.fixture
def done(in_review: Desk) -> Desk:
    """A desk with T-1 done."""
    in_review.ok("review", "approve", "T-1", "--as", "qa")
    return in_review


def judge_in(processes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `verify` judge even a short ledger in so many processes."""
    monkeypatch.setattr("opsgit.verification.verifier.MANY", 1)
    monkeypatch.setattr("opsgit.storage.workers.cores", lambda: processes)
