"""The board for a terminal and in Markdown. In the terminal it fits the width and can be read without colour."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any

from opsgit.domain.vocabulary import ENDED
from opsgit.views.figures import age
from opsgit.views.markdown import escaped
from opsgit.views.terminal import cut, safe, styled, width

LEAST, MOST = 18, 34  # columns of the terminal for one column of the board
STYLES = {"critical": "bold red", "high": "yellow"}
MARKS = {"critical": "!!", "high": "!"}  # what the colours say, without them
Column = Any  # an `operations.board.Column`


def text(columns: Sequence[Column], now: int, columns_wide: int, colour: bool) -> str:
    """Return the board as text: the columns beside each other as far as they fit, the others below.

    :param now: seconds after the epoch, for ages.
    :param columns_wide: the width of the terminal.
    :param colour: whether to use escape sequences for colour.
    """
    shown = [one for one in columns if one.total]
    if not shown:
        return "no tasks yet"
    beside = max(1, min(len(shown), (columns_wide + 2) // (LEAST + 2)))
    wide = min(MOST, (columns_wide + 2) // beside - 2)
    blocks = [list(_column(one, now, wide, colour)) for one in shown]
    rows = [blocks[start : start + beside] for start in range(0, len(blocks), beside)]
    return "\n\n".join("\n".join(_beside(row, wide)) for row in rows)


def _beside(blocks: Sequence[Sequence[tuple[str, str]]], wide: int) -> Iterator[str]:
    """Yield lines with columns beside each other; each has its text, and the same with colours."""
    for cells in zip_longest(*blocks, fillvalue=("", "")):
        yield "  ".join(shown + " " * (wide - width(plain)) for plain, shown in cells).rstrip()


def _column(one: Column, now: int, wide: int, colour: bool) -> Iterator[tuple[str, str]]:
    head = cut(f"{one.status} ({one.total})", wide)
    yield head, styled(head, "bold", colour)
    yield from [("─" * wide, styled("─" * wide, "dim", colour))]
    for task in one.shown:
        mark = MARKS.get(task["priority"], "") if one.status not in ENDED else ""
        first = cut(safe(f"{task['id']} {mark}".strip() + f" {_line(task['title'])}"), wide)
        yield first, styled(first, STYLES.get(task["priority"], "") if mark else "", colour)
        second = cut(safe(f"  {_about(task, now)}"), wide)
        yield second, styled(second, "dim", colour)
    if one.total > len(one.shown):
        yield (more := cut(f"  and {one.total - len(one.shown):,} more", wide)), more


def _line(words: str) -> str:
    return " ".join(words.split())


def _about(task: Mapping[str, Any], now: int) -> str:
    blocked = f", blocked by {', '.join(task['blocked_by'])}" if task["blocked_by"] else ""
    return f"{task['assigned'] or 'nobody'}, {age(now - task['since'])}{blocked}"


def markdown(project: str, columns: Sequence[Column], now: int) -> str:
    """Return the board in Markdown: a heading and a list for each column that is not empty."""
    parts = [f"# {escaped(project)}: board"]
    for one in columns:
        if one.total:
            lines = [_item(task, now) for task in one.shown]
            more = [f"- and {one.total - len(one.shown):,} more"] if one.total > len(one.shown) else []
            parts += [f"## {one.status} ({one.total})", "\n".join([*lines, *more])]
    return "\n\n".join(parts if len(parts) > 1 else [*parts, "No tasks yet."])


def _item(task: Mapping[str, Any], now: int) -> str:
    about = f"({task['priority']}, {escaped(_about(task, now))})"
    return f"- **{escaped(task['id'])}** {escaped(task['title'])} {about}"
