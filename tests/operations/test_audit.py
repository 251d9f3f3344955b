"""Approvals by new reviewers are told by verify, by the report and on the page for auditors."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from tests.conftest import Desk, git, judge_in
from tests.operations.test_clock import ahead


def notices(desk: Desk, *words: str) -> list[str]:
    told: list[str] = desk.ok("verify", "--json", *words).json["notices"]
    return [one for one in told if "new reviewer" in one]


def exceptions(desk: Desk) -> list[str]:
    return [
        one["what"] for one in desk.ok("report", "--json").json["report"]["exceptions"] if one["kind"] == "new reviewer"
    ]


def test_a_key_that_an_orchestrator_gave_before_an_approval(in_review: Desk, tmp_path: Path) -> None:
    in_review.ok("agent", "rotate", "qa", "--as", "orchestrator")
    assert notices(in_review) == [], "so far it approved nothing"
    in_review.ok("review", "approve", "T-1", "--as", "qa")
    (notice,) = notices(in_review)
    assert (
        notice.startswith("new reviewer: T-1 in ")
        and "qa signed, who was given a new key by orchestrator at " in notice
    )
    assert notices(in_review) == [], "it is said once, by the verification that judges the approval"
    assert len(exceptions(in_review)) == 1
    assert "new reviewer" in in_review.ok("report").out
    in_review.ok("report", "--format", "html", "--single-file", "--out", str(tmp_path / "one.html"))
    page = (tmp_path / "one.html").read_text()
    assert '<span class="badge warning">new reviewer</span>' in page


@pytest.mark.parametrize("processes", [1, 50])
def test_a_verification_of_everything_finds_it(
    in_review: Desk, tmp_path: Path, processes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_review.ok("agent", "rotate", "qa", "--as", "orchestrator")
    in_review.ok("review", "approve", "T-1", "--as", "qa")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "nothing is known yet"))
    judge_in(processes, monkeypatch)
    assert len(notices(in_review)) == 1


def test_nothing_is_odd_about_a_founding_and_keys_of_ones_own(in_review: Desk) -> None:
    in_review.ok("agent", "rotate", "qa", "--as", "qa")
    in_review.ok("review", "approve", "T-1", "--as", "qa")
    assert (notices(in_review), exceptions(in_review)) == ([], [])


def test_a_pin_of_another_form_is_refused(in_review: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "pins here"))
    in_review.ok("verify")
    (pin,) = (tmp_path / "pins here/opsgit/pins").iterdir()
    told = json.loads(pin.read_bytes())
    odds: list[object] = [[], {"qa": 1}, {"qa": ["x", "agent.add", "boss"]}, None]
    for odd in odds:
        pin.write_text(json.dumps({**told, "introduced": odd}))
        assert in_review.run("verify", "--json").code == "NO_PIN"


def test_who_passed_a_check_and_settled_an_objection_is_looked_at_too(in_review: Desk) -> None:
    in_review.ok("project", "set", "review.checks", "[tests]")
    in_review.ok("review", "comment", "T-1", "--text", "no", "--blocking", "--as", "qa")
    in_review.ok("agent", "add", "qa2", "--role", "reviewer")
    in_review.ok("agent", "rotate", "qa2", "--as", "orchestrator")
    in_review.ok("review", "check", "T-1", "--name", "tests", "--status", "pass", "--as", "qa2")
    in_review.ok("review", "resolve", "T-1", "1-1", "--as", "qa2")
    in_review.ok("review", "approve", "T-1", "--as", "qa")
    (notice,) = notices(in_review)
    assert "qa2 signed, who was given a new key" in notice
    assert len(exceptions(in_review)) == 1


def test_a_policy_and_a_reset_are_told_alike_everywhere(desk: Desk) -> None:
    ahead(desk, "metric.set", "eye", "m", time.time() + 200, value=1)
    desk.ok("project", "reset-clock", "--note", "the clock was ahead")
    desk.ok("project", "set", "review.approvals", "2")
    desk.ok("project", "set", "workspace", "..")
    told = [one.split(":")[0] for one in desk.ok("verify", "--json").json["notices"]]
    assert [one for one in told if one in ("clock reset", "policy changed")] == ["clock reset", "policy changed"]
    listed = [one["kind"] for one in desk.ok("report", "--json").json["report"]["exceptions"]]
    assert listed == ["policy changed", "clock reset"]


def test_a_notice_is_not_lost_when_a_review_cannot_be_judged_yet(in_review: Desk, tmp_path: Path) -> None:
    in_review.ok("agent", "rotate", "qa", "--as", "orchestrator")
    in_review.ok("task", "add", "--title", "two", "--assign", "dev")
    in_review.ok("task", "start", "T-2")
    in_review.ok("task", "submit", "T-2", "--output", str(tmp_path / "output"))
    in_review.ok("review", "approve", "T-1", "--as", "qa")
    tip = git(in_review.path, "rev-parse", "main").strip()
    in_review.ok("task", "add", "--title", "three")
    in_review.ok("review", "comment", "T-2", "--text", "about what main does not have", "--as", "eye")
    git(in_review.path, "update-ref", "refs/remotes/o/main", "main")
    git(in_review.path, "update-ref", "refs/heads/main", tip)
    git(in_review.path, "reset", "-q", "--hard")
    assert in_review.run("verify", "--json").code == "REVIEW_AHEAD"
    for ref in ("refs/heads/review/T-2", "refs/remotes/o/main"):
        git(in_review.path, "update-ref", "-d", ref)
    assert len(notices(in_review)) == 1
    assert notices(in_review) == []


def test_a_report_has_the_newest_exceptions_and_the_number_of_the_others(
    in_review: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_review.ok("agent", "rotate", "qa", "--as", "orchestrator")
    in_review.ok("review", "approve", "T-1", "--as", "qa")
    in_review.ok("task", "move", "T-1", "--to", "deployed", "--as", "ship")
    monkeypatch.setattr("opsgit.operations.report.EXCEPTIONS_MAX", 1)
    told = in_review.ok("report", "--json").json["report"]
    assert ([one["kind"] for one in told["exceptions"]], told["exceptions_more"]) == (["attested"], 1)
    assert "and 1 more" in in_review.ok("report").out
