"""Do the same with many things in several processes, which are copies of this one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence

ALONE = 400  # things: up to this number, starting processes takes longer than it saves
CHUNK = 25
_work: Callable[[str], str] | None = None  # what the copies do; a copy has it without being told


def each(work: Callable[[str], str], things: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Do something with each thing, and yield the thing with what came of it, in any order.

    :param work: called with each thing, in this process or in a copy of it: there it must open anew what it reads.
    :raises Refused: as `work`.
    """
    global _work  # noqa: PLW0603 - a copy of the process finds it here
    count = min(4, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    if len(things) <= ALONE or count < 2:
        for one in things:
            yield one, work(one)
        return
    import multiprocessing

    _work = work
    with multiprocessing.get_context("fork").Pool(count) as pool:
        yield from pool.imap_unordered(_do, things, CHUNK)
    _work = None


def _do(thing: str) -> tuple[str, str]:
    assert _work
    return thing, _work(thing)
