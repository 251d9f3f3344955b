"""`board`, and `--watch` of board and dashboard."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import signal
import subprocess
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from opsgit.domain.text import FORBIDDEN
from opsgit.views import columns, markdown, terminal
from tests.conftest import Desk
from tests.views.test_hostile import HOSTILE


def test_columns(in_review: Desk) -> None:
    in_review.ok("task", "add", "--title", "urgent", "--priority", "critical", "--depends-on", "T-1", "--assign", "dev")
    in_review.ok("task", "add", "--title", "later", "--priority", "low")
    said = in_review.ok("board").out
    assert re.search(r"backlog \(1\) +assigned \(1\) +review \(1\)", said)
    assert "T-2 !! urgent" in said
    assert "dev, a moment, blocked by T-1" in in_review.ok("board", "--format", "md").out
    assert "\x1b" not in said
    mine = in_review.ok("board", "--assigned", "dev").out
    assert "T-3" not in mine and "T-1" in mine
    told = in_review.ok("board", "--json").json
    assert (told["kind"], [one["status"] for one in told["columns"] if one["total"]]) == (
        "board",
        ["backlog", "assigned", "review"],
    )
    assert in_review.refused("board", "--assigned", "nobody") == "NOT_FOUND"
    assert in_review.ok("board", "--at", "main~3").out != said


def test_it_fits_any_width(in_review: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    for number, words in enumerate(HOSTILE):
        in_review.ok("task", "add", f"--title={words} {'長' * 20}", *(["--assign", "dev"] if number % 2 else []))
    for width in (20, 40, 80, 200):
        monkeypatch.setenv("COLUMNS", str(width))
        lines = in_review.ok("board").out.split("\n")
        assert max(map(terminal.width, lines)) <= width
        assert not FORBIDDEN.search("".join(lines))


def test_long_columns_are_cut(desk: Desk) -> None:
    for _ in range(4):
        desk.ok("task", "add", "--title", "x")
    assert "and 3 more" in desk.ok("board", "--limit", "1").out
    assert "- and 3 more" in desk.ok("board", "--limit", "1", "--format", "md").out


def test_the_newest_ended_tasks_come_first(desk: Desk) -> None:
    for number, priority in enumerate(("critical", "high", "low")):
        desk.ok("task", "add", "--title", "x", "--priority", priority)
        desk.ok("task", "cancel", f"T-{number + 1}", "--note", "no need")
    told = desk.ok("board", "--json", "--limit", "2").json["columns"]
    cancelled = next(one for one in told if one["status"] == "cancelled")
    assert ([one["id"] for one in cancelled["shown"]], cancelled["total"]) == (["T-3", "T-2"], 3)
    every = desk.ok("board", "--json").json["columns"]
    assert [one["id"] for column in every for one in column["shown"]] == ["T-3", "T-2", "T-1"]


def test_nothing_yet(desk: Desk) -> None:
    assert desk.ok("board").out == "no tasks yet\n"
    assert desk.ok("board", "--format", "md").out == "# demo: board\n\nNo tasks yet.\n"


def test_markdown_is_readable_as_it_is(desk: Desk) -> None:
    desk.ok("task", "add", "--title", "Fix the snake_case parser in main.py (v1.2), it's 5-fold", "--assign", "dev")
    said = desk.ok("board", "--format", "md").out
    assert "- **T-1** Fix the snake_case parser in main.py (v1.2), it's 5-fold (medium, dev, a moment)" in said
    assert "T-1" in desk.ok("dashboard", "--format", "md").out


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=40))
def test_markdown_shows_any_text_as_it_is(words: str) -> None:
    parser = MarkdownIt("gfm-like", {"linkify": False, "html": True})
    wanted = " ".join(terminal.safe(words).split())
    tokens = parser.parse(f"| {markdown.escaped(words)} |\n| --- |\n")
    table = next((one for one in tokens if one.type == "inline"), None)
    if wanted:
        assert table
        assert "".join(child.content for child in table.children or ()) == wanted
        assert {child.type for child in table.children or ()} <= {"text", "text_special"}
        (line,) = [one for one in parser.parse(markdown.escaped(words)) if one.type == "inline"]
        assert "".join(child.content for child in line.children or ()) == wanted


def test_watch_is_for_people(desk: Desk) -> None:
    for words in (
        ["board", "--watch", "--json"],
        ["dashboard", "--watch", "--format", "md"],
        ["board", "--watch", "--at", "main"],
    ):
        assert desk.refused(*words) == "USAGE"


@pytest.mark.slow
@pytest.mark.parametrize(("command", "number"), [("board", signal.SIGINT), ("dashboard", signal.SIGTERM)])
def test_watch(desk: Desk, command: str, number: int) -> None:
    ours, theirs = pty.openpty()
    running = subprocess.Popen(
        [sys.executable, "-m", "opsgit", "-C", str(desk.path), command, "--watch"], stdout=theirs, stderr=theirs,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - a background job ignores it
    )  # fmt: skip
    os.set_blocking(ours, False)
    said = b""

    def until(words: bytes) -> bytes:
        nonlocal said
        end = time.monotonic() + 20
        while words not in said and time.monotonic() < end:
            time.sleep(0.05)
            with contextlib.suppress(BlockingIOError):
                said += os.read(ours, 1 << 16)
        return said

    try:
        until(columns.text([], 0, 80, False).encode() if command == "board" else b"Tasks (0)")
        desk.ok("task", "add", "--title", "a new one")
        assert b"a new one" in until(b"a new one")
        assert said.count(b"\x1b[2J") == 2
    finally:
        running.send_signal(number)
    assert running.wait(10) == 0
