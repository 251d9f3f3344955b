"""A fault at each step of a write, a sync and a deployment: a kill before or after it, or an error of the disk.

Afterwards git and opsgit find nothing wrong, the next command works without help, and nothing was acknowledged that the
remote does not hold.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from opsgit.cli.main import main
from tests.conftest import Desk, git
from tests.history.team import Team

pytestmark = pytest.mark.slow
SCRIPT = """
import errno, os, sys
from opsgit.cli import options
from opsgit.cli.main import main
import opsgit.operations.sync, opsgit.operations.deployments
module, name, when = sys.argv[1].rpartition(".")[0], sys.argv[1].rpartition(".")[2], sys.argv[2]
owner, attribute = __import__(module, fromlist=["x"]), name
if ":" in name:
    kind, attribute = name.split(":")
    owner = getattr(owner, kind)
real = getattr(owner, attribute)
def faulty(*words, **more):
    if when == "kill before":
        os._exit(137)
    if when in ("EIO", "ENOSPC"):
        raise OSError(getattr(errno, when), os.strerror(getattr(errno, when)))
    result = real(*words, **more)
    os._exit(137)
for place in list(sys.modules.values()):
    if getattr(place, "__name__", "").startswith("opsgit.") and place.__dict__.get(attribute) is real:
        place.__dict__[attribute] = faulty
if ":" in name:
    setattr(owner, attribute, faulty)
sys.exit(main(sys.argv[3:]))
"""
FAULTS = ("kill before", "kill after", "EIO", "ENOSPC")
PUBLISH = ("opsgit.storage.objects.Objects:write", "opsgit.storage.remote.Remote:fetch", "opsgit.storage.remote.Remote:push",
           "opsgit.storage.ledger._update", "opsgit.storage.checkout.Checkout:show", "opsgit.storage.checkout.Checkout:_refresh_index",
           "opsgit.storage.index.Index:advance", "opsgit.operations.trust.mark", "opsgit.operations.compile.refresh_small",
           "opsgit.operations.refresh._drop_merged")  # fmt: skip
SYNC = (
    "opsgit.operations.sync._keep",
    "opsgit.operations.sync._record",
    "opsgit.operations.push.push",
    "opsgit.operations.update.fetch",
)
DEPLOY = ("opsgit.storage.runner.run", "opsgit.operations.outcomes.keep", "opsgit.operations.outcomes.Outcome:drop")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A team with a bare repository and two clones, to be copied."""
    box = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(box))
        patch.setenv("XDG_DATA_HOME", str(box / "data"))
        team = Team(box, 2, tasks=2, done=1)
        team.found()
        hub = box / "hub.git"
        git(box, "init", "-q", "--bare", "-b", "main", str(hub))
        team.share(str(hub), hub)
    return box


@pytest.fixture
def team(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Path]:
    box = tmp_path / "box"
    shutil.copytree(whole, box, symlinks=True)
    monkeypatch.setenv("XDG_DATA_HOME", str(box / "data"))
    for number in (0, 1):
        git(box / f"clone{number}", "config", "remote.origin.url", str(box / "hub.git"))
        assert main(["-C", str(box / f"clone{number}"), "doctor", "--fix"]) in (0, 10)
    script = f'echo "$OPSGIT_REF" >> {box / "runs"}'
    assert (
        main(
            [
                "-C",
                str(box / "clone1"),
                "project",
                "set",
                "deploy.command",
                json.dumps(["sh", "-c", script]),
                "--as",
                "orchestrator",
            ]
        )
        == 0
    )
    assert main(["-C", str(box / "clone0"), "sync"]) == 0
    assert main(["-C", str(box / "clone0"), "deploy", "trust"]) == 0
    yield box
    capsys.readouterr()


def faulty(box: Path, spot: str, fault: str, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", SCRIPT, spot, fault, "-C", str(box / "clone0"), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def whole_again(box: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    """The next command works without help; nothing is wrong."""
    desk = Desk(box / "clone0", capsys)
    desk.ok("task", "comment", "C-1", "--text", "next", "--as", "dev0")
    desk.ok("verify")
    with desk.session().repository.lock("maintenance", seconds=120):  # fsck is confused by objects that gc packs
        git(desk.path, "fsck", "--strict", "--no-dangling")
    git(box / "hub.git", "fsck", "--strict", "--no-dangling")
    assert git(desk.path, "status", "--porcelain") == ""
    assert git(desk.path, "rev-parse", "main") == git(box / "hub.git", "rev-parse", "main")
    return desk


def at_the_hub(box: Path, subject: str) -> int:
    return git(box / "hub.git", "log", "--format=%s", "main").splitlines().count(subject)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("spot", PUBLISH, ids=lambda spot: spot.rpartition(".")[2])
def test_a_write(team: Path, capsys: pytest.CaptureFixture[str], spot: str, fault: str) -> None:
    done = faulty(team, spot, fault, "task", "claim", "C-0", "--as", "dev0")
    assert done.returncode != 1 and "Traceback" not in done.stderr, done.stderr
    if done.returncode == 0:
        assert at_the_hub(team, "C-0: backlog → assigned") == 1
    if done.returncode not in (0, 137):
        assert at_the_hub(team, "C-0: backlog → assigned") == 0, done.stderr
    whole_again(team, capsys)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("spot", PUBLISH + SYNC, ids=lambda spot: spot.rpartition(".")[2])
def test_a_sync(team: Path, capsys: pytest.CaptureFixture[str], spot: str, fault: str) -> None:
    here, other = Desk(team / "clone0", capsys), Desk(team / "clone1", capsys)
    for number in range(3):
        here.ok("task", "comment", "C-0", "--text", f"offline {number}", "--as", "dev0", "--offline")
    other.ok("task", "comment", "C-0", "--text", "meanwhile", "--as", "dev1")
    done = faulty(team, spot, fault, "sync")
    assert done.returncode != 1 and "Traceback" not in done.stderr, done.stderr
    if done.returncode == 0:
        assert at_the_hub(team, "C-0: comment") == 4
    here.ok("sync")
    assert at_the_hub(team, "C-0: comment") == 4, "all three are there, each once"
    whole_again(team, capsys)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("spot", PUBLISH + DEPLOY, ids=lambda spot: spot.rpartition(".")[2])
def test_a_deployment(team: Path, capsys: pytest.CaptureFixture[str], spot: str, fault: str) -> None:
    words = ("task", "move", "D-0", "--to", "deployed", "--as", "ship0", "--deploy-ref", "v1")
    done = faulty(team, spot, fault, *words)
    assert done.returncode != 1 and "Traceback" not in done.stderr, done.stderr
    if done.returncode == 0:
        assert at_the_hub(team, "D-0: done → deployed") == 1
    runs = team / "runs"
    if runs.exists():
        assert at_the_hub(team, "D-0: deploying") == 1, "it was published before it ran"
    here = Desk(team / "clone0", capsys)
    if here.run("sync").exit == 0 and here.run(*words, "--json").exit != 0 and here.status("D-0") == "done":
        here.ok("deploy", "abandon", "D-0", "--as", "orchestrator")  # it was killed while the command ran
        here.ok(*words[:-1], "v2")
    assert here.status("D-0") == "deployed"
    assert len(set(runs.read_text().split())) == len(runs.read_text().split()), "nothing ran twice"
    whole_again(team, capsys)
