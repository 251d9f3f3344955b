"""Do the same with many things in several processes, which are copies of this one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence

ALONE = 400  # things: up to this number, starting processes takes longer than it saves
CHUNK = 25
_work: Callable[[str], None] | None = None  # what the copies do; a copy has it without being told


def each(work: Callable[[str], None], things: Sequence[str]) -> Iterator[int]:
    """Do something with each thing, and yield how many are done.

    :param work: called with each thing, in this process or in a copy of it: there it must open anew what it reads.
    :raises Refused: as `work`.
    """
    global _work  # noqa: PLW0603 - a copy of the process finds it here
    count = min(4, len(os.sched_getaffinity(0)))
    if len(things) <= ALONE or count < 2:
        for number, one in enumerate(things, 1):
            work(one)
            yield number
        return
    import multiprocessing

    _work = work
    with multiprocessing.get_context("fork").Pool(count) as pool:
        for number, _ in enumerate(pool.imap_unordered(_do, things, CHUNK), 1):
            yield number
    _work = None


def _do(thing: str) -> None:
    assert _work
    _work(thing)
