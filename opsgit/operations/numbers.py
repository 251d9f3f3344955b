"""The next numbers of tasks and alerts, such as T-7 and A-3."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from opsgit.domain import names
from opsgit.domain.refusals import Refused, refuse
from opsgit.domain.request import Snapshot
from opsgit.storage.index_reader import IndexReader

TRIES = 50
Result = TypeVar("Result")


def numbered(make: Callable[[], Result]) -> Result:
    """Return what a function returns that takes the next number; it is called again if somebody else took the number.

    :raises Refused: `REF_MOVED` if 50 numbers in a row were taken meanwhile; as `make`.
    """
    for _ in range(TRIES):
        try:
            return make()
        except Refused as refused:
            if refused.refusal.code != "ID_TAKEN":
                raise
    refuse("REF_MOVED", f"others took {TRIES} numbers meanwhile", "try again, or give an id: --id ID")


def next_task(snapshot: Snapshot) -> str:
    """Return the next free id `T-<number>` of a task."""
    reader = snapshot.reader
    if isinstance(reader, IndexReader):  # it need not look at every name
        return f"T-{reader.index.highest_number() + 1}"
    found = (name.removesuffix(".yaml") for folder in reader.names("tasks") for name in reader.names(f"tasks/{folder}"))
    numbers = (match for name in found if (match := names.AUTOMATIC["task"].match(name)))
    return f"T-{max((int(number[2]) for number in numbers), default=0) + 1}"


def after(task_id: str) -> str | None:
    """Return the number after an id `T-<number>`, None for an id of another form."""
    number = names.AUTOMATIC["task"].match(task_id)
    return f"T-{int(number[2]) + 1}" if number else None


def next_alert(snapshot: Snapshot, prefix: str) -> str:
    """Return the next free id `<prefix>-<number>` of an alert."""
    taken = (names.AUTOMATIC["alert"].match(name.removesuffix(".yaml")) for name in snapshot.reader.names("alerts"))
    numbers = [int(found[2]) for found in taken if found and found[1].casefold() == prefix.casefold()]
    return f"{prefix}-{max(numbers, default=0) + 1}"
