"""The board: for each status how many tasks have it, and the first of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from opsgit.domain import vocabulary
from opsgit.domain.records import Record
from opsgit.operations.queries import SORTS, blocked
from opsgit.operations.session import Session
from opsgit.storage.index import Index


class Column(NamedTuple):
    """The tasks of one status: how many there are, and the first of them.

    Each has the fields of its record, `since`: the time of its last operation (seconds after the epoch), and
    `blocked_by`.
    """

    status: str
    total: int
    shown: Sequence[dict[str, Any]]


def columns(session: Session, most: int, assigned: str | None = None) -> list[Column]:
    """Return the columns of the board in the order of the lifecycle: open tasks by priority, ended ones newest first.

    :param most: the largest number of tasks to show in each column.
    :param assigned: only the tasks of this agent.
    :raises Refused: `NOT_FOUND` if there is no such agent.
    """
    if assigned:
        session.look().agent(assigned)
    index = session.index()
    return [_column(index, status, most, assigned) for status in vocabulary.STATUSES]


def _column(index: Index, status: str, most: int, assigned: str | None) -> Column:
    where, values = "kind = 'task' AND status = ?", [status]
    if assigned:
        where, values = f"{where} AND assigned = ?", [*values, assigned]
    total, ended = index.count(where, tuple(values)), status in vocabulary.ENDED
    found = _newest(index, status, min(most, total), assigned) if ended else None
    if found is None:
        found = index.touched(where, tuple(values), SORTS["updated" if ended else "priority"], most)
    return Column(status, total, [_card(index, record, since) for record, since in found])


def _newest(index: Index, status: str, wanted: int, assigned: str | None) -> list[tuple[Record, int]] | None:
    """Return the tasks that ended last; None if they do not stand in the newest part of the log.

    Looking there costs the same however many tasks there are; sorting all of them does not.
    """
    paths = dict.fromkeys(entry["path"] for entry in reversed(index.log("status = ?", (status,), 4 * wanted)))
    records = (index.touched("path = ? AND status = ?", (path, status), "path") for path in paths)
    found = [one for listed in records for one in listed if not assigned or one[0].get("assigned") == assigned][:wanted]
    return found if len(found) == wanted else None


def _card(index: Index, record: Record, since: int) -> dict[str, Any]:
    return {"assigned": None, **record, "since": since, "blocked_by": blocked(index, record)}
