"""Real processes at once: one winner, nothing lost."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Desk, git


def at_once(desk: Desk, *commands: list[str]) -> list[tuple[int, str, str]]:
    """Run commands as processes at the same time; exit, stdout and stderr of each."""
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "opsgit", "-C", str(desk.path), *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for words in commands
    ]
    said = [process.communicate(timeout=120) for process in started]
    return [(process.returncode, out, err) for process, (out, err) in zip(started, said, strict=True)]


def test_one_claim_wins_and_every_loser_exits_7_and_is_told_who_won(desk: Desk) -> None:
    workers = [f"w{number}" for number in range(6)]
    for name in workers:
        desk.ok("agent", "add", name, "--role", "developer")
    desk.ok("task", "add", "--title", "t")
    ended = at_once(desk, *(["task", "claim", "T-1", "--as", name, "--json"] for name in workers))
    winner = desk.ok("task", "show", "T-1", "--json").json["task"]["assigned"]
    assert sorted(code for code, _, _ in ended) == [0] + [7] * 5
    losers = [json.loads(err)["error"] for code, _, err in ended if code == 7]
    assert all(error["code"] == "ALREADY_CLAIMED" and winner in error["message"] for error in losers)


@pytest.mark.slow
def test_parallel_writes_are_all_there(desk: Desk) -> None:
    ended = at_once(desk, *(["task", "add", "--title", f"t{number}"] for number in range(12)))
    assert [code for code, _, _ in ended] == [0] * 12, ended
    found = desk.ok("task", "list", "--json").json["tasks"]
    assert sorted(int(task["id"][2:]) for task in found) == list(range(1, 13))
    assert git(desk.path, "status", "--porcelain") == ""
    assert git(desk.path, "fsck", "--strict", "--no-dangling") == ""


@pytest.mark.slow
def test_two_deployers_at_once_one_runs_the_script(done: Desk, tmp_path: Path) -> None:
    done.ok("agent", "add", "ship2", "--role", "deployer")
    script = tmp_path / "deploy.sh"
    script.write_text(f"#!/bin/sh\necho ran >> {tmp_path}/runs\nsleep 0.5\n")
    script.chmod(0o755)
    done.ok("project", "set", "deploy.command", f'["{script}"]')
    words = ["task", "move", "T-1", "--to", "deployed", "--json"]
    ended = at_once(done, [*words, "--as", "ship"], [*words, "--as", "ship2"])
    assert sorted(code for code, _, _ in ended) == [0, 7], ended
    assert (tmp_path / "runs").read_text() == "ran\n"
    assert done.status() == "deployed"


@pytest.mark.slow
def test_a_hundred_writes_by_sixteen_processes(desk: Desk) -> None:
    for batch in range(6):
        ended = at_once(desk, *(["task", "add", "--id", f"B{batch}-{n}", "--title", "t"] for n in range(16)))
        assert [code for code, _, _ in ended] == [0] * 16, [one for one in ended if one[0]]
    assert len(desk.ok("task", "list", "--json").json["tasks"]) == 96
    assert git(desk.path, "rev-list", "--count", "main").strip() == str(5 + 96)


def test_a_checkout_that_could_not_be_refreshed_twice_is_mended_by_the_third_command(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also a file of which only one of two versions was written: it is ours, and no edit of a user."""
    from opsgit.storage import checkout, disk

    real, fails = disk.put, {"agents/": False, "tasks/": False}

    def put(path: Path, *words: object, **more: object) -> None:
        if any(on and part in str(path) for part, on in fails.items()) or (fails["tasks/"] and path.name == "checkout"):
            raise OSError(28, "No space left on device", str(path))
        real(path, *words, **more)

    desk.ok("task", "add", "--title", "one")
    monkeypatch.setattr(checkout, "put", put)
    fails["agents/"] = True
    desk.ok("agent", "edit", "dev", "--desc", "first")
    for number in range(3):
        desk.ok("task", "edit", "T-1", "--title", f"number {number}")
    fails["agents/"], fails["tasks/"] = False, True
    desk.ok("agent", "edit", "qa", "--desc", "second")
    desk.ok("task", "edit", "T-1", "--title", "not shown")
    fails["tasks/"] = False
    desk.ok("task", "edit", "T-1", "--title", "the last")
    assert git(desk.path, "status", "--porcelain") == ""
    (desk.path / "agents/eye.yaml").write_text("mine\n")
    desk.ok("task", "edit", "T-1", "--title", "beside an edit")
    assert (desk.path / "agents/eye.yaml").read_text() == "mine\n"
