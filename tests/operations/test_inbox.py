"""The inbox: what waits for an agent, and the command that answers it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Desk
from tests.operations.test_clones import clone


def inbox(desk: Desk, name: str, *more: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = desk.ok("inbox", "--as", name, *more, "--json").json["items"]
    return found


def kinds(desk: Desk, name: str, *more: str) -> list[tuple[str, str]]:
    return [(one["kind"], one["about"]) for one in inbox(desk, name, *more)]


def test_a_review_waits_for_its_reviewer(in_review: Desk) -> None:
    one = inbox(in_review, "qa")[0]
    assert (one["kind"], one["about"], one["to"]) == ("step", "T-1", "qa")
    assert one["command"] == "opsgit review show T-1 --as qa"
    assert inbox(in_review, "dev") == [] and inbox(in_review, "ship") == []


def test_words_wait_until_they_are_answered(in_review: Desk) -> None:
    in_review.ok("review", "comment", "T-1", "--text", "why?", "--as", "eye")
    assert kinds(in_review, "dev") == [("reply", "T-1")], "it is the author's review"
    assert inbox(in_review, "dev")[0]["command"] == 'opsgit review comment T-1 --reply-to 1-1 --text "..." --as dev'
    in_review.ok("review", "comment", "T-1", "--text", "because", "--reply-to", "1-1", "--as", "dev")
    assert kinds(in_review, "dev") == []
    assert kinds(in_review, "eye") == [("reply", "T-1")], "an answer to its own words"
    in_review.ok("review", "resolve", "T-1", "1-1", "--as", "eye")
    assert kinds(in_review, "eye") == []


def test_mentions(in_review: Desk) -> None:
    in_review.ok("task", "add", "--title", "other")
    in_review.ok("task", "comment", "T-2", "--text", "@ship, and not me@ship.example or @shipper", "--as", "dev")
    in_review.ok("review", "comment", "T-1", "--text", "look, @ship", "--as", "eye")
    assert sorted(kinds(in_review, "ship")) == [("mention", "T-1"), ("mention", "T-2")]
    in_review.ok("task", "comment", "T-2", "--text", "seen", "--as", "ship")
    assert kinds(in_review, "ship") == [("mention", "T-1")]


def test_rejected_and_blocked_work_and_failed_deployments(in_review: Desk) -> None:
    in_review.ok("review", "reject", "T-1", "--as", "qa", "--reason", "fails on empty input")
    in_review.ok("task", "add", "--title", "later", "--assign", "dev", "--depends-on", "T-1")
    found = inbox(in_review, "dev")
    assert [(one["kind"], one["about"]) for one in found] == [("step", "T-1"), ("blocked", "T-2")]
    assert "rejected by qa: fails on empty input" in found[0]["why"]
    in_review.ok("task", "start", "T-1")
    in_review.ok("task", "add", "--title", "quick", "--assign", "dev")
    in_review.ok("task", "start", "T-3")
    in_review.ok("task", "submit", "T-3", "--output", __file__)
    in_review.ok("review", "approve", "T-3", "--as", "qa")
    in_review.ok("project", "set", "deploy.command", '["false"]')
    assert in_review.run("task", "move", "T-3", "--to", "deployed").exit == 5
    assert ("deploy", "T-3") in kinds(in_review, "ship") and ("deploy", "T-3") in kinds(in_review, "orchestrator")


def test_orphans_and_alerts_and_what_is_new(in_review: Desk) -> None:
    in_review.ok("agent", "add", "dev2", "--role", "developer")
    in_review.ok("alert", "raise", "--message", "trouble", "--as", "eye")
    assert kinds(in_review, "orchestrator") == [("alert", "A-1")]
    assert kinds(in_review, "orchestrator", "--new") == []
    in_review.ok("task", "add", "--title", "t", "--assign", "dev")
    in_review.ok("agent", "remove", "dev")
    assert kinds(in_review, "orchestrator", "--new") == [("step", "T-2")]
    assert kinds(in_review, "orchestrator") == [("alert", "A-1"), ("step", "T-2")]
    in_review.ok("alert", "resolve", "A-1", "--as", "eye")
    assert kinds(in_review, "orchestrator") == [("step", "T-2")]


@pytest.mark.slow
def test_people(in_review: Desk) -> None:
    in_review.ok("agent", "add", "ann", "--role", "reviewer", "--kind", "human")
    found = in_review.ok("inbox", "--humans", "--json").json
    assert found["agents"] == ["ann"] and [one["to"] for one in found["items"]] == ["ann"]
    assert "opsgit review show T-1 --as ann" in in_review.ok("inbox", "--humans").out
    assert in_review.run("inbox", "--as", "ship").err.endswith("nothing waits for ship\n")


@pytest.mark.slow
def test_it_is_fetched_and_says_what_a_sync_dropped(desk: Desk, tmp_path: Path) -> None:
    from opsgit.cli.main import main
    from tests.conftest import git

    assert main(["server", "init", str(tmp_path / "hub.git")]) == 0
    git(desk.path, "remote", "add", "origin", str(tmp_path / "hub.git"))
    desk.ok("task", "add", "--title", "t", "--assign", "dev")
    dev = clone(desk, tmp_path / "hub.git", "dev")
    desk.ok("task", "add", "--title", "u", "--assign", "dev")
    assert kinds(dev, "dev") == [("step", "T-1"), ("step", "T-2")]
    dev.ok("task", "start", "T-1", "--offline")
    desk.ok("task", "cancel", "T-1")
    assert dev.run("sync").exit == 7
    found = inbox(dev, "dev")
    assert ("sync", "T-1") in [(one["kind"], one["about"]) for one in found]
    (tmp_path / "hub.git").rename(tmp_path / "away")
    said = dev.run("inbox", "--as", "dev")
    assert said.exit == 0 and "as last fetched" in said.err
    assert json.loads(dev.ok("inbox", "--as", "dev", "--json").out)["kind"] == "inbox"
