"""Tasks that wait for other tasks."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from opsgit.domain.vocabulary import ASSIGNED, BACKLOG, DEPLOYED, DONE, REJECTED

MET = (DONE, DEPLOYED)  # a dependency with one of these statuses keeps nobody from starting
BEFORE_START = (BACKLOG, ASSIGNED, REJECTED)


def open_dependencies(depends_on: Iterable[str], status_of: Callable[[str], str | None]) -> tuple[str, ...]:
    """The dependencies that keep a task from being started.

    :param status_of: a function from the id of a task to its status, None where there is no such task.
    """
    return tuple(other for other in depends_on if status_of(other) not in MET)


def blocked_by(status: str, depends_on: Iterable[str], status_of: Callable[[str], str | None]) -> tuple[str, ...]:
    """What a task of a status is blocked by: its open dependencies until it is started, then nothing."""
    return open_dependencies(depends_on, status_of) if status in BEFORE_START else ()
