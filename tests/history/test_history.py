"""Many processes write at once, in one folder and in clones, also while processes are killed, disks fill up, remotes go
away and clocks jump. `OPSGIT_HISTORY=20000` makes the runs without faults so long, over a path and in one folder; over ssh
and with faults they have a fifth of it."""

from __future__ import annotations

import os
import random
import threading
import time
from pathlib import Path

import pytest

from tests.conftest import git
from tests.history.checker import LOCAL, OK, History
from tests.history.team import LIMIT, Team
from tests.ssh import Sshd, sshd

pytestmark = pytest.mark.slow
OPERATIONS = int(os.environ.get("OPSGIT_HISTORY", "2000"))


def tell(history: History, started: float) -> None:
    """Print the figures of a run (`pytest -s`)."""
    done = sum(call.outcome in (OK, LOCAL) for call in history.calls)
    took = time.monotonic() - started
    print(
        f"\n{len(history.calls)} calls, {done} acknowledged, {len(history.runs)} runs of the deploy command, {took:.0f} s"
    )


def shared(box: Path, size: int) -> Team:
    team = Team(box, size)
    team.found()
    hub = box / "hub.git"
    git(box, "init", "-q", "--bare", "-b", "main", str(hub))
    team.share(str(hub), hub)
    return team


def test_16_processes_in_one_folder(tmp_path: Path) -> None:
    team, started = Team(tmp_path, 16), time.monotonic()
    team.found()
    team.run(count=OPERATIONS // 16)
    history = team.judge()
    tell(history, started)
    assert sum(call.outcome == OK and call.op == "quota.use" for call in history.calls) == LIMIT


def test_8_clones_of_a_path(tmp_path: Path) -> None:
    started = time.monotonic()
    team = shared(tmp_path, 8)
    team.run(count=OPERATIONS // 8)
    tell(team.judge(), started)


def test_8_clones_over_ssh(tmp_path: Path) -> None:
    started = time.monotonic()
    team = Team(tmp_path, 8)
    team.found()
    hub = tmp_path / "hub.git"
    git(tmp_path, "init", "-q", "--bare", "-b", "main", str(hub))
    with sshd(tmp_path) as server:
        assert isinstance(server, Sshd)
        team.share(server.url(hub), hub)
        team.run(count=OPERATIONS // 8 // 5)  # each of the two connections of a write costs more than the rest of it
        tell(team.judge(), started)


@pytest.mark.parametrize("clones", [False, True])
def test_processes_are_killed_at_random(tmp_path: Path, clones: bool) -> None:
    started = time.monotonic()
    if clones:
        team = shared(tmp_path, 4)
    else:
        team = Team(tmp_path, 4)
        team.found()
    killed = team.run_killed(4, 3.0, random.Random(7))
    assert killed > 6
    team.settle()
    tell(team.judge(), started)


def test_a_disk_that_refuses_writes(tmp_path: Path) -> None:
    team, started = shared(tmp_path, 4), time.monotonic()
    team.run(count=OPERATIONS // 4 // 5, disk=0.02)
    team.settle()
    tell(team.judge(), started)


def test_a_remote_that_goes_away_and_comes_back(tmp_path: Path) -> None:
    team, started = shared(tmp_path, 4), time.monotonic()
    stop, hub, away = threading.Event(), tmp_path / "hub.git", tmp_path / "away.git"

    def come_and_go() -> None:
        rng = random.Random(3)
        while not stop.wait(rng.random()):
            hub.rename(away)
            stop.wait(rng.random() / 2)
            away.rename(hub)

    thread = threading.Thread(target=come_and_go)
    thread.start()
    try:
        team.run(count=OPERATIONS // 4 // 5)
    finally:
        stop.set()
        thread.join()
    team.settle()
    tell(team.judge(), started)


def test_clocks_that_jump(tmp_path: Path) -> None:
    team, started = shared(tmp_path, 4), time.monotonic()
    team.run(count=OPERATIONS // 4 // 5, clock=True)
    tell(team.judge(), started)
