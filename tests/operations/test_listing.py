"""`task list`: what it shows first, what its filters mean."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from opsgit.domain import concerns
from opsgit.operations import inbox, next_steps
from opsgit.operations.queries import SORTS
from tests.conftest import Desk


@pytest.fixture
def board(desk: Desk, output: Path) -> Desk:
    """Tasks in every status that needs somebody, and two that have ended."""
    for name, more in {
        "old": ["--priority", "low"], "urgent": ["--priority", "critical", "--tag", "ui,api", "--desc", "Fix the Döner"],
        "mine": ["--assign", "dev"], "reviewed": ["--assign", "dev"], "approved": ["--assign", "dev"],
        "blocked": ["--assign", "dev", "--depends-on", "mine,urgent", "--priority", "high"], "gone": [],
    }.items():  # fmt: skip
        desk.ok("task", "add", "--id", name, "--title", f"about {name}", *more)
    for name in ("reviewed", "approved"):
        desk.ok("task", "start", name)
        desk.ok("task", "submit", name, "--output", str(output))
    desk.ok("review", "approve", "approved", "--as", "qa")
    desk.ok("task", "cancel", "gone")
    return desk


def ids(desk: Desk, *words: str) -> list[str]:
    return [task["id"] for task in desk.ok("task", "list", "--json", *words).json["tasks"]]


def test_open_work_comes_first_what_somebody_must_decide_before_the_rest(board: Desk) -> None:
    assert ids(board) == ["reviewed", "approved", "blocked", "mine", "urgent", "old"]
    assert ids(board, "--all") == [*ids(board), "gone"]
    listed = board.ok("task", "list")
    assert "1 deployed or cancelled: --all" in listed.err
    assert "4 more: --limit 6" in board.ok("task", "list", "--limit", "2").err
    assert board.ok("task", "list", "--json").json["ended"] == 1
    assert board.ok("task", "list", "--all", "--json").json["ended"] == 0


FILTERS = [
    ("--status review --status Done", ["reviewed", "approved"]),
    ("--status cancelled", ["gone"]),
    ("--tag ui --tag api", ["urgent"]),
    ("--tag nope", []),
    ("--priority critical --priority LOW", ["urgent", "old"]),
    ("--assigned dev --status assigned", ["blocked", "mine"]),
    ("--waiting-for qa", ["reviewed"]),
    ("--waiting-for deployer", ["approved"]),
    ("--waiting-for developer", ["urgent", "old"]),
    ("--blocked", ["blocked"]),
    ("--text döner", ["urgent"]),
    ("--text ABOUT --limit 1", ["reviewed"]),
    ("--waiting-for dev --sort id", ["blocked", "mine", "old", "urgent"]),
    ("--updated-since 1h --sort id", ["approved", "blocked", "mine", "old", "reviewed", "urgent"]),
    ("--updated-since 2999-01-01", []),
    ("--sort priority --limit 1", ["urgent"]),
]


def test_filters_and_orders(board: Desk) -> None:
    for words, expected in FILTERS:
        assert ids(board, *words.split()) == expected, words


def test_by_age_the_oldest_come_first(board: Desk) -> None:
    told = board.ok("task", "list", "--sort", "age", "--all", "--json").json["tasks"]
    assert [task["created"] for task in told] == sorted(task["created"] for task in told)
    told = board.ok("task", "list", "--sort", "updated", "--fields", "updated", "--json").json["tasks"]
    assert [task["updated"] for task in told] == sorted((task["updated"] for task in told), reverse=True)


def test_more_counts_what_a_slow_filter_lets_through(board: Desk) -> None:
    assert board.ok("task", "list", "--text", "about", "--limit", "2", "--json").json["more"] == 4


def test_a_name_that_nobody_has_is_no_empty_list(board: Desk) -> None:
    assert board.refused("task", "list", "--waiting-for", "nobody") == "NOT_FOUND"
    assert board.refused("task", "list", "--updated-since", "soon") == "BAD_VALUE"


def test_fields_make_a_small_list(board: Desk) -> None:
    told = board.ok("task", "list", "--fields", "id,status,blocked_by,waiting_for,updated", "--json").json["tasks"]
    assert list(told[0]) == ["id", "status", "blocked_by", "waiting_for", "updated"]
    assert len(json.dumps(told)) / len(told) < 200
    assert "BLOCKED_BY" in board.ok("task", "list", "--fields", "id,blocked_by").out


def test_blocked_tasks_say_by_what(board: Desk) -> None:
    assert "(blocked by mine, urgent)" in board.ok("task", "list").out
    assert "blocked by: mine, urgent" in board.ok("task", "show", "blocked").out
    assert board.ok("task", "show", "blocked", "--json").json["blocked_by"] == ["mine", "urgent"]
    assert board.ok("task", "show", "mine", "--json").json["blocked_by"] == []
    for form in ("text", "md", "html"):
        assert "blocked by" in board.ok("dashboard", "--format", form).out
    refusal = board.run("task", "start", "blocked").err
    assert "DEPENDENCY_OPEN" in refusal
    assert "mine, which is assigned, urgent, which is backlog" in refusal


def test_what_the_index_leaves_out_concerns_nobody(desk: Desk, output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The condition by which inbox and next steps choose tasks misses none: every task is asked about beside it."""

    desk.ok("agent", "add", "gone", "--role", "developer")
    desk.ok("agent", "add", "both", "--role", "developer")
    for name, words in (
        ("A-1", ""),
        ("A-2", "--assign dev"),
        ("A-3", "--assign gone"),
        ("A-4", "--pipeline both→qa→ship"),
    ):
        desk.ok("task", "add", "--id", name, "--title", "t", *words.split())
    for number in range(5, 10):
        desk.ok("task", "add", "--id", f"A-{number}", "--title", "t", "--assign", "dev", "--tag", "qa")
        desk.ok("task", "start", f"A-{number}")
    for number in range(6, 10):
        desk.ok("task", "submit", f"A-{number}", "--output", str(output))
    desk.ok("review", "comment", "A-6", "--text", "@eye and @both, look", "--as", "qa")
    desk.ok("review", "reject", "A-7", "--reason", "no", "--as", "qa")
    for number in (8, 9):
        desk.ok("review", "approve", f"A-{number}", "--as", "qa")
    desk.ok("project", "set", "deploy.command", '["false"]')
    desk.run("task", "move", "A-9", "--to", "deployed")
    desk.ok("task", "comment", "A-1", "--text", "@ship please", "--as", "qa")
    desk.ok("agent", "remove", "gone")
    session = desk.session()
    names = [one.name for one in session.look().agents() if one.status == "active"]

    def told() -> list[object]:
        steps = [next_steps.next_steps(session, name) for name in names]
        return [inbox.items(session, [name]) for name in names] + [inbox.items(session, names), steps]

    found = told()
    index, project = session.index(), session.look().project
    seen = [len(list(index.concerning(concerns.of_agent(project, session.look().agent(name))))) for name in names]
    assert max(seen) < 9
    monkeypatch.setattr(index, "concerning", lambda _: iter(index.touched("open = 1", (), SORTS["priority"])))
    assert told() == found
    assert sum(map(len, found)) > 20
    session.repository.close()


def test_the_inbox_has_a_limit(desk: Desk) -> None:
    for number in range(3):
        desk.ok("task", "add", "--title", f"{number}", "--assign", "dev")
    told = desk.ok("inbox", "--as", "dev", "--limit", "2", "--json").json
    assert (len(told["items"]), told["more"]) == (2, 1)
    assert "1 more: --limit 3" in desk.ok("inbox", "--as", "dev", "--limit", "2").err
