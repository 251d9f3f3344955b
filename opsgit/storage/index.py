"""The index: a cache of parsed records in an SQLite file in the git folder. It may be deleted at any time.

The table `parsed` holds the record of each blob. `state` lists the files at the ledger's tip with the time of the last
operation on each (`updated`), so that lists need not walk the tree. `log` holds the ledger's operations, oldest first.
`agent` holds what each agent has completed, and when it was last active. `line` holds the text of each task
in state.json, as far as it was compiled before. An update costs only what changed.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from opsgit.domain import names, vocabulary
from opsgit.storage import waiting
from opsgit.storage.disk import Damaged
from opsgit.storage.parts import TOGETHER, in_parts

if TYPE_CHECKING:
    from opsgit.domain.records import Record

FORMAT = 10
_TABLES = f"""
PRAGMA user_version = {FORMAT};
CREATE TABLE parsed (blob TEXT PRIMARY KEY, record TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE state (path TEXT PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL, blob TEXT NOT NULL,
    status TEXT, need INTEGER, priority INTEGER, assigned TEXT, created TEXT, open INTEGER, updated INTEGER,
    waits TEXT, todo TEXT, brought INTEGER) WITHOUT ROWID;
CREATE TABLE tip (only INTEGER PRIMARY KEY CHECK (only = 1), id TEXT NOT NULL);
CREATE INDEX by_status ON state (kind, status, updated);
CREATE INDEX by_urgency ON state (kind, status, priority, created, path);
CREATE INDEX by_need ON state (kind, need, priority, created, path);
CREATE INDEX by_priority ON state (kind, priority, created, path);
CREATE INDEX by_age ON state (kind, created, path);
CREATE INDEX by_update ON state (kind, updated, path);
CREATE INDEX by_name ON state (kind, name);
CREATE INDEX open_need ON state (need, priority, created, path) WHERE open = 1;
CREATE INDEX open_priority ON state (priority, created, path) WHERE open = 1;
CREATE INDEX open_age ON state (created, path) WHERE open = 1;
CREATE INDEX open_update ON state (updated, path) WHERE open = 1;
CREATE INDEX open_name ON state (name) WHERE open = 1;
CREATE INDEX open_holder ON state (assigned, status, updated) WHERE open = 1;
CREATE INDEX open_waits ON state (waits, name) WHERE open = 1;
CREATE INDEX imported ON state (brought) WHERE brought > 0;
CREATE TABLE line (name TEXT PRIMARY KEY, text TEXT) WITHOUT ROWID;
CREATE INDEX missing ON line (name) WHERE text IS NULL;
CREATE TABLE log (seq INTEGER PRIMARY KEY, id TEXT NOT NULL, time INTEGER NOT NULL, agent TEXT NOT NULL,
    op TEXT NOT NULL, path TEXT NOT NULL, status TEXT, entry TEXT NOT NULL);
CREATE INDEX by_path ON log (path, seq);
CREATE INDEX by_move ON log (status, seq) WHERE status IS NOT NULL;
CREATE TABLE agent (name TEXT PRIMARY KEY, completed INTEGER NOT NULL, last INTEGER) WITHOUT ROWID;
CREATE INDEX by_time ON log (time);
{waiting.TABLES}"""
_TOUCH = "UPDATE state SET updated = (SELECT max(time) FROM log WHERE log.path = state.path) WHERE path = ?"
_TALLY = """
INSERT INTO agent VALUES (?, ?, ?)
ON CONFLICT (name) DO UPDATE SET completed = completed + excluded.completed,
    last = max(coalesce(last, excluded.last), coalesce(excluded.last, last))"""
_STANDING = "SELECT path, record, waits, todo FROM state JOIN parsed USING (blob) WHERE kind = 'task'"
_NAMED = "name IN (SELECT value FROM json_each(?)) ORDER BY name"
FIRST = 50
_LISTS = ("state", "tip", "log", "agent", "concern", "line")  # the tables that follow the tip
_KEEP = "INSERT OR IGNORE INTO parsed VALUES (?, ?)"
PRIORITY = {word: rank for rank, word in enumerate(vocabulary.PRIORITIES)}
NEED = {status: rank for rank, status in enumerate(vocabulary.BY_NEED)}
# One operation: commit, at (seconds after the epoch), by, op, path, what; also blob (the file at path after it),
# status, note and others if present.
Entry = dict[str, Any]
Row = tuple[str, str, str, str, str | None, int | None, int | None, str | None, str | None, int | None, int]
# A task as `state` has it: path, record, who has to act, and what is to be done.
Standing = tuple[str, "Record", str | None, str | None]


class Index:
    """The index of one repository.

    :param folder: opsgit's folder in the git folder; None keeps the index in memory.
    """

    def __init__(self, folder: Path | None) -> None:
        self.path: Path | None = folder / "index.db" if folder else None
        self.unstored: dict[str, str] = {}  # records as JSON by blob, not in the file yet
        if folder is None:
            pass  # in memory: verification must not trust a file in the git folder
        elif os.access(folder if folder.exists() else folder.parent, os.W_OK):
            folder.mkdir(exist_ok=True)
        else:
            self.path = None  # a user without write access can still read, without a cache
        self.base = self._open()

    def _open(self) -> sqlite3.Connection:
        base = None
        try:
            base = sqlite3.connect(self.path or ":memory:", timeout=5, isolation_level=None)
            base.execute("PRAGMA synchronous = OFF")
            version = base.execute("PRAGMA user_version").fetchone()[0]
            if version != FORMAT:
                self._build(base)
        except sqlite3.DatabaseError as error:
            if base:
                base.close()
            if self.path is None:
                raise
            if isinstance(error, sqlite3.OperationalError):
                self.path = None  # the file cannot be used: continue in memory
            else:
                self.path.unlink()  # the file is damaged, for example by a crash: start a new one
            return self._open()
        return base

    def _build(self, base: sqlite3.Connection) -> None:
        base.execute("BEGIN IMMEDIATE")
        if base.execute("PRAGMA user_version").fetchone()[0] != FORMAT:
            for table in ("parsed", *_LISTS):
                base.execute(f"DROP TABLE IF EXISTS {table}")
            for statement in _TABLES.split(";"):
                base.execute(statement)
        base.execute("COMMIT")

    def close(self) -> None:
        """Store the records that were kept last, and close the database."""
        self._store()
        self.base.close()

    def _read(self, query: str, values: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
        """Run a query now, and return an iterator over its rows.

        :raises Damaged: if the database cannot be read, also by the iterator; a damaged file has been removed, and the
            caller can start again.
        """
        try:
            return self._rows(self.base.execute(query, values))
        except sqlite3.DatabaseError as error:
            self._damaged(error)

    def _rows(self, rows: sqlite3.Cursor) -> Iterator[tuple[Any, ...]]:
        try:
            yield from rows
        except sqlite3.DatabaseError as error:
            self._damaged(error)

    def _damaged(self, error: sqlite3.DatabaseError) -> NoReturn:
        if isinstance(error, sqlite3.ProgrammingError):  # a mistake of the caller: the file is whole
            raise error
        self._retreat(error)
        raise Damaged(str(error)) from error

    def _row(self, query: str, values: tuple[Any, ...] = ()) -> tuple[Any, ...] | None:
        """Return the first row of a query, or None.

        :raises Damaged: as `_read`.
        """
        return next(self._read(query, values), None)

    def _number(self, query: str, values: tuple[Any, ...] = ()) -> int:
        """Return the number that a query gives; 0 if it gives no row.

        :raises Damaged: as `_read`.
        """
        row = self._row(query, values)
        return int(row[0]) if row else 0

    def record(self, blob: str) -> Record | None:
        """Return the record that was parsed from a blob, or None if it is not in the cache.

        :param blob: hex id of the blob.
        """
        if blob in self.unstored:
            return json.loads(self.unstored[blob])  # type: ignore[no-any-return]
        row = self._row("SELECT record FROM parsed WHERE blob = ?", (blob,))
        return json.loads(row[0]) if row else None

    def at(self, path: str) -> Record | None:
        """Return the record of a file at the tip, or None.

        :raises Damaged: as `_read`.
        """
        return next(self.each("path = ?", (path,), "path"), None)

    def names(self, folder: str) -> list[str]:
        """Return the names of the files and folders in a folder at the tip, in order.

        :raises Damaged: as `_read`.
        """
        begin = f"{folder}/"
        rows = self._read("SELECT path FROM state WHERE path > ? AND path < ?", (begin, f"{folder}0"))  # 0 follows /
        return sorted({path[len(begin) :].partition("/")[0] for (path,) in rows})

    def highest_number(self) -> int:
        """Return the highest number in an id `T-<number>` of a task; 0 without any.

        :raises Damaged: as `_read`.
        """
        query = (
            "SELECT substr(name, 3) AS number FROM state WHERE kind = 'task' AND upper(substr(name, 1, 2)) = 'T-'"
            " AND number GLOB '[1-9]*' AND number NOT GLOB '*[^0-9]*' ORDER BY length(number) DESC, number DESC LIMIT 1"
        )  # a number may be longer than the database can compute with
        return self._number(query)

    def newest(self) -> int:
        """Return the time of the ledger's last operation (seconds after the epoch).

        :raises Damaged: as `_read`.
        """
        return self._number("SELECT time FROM log ORDER BY seq DESC LIMIT 1")

    def oldest(self) -> int:
        """Return the time of the ledger's first operation (seconds after the epoch).

        :raises Damaged: as `_read`.
        """
        return self._number("SELECT time FROM log ORDER BY seq LIMIT 1")

    def latest(self) -> int:
        """Return the latest time of an operation (seconds after the epoch): not the last one's after a reset clock.

        :raises Damaged: as `_read`.
        """
        return self._number("SELECT coalesce(max(time), 0) FROM log")

    def known(self, blobs: Sequence[str]) -> set[str]:
        """Return those blobs (hex ids) whose records are in the cache."""
        query = "SELECT blob FROM parsed WHERE blob IN (SELECT value FROM json_each(?))"
        return {row[0] for row in self._read(query, (json.dumps(list(blobs)),))} | (self.unstored.keys() & set(blobs))

    def keep(self, blob: str, record: Record) -> None:
        """Keep a parsed record. It is stored with others, at the latest when the index is closed.

        :param blob: hex id of the blob.
        """
        self.unstored.setdefault(blob, _dump(record))
        if len(self.unstored) >= TOGETHER:
            self._store()

    def _store(self) -> None:
        rows = list(self.unstored.items())
        if not rows:
            return
        self.unstored.clear()
        alone = not self.base.in_transaction  # `advance` reads records in its own transaction
        try:
            self.base.execute("BEGIN IMMEDIATE" if alone else "SELECT 1")
            self.base.executemany(_KEEP, rows)
            self.base.execute("COMMIT" if alone else "SELECT 1")
        except sqlite3.DatabaseError as error:
            self._retreat(error)
            self.base.executemany(_KEEP, rows)

    def _retreat(self, error: sqlite3.DatabaseError) -> None:
        """Continue with an empty index in memory: a command must not fail because its cache cannot be written."""
        if self.path is None:
            raise error
        self.base.close()
        if not isinstance(error, sqlite3.OperationalError):
            self.path.unlink(missing_ok=True)  # the file is damaged: the next command starts a new one
        self.path = None
        self.base = self._open()

    def tip(self) -> str | None:
        """Return the hex id of the commit whose files `state` lists, or None for a new index."""
        row = self._row("SELECT id FROM tip")
        return row[0] if row else None

    def advance(
        self,
        old: str | None,
        new: str,
        changed: Iterable[tuple[str, str | None]],
        record: Callable[[str, str], Record],
        log: Iterable[Entry],
        anew: bool = False,
    ) -> None:
        """Bring `state` and `log` from one commit to another, in one transaction. `changed` and `log` may be long.

        Nothing happens if the index is no longer at `old`. If the file cannot be written, the index continues in
        memory.

        :param old: hex id of the commit that the index is at, None for a new index.
        :param new: hex id of the commit that it shall be at.
        :param changed: each changed path with the hex id of its blob, None if the file was removed.
        :param record: returns the checked record for a path and the hex id of its blob.
        :param log: the ledger's operations between the two commits, oldest first.
        :param anew: whether `changed` and `log` hold all that there is: what was listed before is forgotten. Another
            process sees the old state or the new one.
        """
        base = self.base
        try:
            base.execute("BEGIN IMMEDIATE")
            if self.tip() == old:
                if anew:
                    self.restart()
                self._log(log)
                changes = waiting.Changes(self.base)
                for some in in_parts(changed):
                    self._apply(some, record, changes)
                changes.compute()
                self.base.execute("INSERT OR REPLACE INTO tip VALUES (1, ?)", (new,))
            self.base.execute("COMMIT")
        except sqlite3.DatabaseError as error:
            self._retreat(error)
        except BaseException:
            if self.base is base:  # else the database was damaged and has been replaced
                base.execute("ROLLBACK")
            raise

    def _log(self, log: Iterable[Entry]) -> None:
        for some in in_parts(log):
            self.base.executemany(_TALLY, _tallies(some))
            rows = [(e["commit"], e["at"], e["by"], e["op"], e["path"], e.get("status"), _dump(e)) for e in some]
            self.base.executemany("INSERT INTO log VALUES (NULL, ?, ?, ?, ?, ?, ?, ?)", rows)
            touched = {row[4] for row in rows}
            self.base.executemany(_TOUCH, [(path,) for path in touched])
            waiting.forget_line(self.base, touched)  # a file may be as it was before two operations

    def _apply(
        self,
        changed: Sequence[tuple[str, str | None]],
        record: Callable[[str, str], Record],
        changes: waiting.Changes,
    ) -> None:
        rows, parsed, lines = [], [], list[tuple[str]]()
        for path, blob in changed:
            if names.is_managed(path):
                continue
            kind, name = names.place(path)
            found = record(path, blob) if blob else None
            changes.note(kind, name, path, found)
            lines += [(name,)] if kind == "task" else []
            if blob and found is not None:
                parsed.append((blob, _dump(found)))
                rows.append(_row(path, kind, name, blob, found))
        paths = [path for path, _ in changed]
        self.base.executemany("DELETE FROM state WHERE path = ?", [(path,) for path in paths])
        waiting.forget(self.base, paths)
        self.base.executemany("DELETE FROM line WHERE name = ?", lines)
        self.base.executemany("INSERT INTO line VALUES (?, NULL)", [row[2:3] for row in rows if row[1] == "task"])
        self.base.executemany("INSERT INTO state VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL, NULL, ?)", rows)
        self.base.executemany(_TOUCH, [(path,) for path in paths])
        self.base.executemany(_KEEP, parsed)

    def restart(self) -> None:
        """Empty `state` and `log`, so that they are built again.

        :raises Damaged: as `_read`.
        """
        for table in _LISTS:
            self._read(f"DELETE FROM {table}")  # noqa: S608

    def log(self, where: str, values: tuple[Any, ...] = (), newest: int | None = None) -> list[Entry]:
        """Return the ledger's operations that match a condition, oldest first.

        :param where: an SQL condition over the columns of `log`, with `?` for `values`; it must never hold user input.
        :param newest: return only this many of the newest operations; None returns all.
        :raises Damaged: as `_read`.
        """
        query = f"SELECT entry FROM log WHERE {where} ORDER BY seq DESC LIMIT ?"  # noqa: S608
        rows = list(self._read(query, (*values, -1 if newest is None else newest)))
        return [json.loads(row[0]) for row in reversed(rows)]

    def last_times(self, column: str) -> dict[str, int]:
        """Return the time of the last operation (seconds after the epoch) for each value of a column.

        :param column: `path` or `agent`.
        :raises Damaged: as `_read`.
        """
        if column == "agent":
            return {name: last for name, (_, last) in self.agents().items() if last is not None}
        return dict(self._read("SELECT path, max(time) FROM log GROUP BY path"))

    def select(self, where: str, values: tuple[Any, ...], order: str, limit: int | None = None) -> list[Record]:
        """Return the records of the `state` rows that match a condition.

        :param where: an SQL condition over the columns of `state` and `parsed`, with `?` for `values`; it must never
            hold user input.
        :param order: the SQL order; it must never hold user input either.
        :param limit: the largest number of records; None returns all.
        :raises Damaged: as `_read`.
        """
        return list(self.each(where, values, order, limit))

    def each(self, where: str, values: tuple[Any, ...], order: str, limit: int | None = None) -> Iterator[Record]:
        """Yield the records that `select` returns, one after the other, so that they need not be in memory together."""
        query = f"SELECT record FROM state JOIN parsed USING (blob) WHERE {where} ORDER BY {order} LIMIT ?"  # noqa: S608
        for row in self._read(query, (*values, -1 if limit is None else limit)):
            yield json.loads(row[0])

    def touched(
        self, where: str, values: tuple[Any, ...], order: str, limit: int | None = None
    ) -> list[tuple[Record, int]]:
        """Return records as `select` does, each with the time of the last operation on it (seconds after the epoch)."""
        joined = "state JOIN parsed USING (blob)"
        query = f"SELECT record, updated FROM {joined} WHERE {where} ORDER BY {order} LIMIT ?"  # noqa: S608
        rows = self._read(query, (*values, -1 if limit is None else limit))
        return [(json.loads(record), updated) for record, updated in rows]

    def concerning(self, keys: Iterable[str]) -> Iterator[tuple[Record, int]]:
        """Yield the open tasks under some keys (`domain.concerns`), the most urgent first, each as `touched` does.

        Only as many are read as are asked for.

        :raises Damaged: as `_read`.
        """
        paths, size = waiting.concerning(self.base, keys), FIRST
        while some := list(itertools.islice(paths, size)):
            found = {names.task_path(record["id"]): (record, at) for record, at in self._at(some)}
            yield from (found[path] for path in some if path in found)  # another process may have updated the index
            size = TOGETHER

    def _at(self, paths: Sequence[str]) -> list[tuple[Record, int]]:
        return self.touched("path IN (SELECT value FROM json_each(?))", (json.dumps(list(paths)),), "path")

    @contextlib.contextmanager
    def unchanged(self) -> Iterator[None]:
        """Let all that is read in between be of one commit: no other process updates the index meanwhile.

        :raises Damaged: as `_read`.
        """
        self._read("BEGIN")
        try:
            self.tip()  # the database is locked from the first read on
            yield
        finally:
            if self.base.in_transaction:  # not if the database was damaged and has been replaced
                self.base.execute("COMMIT")

    def standing(self) -> Iterator[Standing]:
        """Yield all tasks in the order of their ids."""
        yield from map(_standing, self._read(f"{_STANDING} ORDER BY name"))

    def without_line(self) -> Iterator[Standing]:
        """Yield the tasks whose text in state.json is not kept. The database is not locked between two of them."""
        query, last = "SELECT name FROM line WHERE text IS NULL AND name > ? ORDER BY name LIMIT ?", ""
        while some := [name for (name,) in self._read(query, (last, TOGETHER))]:
            yield from map(_standing, list(self._read(f"{_STANDING} AND {_NAMED}", (json.dumps(some),))))
            last = some[-1]

    def keep_lines(self, tip: str, lines: Sequence[tuple[str, str]]) -> bool:
        """Keep the texts of tasks in state.json.

        :param tip: hex id of the commit at which they were made.
        :param lines: id and text of each.
        :returns: False if the index has moved on or cannot be written now: nothing was kept.
        :raises Damaged: as `_read`.
        """
        try:
            self.base.execute("BEGIN IMMEDIATE")
            same = self.tip() == tip
            if same:
                self.base.executemany("UPDATE line SET text = ? WHERE name = ?", [(text, name) for name, text in lines])
            self.base.execute("COMMIT")
        except sqlite3.OperationalError:  # another process holds it, or the disk is full
            if self.base.in_transaction:
                self.base.execute("ROLLBACK")
            return False
        except sqlite3.DatabaseError as error:
            self._damaged(error)
        return same

    def lines(self) -> Iterator[tuple[str, str | Standing]]:
        """Yield all tasks in the order of their ids: the id, and the text that is kept, or else the task."""
        for name, text in self._read("SELECT name, text FROM line ORDER BY name"):
            yield name, text or next(map(_standing, self._read(f"{_STANDING} AND name = ?", (name,))))

    def awaited(self) -> Iterator[tuple[Record, str, str, int]]:
        """Yield the open tasks that wait for somebody, in the order of their ids.

        Each has who has to act, what is to be done, and the time of the last operation (seconds after the epoch).
        """
        query = (
            "SELECT record, waits, todo, updated FROM state JOIN parsed USING (blob)"
            " WHERE open = 1 AND waits IS NOT NULL ORDER BY name"
        )
        for record, who, what, at in self._read(query):
            yield json.loads(record), who, what, at

    def operations(self) -> int:
        """Return the number of the ledger's operations."""
        return self._number("SELECT count(*) FROM log")

    def brought(self) -> int:
        """Return how many events came with tasks from other trackers."""
        return self._number("SELECT coalesce(sum(brought), 0) FROM state WHERE brought > 0")

    def waits_of(self, path: str) -> tuple[str, str] | None:
        """Return what `waits_for` says of a task, but for what blocks it."""
        row = self._row("SELECT waits, todo FROM state WHERE path = ? AND waits IS NOT NULL", (path,))
        return (row[0], row[1]) if row else None

    def waits(self) -> Iterator[tuple[str, str]]:
        """Yield for each open task, in the order of names, the agent or role that it waits for, and its id."""
        yield from self._read("SELECT waits, name FROM state WHERE open = 1 AND waits IS NOT NULL ORDER BY waits, name")

    def agents(self) -> dict[str, tuple[int, int | None]]:
        """Return for each agent how much it completed (`statistics`), and the time of its last operation on the ledger.

        The time is in seconds after the epoch; None for an agent that only signed off on review branches.
        """
        return {
            name: (completed, last) for name, completed, last in self._read("SELECT name, completed, last FROM agent")
        }

    def tally(self, column: str, where: str, values: tuple[Any, ...]) -> dict[str, int]:
        """Return how many `state` rows that match a condition have each value of a column.

        :param column: `status` or `assigned`.
        :param where: as for `select`.
        """
        return dict(self._read(f"SELECT {column}, count(*) FROM state WHERE {where} GROUP BY {column}", values))  # noqa: S608

    def active_agents(self) -> list[str]:
        """Return the names of the agents that are active."""
        return [row[0] for row in self._read(waiting.ACTIVE)]

    def statuses(self, ids: Iterable[str]) -> dict[str, str]:
        """Return the status of each of the given tasks that exists.

        :param ids: task ids.
        """
        query = "SELECT name, status FROM state WHERE kind = 'task' AND name IN (SELECT value FROM json_each(?))"
        return dict(self._read(query, (json.dumps(list(ids)),)))

    def count(self, where: str, values: tuple[Any, ...]) -> int:
        """Return how many `state` rows match a condition, with `where` and `values` as in `select`."""
        join = " JOIN parsed USING (blob)" if "record" in where else ""
        query = f"SELECT count(*) FROM state{join} WHERE {where}"  # noqa: S608
        return self._number(query, values)


def _standing(row: tuple[Any, ...]) -> Standing:
    path, record, who, what = row
    return path, json.loads(record), who, what


def _tallies(log: Sequence[Entry]) -> list[tuple[str, int, int | None]]:
    """Return what operations add to what their agents completed, with the time of each agent's last one."""
    from opsgit.domain import statistics  # only writes need it

    last: dict[str, int] = {}
    for entry in log:
        last[entry["by"]] = max(entry["at"], last.get(entry["by"], 0))
    found = statistics.figures(log, 0).agents
    return [(name, one.completed, last.get(name)) for name, one in found.items()]


def _dump(found: Mapping[str, Any]) -> str:
    return json.dumps(found, ensure_ascii=False)


def _row(path: str, kind: str, name: str, blob: str, record: Record) -> Row:
    get = record.get
    need, rank = (NEED[get("status", "")], PRIORITY[get("priority", "")]) if kind == "task" else (None, None)
    opened = 1 if kind == "task" and get("status") not in vocabulary.ENDED else None
    brought = len(get("imported", {}).get("history", ())) if kind == "task" else 0
    return path, kind, name, blob, get("status"), need, rank, get("assigned"), get("created"), opened, brought
