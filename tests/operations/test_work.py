"""`task next --claim`: one task in progress in one step, with all that is needed for it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Desk


def take(desk: Desk, *more: str) -> Any:
    found = desk.ok("task", "next", "--claim", "--json", "--as", "dev", *more).json
    assert found["kind"] == "work"
    return found


def test_the_order_is_begun_then_mine_then_the_backlog(desk: Desk) -> None:
    desk.ok("task", "add", "--title", "from the backlog", "--priority", "critical")
    desk.ok("task", "add", "--title", "mine", "--assign", "dev", "--priority", "low")
    first = take(desk)
    assert first["task"]["id"] == "T-2"
    assert [one["op"] for one in first["written"]] == ["task.start"]
    again = take(desk)
    assert (again["task"]["id"], again["written"]) == ("T-2", [])
    desk.ok("task", "release", "T-2")
    claimed = take(desk)
    assert claimed["task"]["id"] == "T-1"
    assert [one["op"] for one in claimed["written"]] == ["task.claim", "task.start"]
    assert desk.status("T-1") == "in-progress"


def test_what_is_blocked_or_another_s_is_not_taken(desk: Desk) -> None:
    desk.ok("agent", "add", "dev2", "--role", "developer")
    desk.ok("task", "add", "--title", "another's", "--assign", "dev2")
    desk.ok("task", "add", "--title", "blocked", "--depends-on", "T-1")
    desk.ok("task", "add", "--title", "for dev2 alone", "--pipeline", "dev2→qa→ship")
    nothing = take(desk)
    assert nothing["task"] is None
    assert nothing["written"] == []
    said = desk.ok("task", "next", "--claim", "--as", "dev")
    assert (said.out, said.err) == ("", "opsgit: there is no task that dev could work on now\n")


@pytest.mark.slow
def test_an_expired_lease_is_taken_over(desk: Desk) -> None:
    desk.ok("agent", "add", "dev2", "--role", "developer")
    desk.ok("task", "add", "--title", "slow")
    desk.ok("task", "claim", "T-1", "--as", "dev2", "--lease", "1s")
    time.sleep(2.1)
    assert take(desk)["task"]["id"] == "T-1"
    assert desk.ok("task", "show", "T-1", "--json").json["task"]["assigned"] == "dev"


def test_all_that_the_worker_needs(desk: Desk, output: Path) -> None:
    desk.ok("task", "add", "--title", "input", "--assign", "dev")
    desk.ok("task", "start", "T-1")
    desk.ok("task", "submit", "T-1", "--output", str(output))
    desk.ok("review", "approve", "T-1", "--as", "qa")
    desk.ok("task", "add", "--title", "next", "--assign", "dev", "--desc", "use the input", "--depends-on", "T-1")
    desk.ok("task", "start", "T-2")
    (output / "result.txt").write_text("bad\n")
    desk.ok("task", "submit", "T-2", "--output", str(output))
    desk.ok("review", "comment", "T-2", "--text", "why bad?", "--as", "qa")
    desk.ok("review", "reject", "T-2", "--reason", "it is bad", "--as", "qa")
    found = take(desk)
    assert found["task"]["description"] == "use the input"
    assert found["deliverable"] == {"command": "opsgit task submit T-2 --output PATH"}
    (one,) = found["dependencies"]
    assert (one["id"], one["status"], one["command"]) == ("T-1", "done", "opsgit review checkout T-1 DIR")
    (round_one,) = found["rounds"]
    assert round_one["review"]["verdict"]["reason"] == "it is bad"
    assert [word["text"] for word in round_one["review"]["comments"]] == ["why bad?"]
    text = desk.ok("task", "next", "--claim", "--as", "dev").out
    assert "its files: opsgit review checkout T-1 DIR" in text
    assert "it is bad" in text
    assert text.endswith("when it is done: opsgit task submit T-2 --output PATH\n")


def test_a_dry_run_takes_nothing(desk: Desk) -> None:
    desk.ok("task", "add", "--title", "one")
    found = take(desk, "--dry-run")
    assert (found["task"]["status"], found["written"][0]["commit"]) == ("in-progress", None)
    assert desk.status("T-1") == "backlog"


def test_refusals(desk: Desk) -> None:
    assert desk.refused("task", "next", "--lease", "2h", "--as", "dev") == "USAGE"
    assert desk.refused("task", "next", "--claim", "--as", "nobody") == "NOT_FOUND"
    assert desk.refused("task", "next", "--claim", "--op-id", "x", "--as", "dev") == "BAD_VALUE"
    desk.ok("task", "add", "--title", "one")
    assert desk.refused("task", "next", "--claim", "--lease", "soon", "--as", "dev") == "BAD_VALUE"


@pytest.mark.slow
def test_eight_workers_take_eight_tasks(desk: Desk) -> None:
    names = [f"w{number}" for number in range(8)]
    for name in names:
        desk.ok("agent", "add", name, "--role", "developer")
        desk.ok("task", "add", "--title", f"for anybody {name}")
    command = [sys.executable, "-m", "opsgit", "-C", str(desk.path), "task", "next", "--claim", "--json", "--as"]
    running = [subprocess.Popen([*command, name], stdout=subprocess.PIPE, text=True) for name in names]
    taken = {name: json.loads(process.communicate()[0])["task"] for name, process in zip(names, running, strict=True)}
    assert sorted(task["id"] for task in taken.values()) == [f"T-{number}" for number in range(1, 9)]
    assert all(task["assigned"] == name for name, task in taken.items())


def test_what_else_waits_is_said(in_review: Desk) -> None:
    said = in_review.ok("task", "next", "--claim", "--as", "qa")
    assert "1 other steps wait: opsgit task next --as qa" in said.err
    assert in_review.ok("task", "next", "--claim", "--as", "qa", "--json").json["waiting"] == 1


def test_a_placeholder_is_no_reason(in_review: Desk) -> None:
    assert in_review.refused("review", "reject", "T-1", "--reason", "...", "--as", "qa") == "BAD_TEXT"
    assert in_review.refused("review", "comment", "T-1", "--text", "…", "--as", "qa") == "BAD_TEXT"
