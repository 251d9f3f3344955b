"""A commit from a clock that was ahead: verify names it, an orchestrator resets the clock, and the time goes on."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from opsgit.cli.main import main
from opsgit.domain.request import Request
from opsgit.operations.publication import write
from opsgit.verification import server
from tests.conftest import Desk, git, judge_in

YEAR_2099 = 4_070_908_800
ZERO = "0" * 40


def ahead(desk: Desk, op: str, actor: str, target: str, when: float = YEAR_2099, **fields: object) -> None:
    """Write with a clock that is wrong."""
    session = desk.session()
    session.clock = lambda: when
    write(session, Request(op, actor, target, fields))
    session.repository.close()


def findings(desk: Desk) -> list[str]:
    return [one["code"] for one in desk.run("verify", "--json").json["findings"]]


@pytest.fixture(params=[1, 3])
def processes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Judge in one process, and in several."""
    judge_in(request.param, monkeypatch)


def test_verify_names_it_and_after_the_reset_the_time_goes_on(desk: Desk, processes: None) -> None:
    ahead(desk, "metric.set", "eye", "m", value=1)
    far = git(desk.path, "rev-parse", "main").strip()
    told = desk.run("verify", "--json").json["findings"]
    assert [(one["code"], one["commit"]) for one in told] == [("AHEAD_OF_TIME", far)]
    assert findings(desk) == ["AHEAD_OF_TIME"], "what has a finding is not taken for verified"
    refused = desk.run("task", "add", "--title", "t", "--json")
    assert (refused.exit, refused.code) == (9, "CLOCK")
    assert "opsgit project reset-clock" in json.loads(refused.err)["error"]["hint"]
    assert desk.refused("project", "reset-clock", "--as", "eye") == "RIGHT_MISSING"
    desk.ok("project", "reset-clock", "--note", "the clock of eye was wrong")
    assert findings(desk) == []
    desk.ok("task", "add", "--title", "t")
    assert abs(int(git(desk.path, "log", "-1", "--format=%ct")) - time.time()) < 60
    assert desk.refused("project", "reset-clock") == "NOTHING_CHANGES"
    desk.ok("verify")


def test_five_minutes_are_allowed(desk: Desk) -> None:
    ahead(desk, "metric.set", "eye", "m", time.time() + 200, value=1)
    desk.ok("verify")
    desk.ok("task", "add", "--title", "t")
    ahead(desk, "metric.set", "eye", "m", time.time() + 400, value=2)
    assert findings(desk) == ["AHEAD_OF_TIME"]


@pytest.mark.slow
def test_a_second_wrong_clock_is_named_again(desk: Desk, processes: None) -> None:
    ahead(desk, "metric.set", "eye", "m", value=1)
    desk.ok("project", "reset-clock")
    ahead(desk, "metric.set", "eye", "m", value=2)
    assert findings(desk) == ["AHEAD_OF_TIME"]
    time.sleep(1)  # the reset is known by its second
    desk.ok("project", "reset-clock")
    desk.ok("verify")


def test_a_review_goes_on_after_the_reset(in_review: Desk) -> None:
    ahead(in_review, "review.comment", "qa", "T-1", text="from the future")
    assert findings(in_review) == ["AHEAD_OF_TIME"]
    assert in_review.refused("review", "approve", "T-1", "--as", "qa") == "CLOCK"
    in_review.ok("project", "reset-clock")
    in_review.ok("review", "comment", "T-1", "--text", "from now", "--as", "qa")
    in_review.ok("review", "approve", "T-1", "--as", "qa")
    in_review.ok("verify")


def test_a_window_that_was_hopped_counts_anew_and_is_told(desk: Desk) -> None:
    desk.ok("quota", "set", "q", "--limit", "3", "--period", "daily")
    ahead(desk, "quota.use", "dev", "q", amount=3)
    desk.ok("project", "reset-clock")
    problems = desk.run("monitor", "--json").json["findings"]
    assert [one["check"] for one in problems if "2099" in one["message"]] == ["quota-clock"]
    desk.ok("quota", "use", "q", "2", "--as", "dev")
    assert desk.run("quota", "use", "q", "2", "--as", "dev", "--json").code == "QUOTA_EXCEEDED"
    desk.ok("verify")


def test_the_clock_is_not_a_matter_of_policy(desk: Desk) -> None:
    assert desk.refused("project", "set", "clock", "2026-01-01T00:00:00Z") == "IDENTITY_FIXED"


def test_a_server_takes_the_reset_and_no_commit_from_a_clock_that_is_ahead(desk: Desk, tmp_path: Path) -> None:
    hub = tmp_path / "hub.git"
    assert main(["server", "init", str(hub)]) == 0

    def judged() -> list[str]:
        tip = git(desk.path, "rev-parse", "main").strip()
        git(hub, "fetch", "-q", str(desk.path), "main")
        return [one.code for one in server.judge(hub, [f"{ZERO} {tip} refs/heads/main"])]

    ahead(desk, "metric.set", "eye", "m", value=1)
    assert judged() == ["AHEAD_OF_TIME"]
    far = git(desk.path, "rev-parse", "main").strip()
    git(hub, "update-ref", "refs/heads/main", far)  # it came when no hook was there
    desk.ok("project", "reset-clock")
    desk.ok("task", "add", "--title", "t")
    tip = git(desk.path, "rev-parse", "main").strip()
    git(hub, "fetch", "-q", str(desk.path), "main")
    assert server.judge(hub, [f"{far} {tip} refs/heads/main"]) == []


def test_a_verdict_brings_no_words_from_the_future_to_a_server(in_review: Desk, tmp_path: Path) -> None:
    """They name a ledger commit from before a reset of the clock, so that `verify` cannot tell them from old ones."""
    hub = tmp_path / "hub.git"
    assert main(["server", "init", str(hub)]) == 0
    git(hub, "fetch", "-q", str(in_review.path), "main:main", "review/T-1:review/T-1")
    ahead(in_review, "review.comment", "qa", "T-1", text="from the future")
    in_review.ok("project", "reset-clock")
    in_review.ok("review", "approve", "T-1", "--as", "qa")
    old, new = (git(place, "rev-parse", "refs/heads/main").strip() for place in (hub, in_review.path))
    git(hub, "fetch", "-q", str(in_review.path), "main")
    assert [one.code for one in server.judge(hub, [f"{old} {new} refs/heads/main"])] == ["AHEAD_OF_TIME"]
