"""The dashboard in the terminal is answered by the index: it says what the whole compiled state says."""

from __future__ import annotations

import subprocess
from collections import Counter, defaultdict
from dataclasses import astuple
from pathlib import Path
from typing import Any

import pytest

from opsgit.domain import names
from opsgit.domain.vocabulary import PRIORITIES, STATUSES
from opsgit.operations import compile, monitor, overview, summary
from opsgit.operations.session import Session
from opsgit.storage.repository import find
from tests.conftest import Desk
from tests.views.golden import BUNDLE
from tests.views.project import worked


def walked(state: dict[str, Any]) -> dict[str, Any]:
    """The same values, taken from the compiled state."""
    urgent = sorted(
        state["tasks"].values(), key=lambda one: (PRIORITIES.index(one["priority"]), one["created"], one["id"])
    )
    found = Counter(one["status"] for one in state["tasks"].values())
    waiting = [(one["waiting_for"], one["id"], one["title"], one["waiting_to"]) for one in urgent if one["waiting_for"]]
    return {
        **{name: state[name] for name in ("project", "updated", "commit", "quotas", "metrics")},
        "counts": [(one, found[one]) for one in STATUSES],
        "waiting": waiting[: summary.WAITING_MAX],
        "agents": state["agents"],
        "activity": activity(state, summary.ACTIVITY_MAX),
    }


def compared(folder: Path) -> None:
    session = Session(find(folder))
    now = session.repository.index.log("1", (), 1)[0]["at"] if session.repository.index.tip() else 2_000_000_000
    short = summary.summary(session, now)
    short["activity"] = [one["at"] for one in short["activity"]]
    state = compile.state(session, now)
    assert short == walked(state)
    told, last = overview.overview(session), session.index().last_times("path")
    groups = defaultdict[str, list[tuple[str, str, str, int, str]]](list)
    for one in state["tasks"].values():
        for who in (one["waiting_for"] or "").split(", "):
            since = last[names.task_path(one["id"])]
            groups[who].append((one["id"], one["title"], one["waiting_to"], since, one["priority"]))
    groups.pop("", None)
    assert {who: sorted(astuple(one)[:-1] for one in group) for who, group in told.groups.items()} == groups
    brought = sum(bool(event.get("imported")) for one in state["tasks"].values() for event in one["history"])
    log = session.index().log("1")
    assert (told.proven, told.total) == (len(log), len(log) + brought)
    assert [one["commit"] for one in told.last] == [one["commit"] for one in reversed(log[-overview.LAST_MAX :])]
    titles = {one["id"]: one["title"] for one in state["tasks"].values()}
    assert all(one["title"] == titles.get(one["task"], "") for one in told.last)
    session.repository.close()


def activity(state: dict[str, Any], most: int) -> list[str]:
    """The times of the newest transitions, newest first; imported ones are left out."""
    events = [event for task in state["tasks"].values() for event in task["history"] if not event.get("imported")]
    return sorted((event["at"] for event in events), reverse=True)[:most]


def test_a_team_at_work(in_review: Desk) -> None:
    in_review.ok("task", "add", "--title", "blocked", "--depends-on", "T-1", "--priority", "critical")
    in_review.ok("task", "add", "--title", "two", "--assign", "dev")
    compared(in_review.path)
    in_review.ok("review", "approve", "T-1", "--as", "qa")
    in_review.ok("agent", "remove", "dev", "--release")
    compared(in_review.path)


def test_an_agent_that_only_signed_off_was_never_active_on_the_ledger(desk: Desk, output: Path) -> None:
    desk.ok("agent", "add", "qa2", "--role", "reviewer")
    desk.ok("task", "add", "--title", "one", "--assign", "dev", "--pipeline", "dev→qa2→qa→ship")
    desk.ok("task", "start", "T-1")
    desk.ok("task", "submit", "T-1", "--output", str(output))
    desk.ok("review", "sign-off", "T-1", "--as", "qa2")
    desk.ok("review", "approve", "T-1", "--as", "qa")
    compared(desk.path)
    session = desk.session()
    told = summary.summary(session, 0)["agents"]["qa2"]
    session.repository.close()
    assert (told["tasks_completed"], told["last_active"]) == (1, None)


def test_the_kept_ledger(tmp_path: Path) -> None:
    subprocess.run(["git", "clone", "-q", "-b", "main", str(BUNDLE), str(tmp_path / "kept")], check=True)
    compared(tmp_path / "kept")


@pytest.mark.slow
def test_a_project_of_some_weeks(tmp_path: Path) -> None:
    story = worked(tmp_path, 40)
    compared(story.path)
    session = Session(find(story.path), clock=lambda: story.now)
    told = {one.subject for one in monitor.monitor(session, ["stale", "reviews"])}
    last, state = session.repository.index.last_times("path"), compile.state(session)
    session.repository.close()
    limits = {"assigned": 86_400, "in-progress": 2 * 86_400, "rejected": 86_400, "review": 86_400}
    tasks = state["tasks"].values()
    age = {one["id"]: story.now - last[names.task_path(one["id"])] for one in tasks}
    assert told == {one["id"] for one in tasks if age[one["id"]] > limits.get(one["status"], story.now)}
    assert told
