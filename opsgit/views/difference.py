"""A difference between two versions of a deliverable as text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from opsgit.views import terminal

STYLES = (("+++", "bold"), ("---", "bold"), ("diff ", "bold"), ("@@", "cyan"), ("+", "green"), ("-", "red"))


class Binary(Protocol):
    """A changed file that is not text: its path, and size and digest before and after (None: not there)."""

    @property
    def path(self) -> str:
        """The path."""

    @property
    def before(self) -> str | None:
        """Size and digest before."""

    @property
    def after(self) -> str | None:
        """Size and digest after."""


def lines(old: str, new: str, diff: Iterable[str], binaries: Iterable[Binary], colour: bool) -> Iterator[str]:
    """Yield the lines of a difference, safe for a terminal.

    :param old: the name of the older version; empty if there is none.
    :param new: the name of the newer version.
    :param diff: the lines that git made.
    :param colour: whether to use colours.
    """
    yield f"round {old} → round {new}" if old else f"round {new}, the first with files"
    none = True
    for line in diff:
        none = False
        style = next((name for lead, name in STYLES if line.startswith(lead)), "")
        yield terminal.styled(terminal.safe(line), style, colour)
    for one in binaries:
        yield terminal.safe(f"not text: {one.path}  {one.before or 'not there'} → {one.after or 'not there'}")
    if none:
        yield "no file differs"
