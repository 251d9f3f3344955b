"""Dependencies between tasks: which of them prevent the start of a task."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from opsgit.domain.vocabulary import ASSIGNED, BACKLOG, DEPLOYED, DONE, REJECTED

MET = (DONE, DEPLOYED)  # a dependency with one of these statuses is met
BEFORE_START = (BACKLOG, ASSIGNED, REJECTED)
Key = TypeVar("Key")


def open_dependencies(depends_on: Iterable[str], status_of: Callable[[str], str | None]) -> tuple[str, ...]:
    """Return the dependencies that prevent the start of a task.

    :param depends_on: the ids of tasks.
    :param status_of: returns the status of a task, or None when there is no such task.
    """
    return tuple(other for other in depends_on if status_of(other) not in MET)


def blocked_by(status: str, depends_on: Iterable[str], status_of: Callable[[str], str | None]) -> tuple[str, ...]:
    """Return the open dependencies of a task that has to be started (again); empty in all other statuses.

    :param status: the task's status.
    :param depends_on: the ids of tasks.
    :param status_of: returns the status of a task, or None when there is no such task.
    """
    return open_dependencies(depends_on, status_of) if status in BEFORE_START else ()


def with_blockers(what: str, ids: Sequence[str]) -> str:
    """Return what a task waits for, with the tasks that block it."""
    return f"{what} (blocked by {', '.join(ids)})" if ids else what


def in_order(ahead: Mapping[Key, Sequence[Key]]) -> Iterator[Key]:
    """Yield keys in their order, but each after those that it depends on; a circle ends where it began.

    :param ahead: what each key depends on; only keys of the mapping count.
    """
    begun: set[Key] = set()
    for first in ahead:
        stack = [(first, iter(ahead[first]))] if first not in begun else []
        begun.add(first)
        while stack:
            key, rest = stack[-1]
            following = next((one for one in rest if one in ahead and one not in begun), None)
            if following is None:
                stack.pop()
                yield key
            else:
                begun.add(following)
                stack.append((following, iter(ahead[following])))
