"""Queries answered from the index: lists of tasks, one task, and history."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from opsgit.domain import names, times, vocabulary
from opsgit.domain.refusals import refuse
from opsgit.operations.session import Session
from opsgit.storage.index import Index

if TYPE_CHECKING:
    from opsgit.domain.records import Record

FIRST = 50
SORTS = {
    "need": "need, priority, created, path",
    "priority": "priority, created, path",
    "age": "created, path",
    "updated": "updated DESC, path",
    "id": "name",
}
ORDER = SORTS["priority"]
# Fields of a task in a list that are computed, in addition to the fields of its file.
WORKED_OUT = ("blocked_by", "waiting_for", "waiting_to", "updated")
FIELDS = ("id", "title", "description", "status", "priority", "tags", "pipeline", "assigned", "depends_on", "created",
          "created_by", "imported", "contributors", "progress", "submission", "rejected", "review", "deployment",
          "comments", *WORKED_OUT)  # fmt: skip


class Query(NamedTuple):
    """Which tasks to list, and in which order. An empty field is no condition; without statuses, open tasks are listed.

    `waiting_for` is an agent or a role. `updated_since` is a duration such as `2d`, a day or a time. `sort` is a key of
    `SORTS`.
    """

    statuses: Sequence[str] = ()
    ended_too: bool = False
    priorities: Sequence[str] = ()
    tags: Sequence[str] = ()
    assigned: str | None = None
    waiting_for: str | None = None
    blocked: bool = False
    text: str | None = None
    updated_since: str | None = None
    sort: str = "need"
    limit: int | None = None


class Listed(NamedTuple):
    """The result of a query: at most `limit` tasks, how many more match, and how many ended tasks were left out."""

    tasks: list[Record]
    more: int
    ended: int


def first_then_all(index: Index, where: str, values: tuple[Any, ...], order: str) -> Iterator[Record]:
    """Yield the records that fit a condition. Only the first ones are read until somebody asks for more."""
    first = index.select(where, values, order, FIRST)
    yield from first
    if len(first) == FIRST:
        yield from itertools.islice(index.each(where, values, order), FIRST, None)


def tasks(session: Session, query: Query) -> Listed:
    """Return the tasks that match a query, in its order.

    :raises Refused: `NOT_FOUND` if there is no agent or role of a given name; `BAD_NAME` or `BAD_VALUE` for values in
        another form.
    """
    index = session.index()
    for name in (query.assigned, query.waiting_for):
        _known(session, name)  # a typing error must not give an empty list
    where, values = _condition(session, query)
    slow = _slow_tests(index, query)
    found = index.select(where, values, SORTS[query.sort], None if slow else query.limit)
    if slow:
        fitting = [record for record in found if all(test(record) for test in slow)]
        listed, total = fitting[: query.limit], len(fitting)
    else:
        full = query.limit is not None and len(found) == query.limit
        listed, total = found, index.count(where, values) if full else len(found)
    ended = among("status", vocabulary.ENDED)
    aside = 0 if query.statuses or query.ended_too else index.count(f"kind = 'task' AND {ended[0]}", ended[1])
    return Listed(listed, total - len(listed), aside)


def _known(session: Session, name: str | None) -> None:
    if name is None:
        return
    from opsgit.domain import policy

    snapshot = session.look()
    if name not in policy.roles(snapshot.project):
        snapshot.agent(name)


def among(column: str, values: Sequence[Any]) -> tuple[str, tuple[Any, ...]]:
    """Return an SQL condition that a column has one of some values, and these values."""
    return f"{column} IN ({', '.join('?' for _ in values)})", tuple(values)


def _condition(session: Session, query: Query) -> tuple[str, tuple[Any, ...]]:
    """Return the part of a query that the database can decide: a condition over `state`, and its values."""
    statuses = query.statuses or (vocabulary.BY_NEED if query.ended_too else vocabulary.OPEN_BY_NEED)
    parts: list[tuple[str, tuple[Any, ...]]] = [_of_statuses(statuses)]
    if query.priorities:
        parts.append(among("priority", [vocabulary.PRIORITIES.index(word) for word in query.priorities]))
    if query.assigned:
        parts.append(("assigned = ?", (query.assigned,)))
    for tag in query.tags:
        parts.append(("EXISTS (SELECT 1 FROM json_each(record, '$.tags') WHERE value = ?)", (tag,)))
    if query.updated_since:
        parts.append(("updated >= ?", (times.moment(query.updated_since, int(session.clock())),)))
    if query.waiting_for:
        parts.append(among("waits", [query.waiting_for, *_roles_of(session, query.waiting_for)]))
    return " AND ".join(part for part, _ in parts), tuple(value for _, values in parts for value in values)


def _of_statuses(statuses: Sequence[str]) -> tuple[str, tuple[Any, ...]]:
    """Return a condition for tasks of some statuses, in a form that leaves the order to the database's indexes."""
    if set(statuses) == set(vocabulary.OPEN_BY_NEED):
        return "open = 1", ()
    if set(statuses) == set(vocabulary.BY_NEED):
        return "kind = 'task'", ()
    fits, values = among("status", statuses)
    return f"kind = 'task' AND {fits}", values


def _slow_tests(index: Index, query: Query) -> list[Callable[[Record], bool]]:
    """Return tests for the part of a query that the database cannot decide."""
    tests: list[Callable[[Record], bool]] = []
    if query.text:
        wanted = query.text.casefold()
        tests.append(
            lambda r: any(wanted in str(r.get(name, "")).casefold() for name in ("id", "title", "description"))
        )
    if query.blocked:
        tests.append(lambda record: bool(blocked(index, record)))
    return tests


def _roles_of(session: Session, name: str) -> list[str]:
    agent = session.look().find_agent(name)
    return [agent.role] if agent else []


def blocked(index: Index, record: Record) -> list[str]:
    """Return the ids of the tasks that block a task."""
    if not record.get("depends_on"):
        return []
    from opsgit.domain.dependencies import blocked_by

    statuses = index.statuses(record["depends_on"])
    return list(blocked_by(record["status"], record["depends_on"], statuses.get))


def waiting(index: Index, record: Record) -> tuple[str, str] | None:
    """Return the agent or role that has to act next on a task, and what it has to do; None as `waits_for`."""
    from opsgit.domain.dependencies import with_blockers

    found = index.waits_of(names.task_path(record["id"]))
    return (found[0], with_blockers(found[1], blocked(index, record))) if found else None


def check_fields(fields: Sequence[str]) -> None:
    """Refuse a field that tasks do not have.

    :raises Refused: `UNKNOWN_FIELD`.
    """
    odd = [name for name in fields if name not in FIELDS]
    if odd:
        refuse("UNKNOWN_FIELD", f"a task has no field {odd[0]!r}; there are {', '.join(FIELDS)}", "--fields id,title")


def described(session: Session, record: Record, fields: Sequence[str] = ()) -> dict[str, Any]:
    """Return a task with the computed fields of a list.

    :param fields: return only these fields; none means all fields and `blocked_by`.
    """
    index = session.index()
    told = {**record, "blocked_by": blocked(index, record)}
    if {"waiting_for", "waiting_to"} & set(fields):
        told["waiting_for"], told["waiting_to"] = waiting(index, record) or ("", "")
    if "updated" in fields:
        path = names.task_path(record["id"])
        told["updated"] = times.text(index.touched("path = ?", (path,), "path")[0][1])
    return {name: told.get(name) for name in fields} if fields else told


def task(session: Session, task_id: str) -> Record:
    """Return a task as it is now. While it is in review, its review branch counts.

    :raises Refused: `BAD_ID` or `NOT_FOUND`; the code of the first finding if the review branch breaks a rule.
    """
    found = session.index().select("path = ?", (names.task_path(names.check_id(task_id)),), ORDER)
    if found and found[0]["status"] != vocabulary.IN_REVIEW:
        return found[0]
    session.look().task(task_id)  # raises NOT_FOUND
    record = session.look(task_id).record(names.task_path(task_id))
    assert record
    if record["status"] == vocabulary.IN_REVIEW and session.transaction().branch(task_id) is None:
        from opsgit.operations.transactions import half_pushed, mend_half_pushed

        session.notices.append(f"{half_pushed(task_id)} ({mend_half_pushed(task_id)})")
    return record


def submitted(session: Session, task_id: str) -> bool:
    """Return whether a task was ever submitted on this ledger."""
    return bool(session.index().log("path = ? AND op = 'task.submit'", (names.task_path(task_id),), 1))


SHOWN = ("status", "at", "by", "output", "notes", "ref", "op", "said", "text", "thread", "check", "what", "commit",
         "assigned", "evidence")  # fmt: skip


def history(session: Session, task_id: str | None, limit: int | None = None) -> list[dict[str, Any]]:
    """Return the operations on a task, or all operations, oldest first, as the ledger has them.

    An entry has `status` if the operation was a transition, and `output`, `notes`, `ref`, `assigned` and `evidence`
    where they apply. Entries that were imported with the task come first; they are marked `imported`.

    :param limit: return only this many of the newest entries.
    :raises Refused: `BAD_ID` or `NOT_FOUND`.
    """
    if task_id is None:
        found = session.index().log("1", (), limit)
    else:
        task = session.look().record(names.task_path(names.check_id(task_id)))
        session.look().task(task_id)  # raises NOT_FOUND
        found = session.index().log("path = ?", (names.task_path(task_id),), limit)
        past = (task or {}).get("imported", {}).get("history", ())
        return [*({**event, "imported": True} for event in past), *map(shown, found)][-(limit or 0) :]
    return [shown(entry) for entry in found]


def shown(entry: dict[str, Any]) -> dict[str, Any]:
    """Return an entry of the index's log in the form that users see: times are RFC 3339 text."""
    said = {"notes": entry["note"]} if "note" in entry else {}
    known = {**entry, **said, "at": times.text(entry["at"])}
    return {name: known[name] for name in SHOWN if name in known}
