"""`--at`: the state as it was, at a commit or at a time."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

import opsgit
from opsgit.domain import times
from opsgit.operations import past, queries
from opsgit.operations.session import Session
from tests.conftest import Desk, git

DAY = 86400


@pytest.fixture
def dated(desk: Desk) -> Desk:
    """Two tasks: one is made in a day, and started in two; the other one is made in three."""
    start = time.time()
    with opsgit.open(desk.path, actor="orchestrator", clock=lambda: start + DAY) as lead:
        lead.tasks.add("one", assign="dev")
    with opsgit.open(desk.path, actor="dev", clock=lambda: start + 2 * DAY) as dev:
        dev.tasks.start("T-1")
    with opsgit.open(desk.path, actor="orchestrator", clock=lambda: start + 3 * DAY) as lead:
        lead.tasks.add("two")
    return desk


def statuses(desk: Desk, *words: str) -> dict[str, str]:
    return {one["id"]: one["status"] for one in desk.ok("task", "list", "--json", *words).json["tasks"]}


def when(days: float) -> str:
    return times.text(int(time.time() + days * DAY))


def test_commits_and_times(dated: Desk) -> None:
    assert statuses(dated) == {"T-1": "in-progress", "T-2": "backlog"}
    second = git(dated.path, "rev-parse", "main~1").strip()
    exactly = times.text(int(git(dated.path, "log", "-1", "--format=%ct", second)))
    for at in ("main~1", second, second[:10], when(2.5), when(2)[:10], exactly):
        assert statuses(dated, "--at", at) == {"T-1": "in-progress"}, at
    assert statuses(dated, "--at", when(1.5)) == {"T-1": "assigned"}
    assert statuses(dated, "--at", when(0.5)) == {}


def test_a_duration_is_before_now(dated: Desk) -> None:
    now = int(time.time()) + 4 * DAY
    session = Session(dated.session().repository, clock=lambda: now)
    past.go(session, "60h")
    assert [one["status"] for one in queries.tasks(session, queries.Query()).tasks] == ["assigned"]
    assert session.clock() == now - 60 * 3600
    session.repository.close()


def test_every_view_looks_back(dated: Desk, tmp_path: Path) -> None:
    state = dated.ok("dashboard", "--format", "json", "--at", when(1.5)).json["state"]
    assert (list(state["tasks"]), state["tasks"]["T-1"]["status"]) == (["T-1"], "assigned")
    assert state["commit"] == git(dated.path, "rev-parse", "main~2").strip()
    assert dated.ok("report", "--json", "--at", when(1.5)).json["report"]["progress"]["tasks"]["assigned"] == 1
    dated.ok("compile", "--at", "main~2", "--out", str(tmp_path / "then/there"))
    assert list(json.loads((tmp_path / "then/there/state.json").read_text())["tasks"]) == ["T-1"]
    assert "T-2" not in dated.ok("dashboard", "--at", when(1.5)).out


def test_the_present_is_the_newest_past(dated: Desk, tmp_path: Path) -> None:
    for words in ((), ("--at", "main")):
        dated.ok("compile", *words, "--out", str(tmp_path / ("at" if words else "now")))
    for name in ("state.json", "dashboard.md", "dashboard.html"):
        assert (tmp_path / "now" / name).read_bytes() == (tmp_path / "at" / name).read_bytes()


@pytest.mark.parametrize("at", ["nowhere", "--upload-pack=x", "2001-01-01", "HEAD^{tree}", "deadbeef"])
def test_what_is_not_there(dated: Desk, at: str) -> None:
    assert dated.refused("task", "list", f"--at={at}") == "NOT_FOUND"


def test_refusals(dated: Desk) -> None:
    assert dated.refused("compile", "--at", "main") == "USAGE"
    assert dated.refused("task", "list", "--at", "2026-01-31T25:00") == "BAD_VALUE"
    git(dated.path, "commit", "-q", "--allow-empty", "--no-verify", "-m", "x", check=False)
    other = git(dated.path, "commit-tree", "HEAD^{tree}", "-m", "x").strip()
    assert dated.refused("task", "list", "--at", other) == "NOT_FOUND", "it is no commit of the ledger"


def test_an_open_review_is_not_on_main(in_review: Desk, tmp_path: Path) -> None:
    in_review.ok("review", "comment", "T-1", "--text", "only on the branch", "--as", "qa")
    for name, words in (("now", ()), ("then", ("--at", "main"))):
        in_review.ok("report", "--format", "html", "--out", str(tmp_path / name), *words)
        text = (tmp_path / name / "task/T-1.html").read_text()
        assert ("only on the branch" in text) == (name == "now")
