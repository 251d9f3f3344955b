"""Lists, straight from the index."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opsgit.domain import names
from opsgit.domain.words import IN_REVIEW
from opsgit.operations.session import Session
from opsgit.storage.index import Index

if TYPE_CHECKING:
    from opsgit.domain.records import Record

ORDER = "priority, path"


def synced(session: Session) -> Index:
    """The index, brought to the ledger's tip."""
    repository = session.repository
    tip = repository.tip()
    if repository.index.tip() != tip:
        from opsgit.storage import reader

        session.trust(tip)
        reader.sync_index(repository.objects(), repository.index, tip)
    return repository.index


def tasks(session: Session, limit: int | None, **wanted: str | None) -> tuple[list[Record], int]:
    """The tasks that fit, most urgent first, and how many there are beyond the limit.

    :param wanted: status, assigned.
    """
    index = synced(session)
    if wanted.get("assigned"):
        session.look().agent(str(wanted["assigned"]))  # refuses when there is none: a typing error is no empty list
    given = {name: value for name, value in wanted.items() if value is not None}
    where = " AND ".join(["kind = 'task'", *(f"{name} = ?" for name in given)])
    found = index.select(where, tuple(given.values()), ORDER, limit)
    full = limit is not None and len(found) == limit
    return found, index.count(where, tuple(given.values())) - len(found) if full else 0


def task(session: Session, task_id: str) -> Record:
    """A task as it is now; while it is in review, as its review branch has it."""
    found = synced(session).select("path = ?", (names.task_path(names.check_id(task_id)),), ORDER)
    if found and found[0]["status"] != IN_REVIEW:
        return found[0]
    session.look().task(task_id)  # refuses when there is none
    record = session.look(task_id).record(names.task_path(task_id))
    assert record
    return record
