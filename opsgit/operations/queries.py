"""What is read, straight from the index: lists of tasks, one task, history."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from opsgit.domain import names, times, vocabulary
from opsgit.domain.refusals import refuse
from opsgit.operations.session import Session
from opsgit.storage.index import Index

if TYPE_CHECKING:
    from opsgit.domain.records import Record

ORDER = "priority, path"
UPDATED = "(SELECT max(time) FROM log WHERE log.path = state.path)"
SORTS = {
    "need": "need, priority, created, path",
    "priority": "priority, created, path",
    "age": "created, path",
    "updated": f"{UPDATED} DESC, path",
    "id": "name",
}
# What a list can say of a task beside the fields of its file.
WORKED_OUT = ("blocked_by", "waiting_for", "waiting_to", "updated")
FIELDS = ("id", "title", "description", "status", "priority", "tags", "pipeline", "assigned", "depends_on", "created",
          "created_by", "imported", "contributors", "progress", "submission", "rejected", "review", "deployment",
          "comments", *WORKED_OUT)  # fmt: skip


class Query(NamedTuple):
    """Which tasks are wanted, in which order. An empty field asks for nothing; without statuses open work is meant.

    `waiting_for` is an agent or role, `updated_since` a duration (`2d`) or a time, `sort` a key of `SORTS`.
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
    """Tasks that fit a query: at most its limit, how many more there are, and how many ended ones were left aside."""

    tasks: list[Record]
    more: int
    ended: int


def synced(session: Session) -> Index:
    """The index, brought to the ledger's tip."""
    repository = session.repository
    tip = repository.tip()
    if repository.index.tip() != tip:
        from opsgit.operations import trust
        from opsgit.storage import reader

        trust.judge_ledger(repository, tip)
        reader.sync_index(repository.objects(), repository.index, tip)
    return repository.index


def tasks(session: Session, query: Query) -> Listed:
    """The tasks that fit, in the query's order."""
    index = synced(session)
    for name in (query.assigned, query.waiting_for):
        _known(session, name)  # refuses when there is none: a typing error is no empty list
    where, values = _condition(session, query)
    slow = _slow_tests(session, index, query)
    found = index.select(where, values, SORTS[query.sort], None if slow else query.limit)
    if slow:
        fitting = [record for record in found if all(test(record) for test in slow)]
        listed, total = fitting[: query.limit], len(fitting)
    else:
        full = query.limit is not None and len(found) == query.limit
        listed, total = found, index.count(where, values) if full else len(found)
    ended = _in("status", vocabulary.ENDED)
    aside = 0 if query.statuses or query.ended_too else index.count(f"kind = 'task' AND {ended[0]}", ended[1])
    return Listed(listed, total - len(listed), aside)


def _known(session: Session, name: str | None) -> None:
    if name is None:
        return
    from opsgit.domain import policy

    snapshot = session.look()
    if name not in policy.roles(snapshot.project):
        snapshot.agent(name)


def _in(column: str, values: Sequence[Any]) -> tuple[str, tuple[Any, ...]]:
    return f"{column} IN ({', '.join('?' for _ in values)})", tuple(values)


def _condition(session: Session, query: Query) -> tuple[str, tuple[Any, ...]]:
    """What the database can decide by itself: a condition over `state`, and its values."""
    statuses = query.statuses or (vocabulary.BY_NEED if query.ended_too else vocabulary.OPEN_BY_NEED)
    parts: list[tuple[str, tuple[Any, ...]]] = [("kind = 'task'", ()), _in("status", statuses)]
    if query.priorities:
        parts.append(_in("priority", [vocabulary.PRIORITIES.index(word) for word in query.priorities]))
    if query.assigned:
        parts.append(("assigned = ?", (query.assigned,)))
    for tag in query.tags:
        parts.append(("EXISTS (SELECT 1 FROM json_each(record, '$.tags') WHERE value = ?)", (tag,)))
    if query.updated_since:
        parts.append((f"{UPDATED} >= ?", (times.moment(query.updated_since, int(session.clock())),)))
    return " AND ".join(part for part, _ in parts), tuple(value for _, values in parts for value in values)


def _slow_tests(session: Session, index: Index, query: Query) -> list[Callable[[Record], bool]]:
    """What is decided task by task, because the domain says what it means."""
    tests: list[Callable[[Record], bool]] = []
    if query.text:
        wanted = query.text.casefold()
        tests.append(
            lambda r: any(wanted in str(r.get(name, "")).casefold() for name in ("id", "title", "description"))
        )
    if query.blocked:
        tests.append(lambda record: bool(blocked(index, record)))
    if query.waiting_for:
        meant = {query.waiting_for, *_roles_of(session, query.waiting_for)}
        tests.append(lambda record: bool(meant & set(_waiting(session, index, record)[0].split(", "))))
    return tests


def _roles_of(session: Session, name: str) -> list[str]:
    agent = session.look().find_agent(name)
    return [agent.role] if agent else []


def blocked(index: Index, record: Record) -> list[str]:
    """The ids of the tasks that a task is blocked by."""
    if not record.get("depends_on"):
        return []
    from opsgit.domain.dependencies import blocked_by

    statuses = index.statuses(record["depends_on"])
    return list(blocked_by(record["status"], record["depends_on"], statuses.get))


def _waiting(session: Session, index: Index, record: Record) -> tuple[str, str]:
    from opsgit.domain import rules
    from opsgit.domain.model import Task
    from opsgit.domain.next_steps import waits_for
    from opsgit.domain.records import from_record

    book, active = rules.in_force(session.look().project), set(index.active_agents())
    return waits_for(book, from_record(Task, record), active.__contains__, blocked(index, record)) or ("", "")


def check_fields(fields: Sequence[str]) -> None:
    """Refuse a field that no task has with `UNKNOWN_FIELD`."""
    odd = [name for name in fields if name not in FIELDS]
    if odd:
        refuse("UNKNOWN_FIELD", f"a task has no field {odd[0]!r}; there are {', '.join(FIELDS)}", "--fields id,title")


def described(session: Session, record: Record, fields: Sequence[str] = ()) -> dict[str, Any]:
    """A task with what a list can say of it; only the fields that are named where any are."""
    index = synced(session)
    told = {**record, "blocked_by": blocked(index, record)}
    if {"waiting_for", "waiting_to"} & set(fields):
        told["waiting_for"], told["waiting_to"] = _waiting(session, index, record)
    if "updated" in fields:
        path = names.task_path(record["id"])
        told["updated"] = times.text(index.log("path = ?", (path,), 1)[0]["at"])
    return {name: told.get(name) for name in fields} if fields else told


def task(session: Session, task_id: str) -> Record:
    """A task as it is now; while it is in review, as its review branch has it."""
    found = synced(session).select("path = ?", (names.task_path(names.check_id(task_id)),), ORDER)
    if found and found[0]["status"] != vocabulary.IN_REVIEW:
        return found[0]
    session.look().task(task_id)  # refuses when there is none
    record = session.look(task_id).record(names.task_path(task_id))
    assert record
    if record["status"] == vocabulary.IN_REVIEW and session.transaction().branch(task_id) is None:
        from opsgit.operations.transactions import half_pushed, mend_half_pushed

        session.notices.append(f"{half_pushed(task_id)} ({mend_half_pushed(task_id)})")
    return record


SHOWN = ("status", "at", "by", "output", "notes", "ref", "op", "what", "commit", "assigned", "evidence")


def history(session: Session, task_id: str | None, limit: int | None = None) -> list[dict[str, Any]]:
    """Every operation on a task (or on everything), oldest first.

    `status` is there when the operation was a transition; `output`, `notes`, `ref`, `assigned` and `evidence` where
    there is one. What a task brought from another tracker comes first, marked `imported`.
    """
    if task_id is None:
        found = synced(session).log("1", (), limit)
    else:
        task = session.look().record(names.task_path(names.check_id(task_id)))
        session.look().task(task_id)  # refuses when there is none
        found = synced(session).log("path = ?", (names.task_path(task_id),), limit)
        past = (task or {}).get("imported", {}).get("history", ())
        return [*({**event, "imported": True} for event in past), *map(shown, found)][-(limit or 0) :]
    return [shown(entry) for entry in found]


def shown(entry: dict[str, Any]) -> dict[str, Any]:
    """An entry of the log as history shows it."""
    said = {"notes": entry["note"]} if "note" in entry else {}
    known = {**entry, **said, "at": times.text(entry["at"])}
    return {name: known[name] for name in SHOWN if name in known}
