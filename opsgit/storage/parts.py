"""Many things, a part of them at a time, so that what is done together stays in bounds."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import TypeVar

TOGETHER = 500  # records or commits that are read or stored at once
Thing = TypeVar("Thing")


def in_parts(things: Iterable[Thing], size: int = TOGETHER) -> Iterator[list[Thing]]:
    """Yield things in lists of at most so many."""
    things = iter(things)
    while some := list(itertools.islice(things, size)):
        yield some
