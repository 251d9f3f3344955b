"""kill -9 at random instants of a write, a sync and a deployment. `OPSGIT_KILLS=500` makes so many trials of each."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import Desk, git
from tests.history.test_failpoints import at_the_hub, team, whole, whole_again

__all__ = ["team", "whole"]  # the fixtures
pytestmark = pytest.mark.slow
TRIALS = int(os.environ.get("OPSGIT_KILLS", "6"))
OPSGIT = [sys.executable, "-m", "opsgit"]


def killed(box: Path, rng: random.Random, took: float, *words: str) -> bool:
    """Run a command and kill it, alone or with its children; returns whether it had ended before."""
    command = [*OPSGIT, "-C", str(box / "clone0"), *words]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    time.sleep(rng.uniform(0.1, 1.1) * took)
    ended = process.poll() is not None
    if not ended:
        (os.killpg if rng.random() < 0.5 else os.kill)(process.pid, signal.SIGKILL)
    process.wait()
    return ended


def duration(box: Path, *words: str) -> float:
    start = time.monotonic()
    subprocess.run([*OPSGIT, "-C", str(box / "clone0"), *words], capture_output=True, check=True)
    return time.monotonic() - start


def trimmed(number: int, here: Desk) -> None:
    """Make room for comments, after each fiftieth trial."""
    if number % 50 == 49:
        for task in ("C-0", "C-1"):
            here.run("task", "trim", task, "--keep", "0", "--as", "orchestrator")  # one of them may have none


def test_a_write_is_killed(team: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng, words = random.Random(11), ("task", "comment", "C-0", "--as", "dev0", "--text")
    took, before = duration(team, *words, "first"), 1
    for number in range(TRIALS):
        ended = killed(team, rng, took, *words, str(number))
        whole_again(team, capsys)
        there = at_the_hub(team, "C-0: comment")
        assert there - before in ((1,) if ended else (0, 1))
        before = there
        trimmed(number, Desk(team / "clone0", capsys))


def test_a_sync_is_killed(team: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng, here, other = random.Random(12), Desk(team / "clone0", capsys), Desk(team / "clone1", capsys)
    took = duration(team, "sync") * 2
    for number in range(TRIALS):
        for text in ("a", "b"):
            here.ok("task", "comment", "C-0", "--text", f"{number} {text}", "--as", "dev0", "--offline")
        other.ok("task", "comment", "C-1", "--text", "meanwhile", "--as", "dev1")
        before = at_the_hub(team, "C-0: comment")
        killed(team, rng, took, "sync")
        here.ok("sync")
        assert at_the_hub(team, "C-0: comment") == 2 * (number + 1), before
        whole_again(team, capsys)
        trimmed(number, here)


def test_a_deployment_is_killed(team: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """After a kill the deployer syncs and tries again; what was started and did not end is abandoned."""
    rng, here = random.Random(13), Desk(team / "clone0", capsys)
    (team / "output").write_text("x")
    deployed = ("task", "move", "D-0", "--to", "deployed", "--as", "ship0", "--deploy-ref")
    took = duration(team, *deployed, "v-first")
    for number in range(TRIALS):
        here.ok("task", "add", "--id", f"K-{number}", "--title", "k", "--assign", "dev0", "--as", "orchestrator")
        here.ok("task", "start", f"K-{number}", "--as", "dev0")
        here.ok("task", "submit", f"K-{number}", "--output", str(team / "output"), "--as", "dev0")
        here.ok("review", "approve", f"K-{number}", "--as", "qa")
        words = ("task", "move", f"K-{number}", "--to", "deployed", "--as", "ship0", "--deploy-ref", f"v{number}")
        killed(team, rng, took, *words)
        here.ok("sync")
        if here.status(f"K-{number}") == "done" and here.run(*words).exit:
            here.ok("deploy", "abandon", f"K-{number}", "--as", "orchestrator")
            here.ok(*words[:-1], f"v{number}-again")
        assert here.status(f"K-{number}") == "deployed"
        whole_again(team, capsys)
        trimmed(number, here)
    runs = (team / "runs").read_text().split()
    started = git(team / "hub.git", "log", "--format=%s", "main").count(": deploying")
    assert len(set(runs)) == len(runs) <= started
