"""Text for a terminal: user text cannot move the cursor or change colours."""

from __future__ import annotations

import itertools
import unicodedata
from collections.abc import Iterator, Sequence

from opsgit.domain.text import FORBIDDEN

Cell = str | tuple[str, str]  # a text, or a text and a style (a key of STYLES)
MARK = "  | "  # before each line of other people's text, but for the first one after a label
STYLES = {"bold": "1", "dim": "2", "bold red": "1;31", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}


def safe(text: str) -> str:
    """Return a text with each forbidden character shown as an escape."""
    if text.isprintable():  # none of the forbidden characters is; most texts are, and this is much faster
        return text
    return FORBIDDEN.sub(lambda found: found.group().encode("unicode_escape").decode(), text)


def marked(text: str) -> str:
    """Return a safe text in which each further line is marked, so that it cannot pass for a line of the program."""
    return safe(text).replace("\n", f"\n{MARK}")


def quoted(text: str) -> Iterator[str]:
    """Yield the lines of what somebody wrote, each with a mark before it."""
    return (f"{MARK}{line}" for line in text.rstrip("\n").split("\n"))


def width(text: str) -> int:
    """Return the number of terminal columns that a text takes."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def cut(text: str, columns: int) -> str:
    """Return a text shortened to at most so many columns; a shortened text ends in `…`."""
    if width(text) <= columns:
        return text
    used = itertools.accumulate(map(width, text))
    kept = "".join(char for char, end in zip(text, used, strict=True) if end < columns)
    return f"{kept}…"


def styled(text: str, style: str, colour: bool) -> str:
    """Return a text in a style, if colour is allowed.

    :param style: a key of `STYLES`, or empty.
    """
    return f"\x1b[{STYLES[style]}m{text}\x1b[0m" if colour and style and text else text


def table(
    head: Sequence[str], rows: Sequence[Sequence[Cell]], columns: int | None = None, colour: bool = False
) -> list[str]:
    """Return the lines of a table whose columns are as wide as their content.

    :param head: the names of the columns; if all are empty, there is no line for them.
    :param columns: the width to fit: the widest columns are cut first. None does not limit the width.
    :param colour: whether to use styles.
    """
    cells = [[_cell(cell) for cell in row] for row in rows]
    lines = [[(name, "dim") for name in head], *cells] if any(head) else cells
    widths = [max((width(row[index][0]) for row in lines), default=0) for index in range(len(head))]
    while columns is not None and sum(widths) + 2 * (len(widths) - 1) > columns and max(widths) > 1:
        widths[widths.index(max(widths))] -= 1
    return ["  ".join(_padded(*cell, widths[i], colour) for i, cell in enumerate(row)).rstrip() for row in lines]


def _cell(cell: Cell) -> tuple[str, str]:
    text, style = (cell, "") if isinstance(cell, str) else cell
    return safe(text).replace("\n", " "), style


def _padded(text: str, style: str, columns: int, colour: bool) -> str:
    shown = cut(text, columns)
    return styled(shown, style, colour) + " " * (columns - width(shown))
