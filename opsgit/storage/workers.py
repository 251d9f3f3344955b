"""Run functions in several processes, which are copies of this one."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

ALONE = 400  # things: up to this number, starting processes takes longer than it saves
CHUNK = 25
Result = TypeVar("Result")
_work: Callable[[str], str] | None = None  # what the copies do; a copy has it without being told


def cores() -> int:
    """Return how many processes can work at once: at most 4."""
    return min(4, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


def side_by_side(works: Sequence[Callable[[], Result]]) -> list[Result]:
    """Run the first function in this process and each other one in a copy of it; return their results in order.

    A copy must open anew what it reads. A function that fails in a copy runs again here, so that its exception is seen.
    """
    if len(works) < 2:
        return [work() for work in works]
    import multiprocessing  # takes 8 ms, and most commands have little to do

    context = multiprocessing.get_context("fork")
    started = []
    for work in works[1:]:
        here, there = context.Pipe(duplex=False)
        process = context.Process(target=_answer, args=(there, work), daemon=True)  # it ends with this one
        process.start()
        there.close()
        started.append((process, here, work))
    try:
        found = [work() for work in works[:1]]
        for _, here, work in started:
            try:
                value: Result = here.recv()
            except (EOFError, OSError):  # it was killed, perhaps while it answered
                value = work()
            found.append(value)
        return found
    finally:
        for process, *_ in started:
            process.terminate()
            process.join()


def _answer(pipe: Connection, work: Callable[[], object]) -> None:
    with contextlib.suppress(Exception):  # the first process sees that there is no answer
        pipe.send(work())
    pipe.close()


def each(work: Callable[[str], str], things: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Do something with each thing, and yield the thing with what came of it, in any order.

    :param work: called with each thing, in this process or in a copy of it: there it must open anew what it reads.
    :raises Refused: as `work`.
    """
    global _work  # noqa: PLW0603 - a copy of the process finds it here
    if len(things) <= ALONE or cores() < 2:
        for one in things:
            yield one, work(one)
        return
    import multiprocessing

    _work = work
    with multiprocessing.get_context("fork").Pool(cores()) as pool:
        yield from pool.imap_unordered(_do, things, CHUNK)
    _work = None


def _do(thing: str) -> tuple[str, str]:
    assert _work
    return thing, _work(thing)
