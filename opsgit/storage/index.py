"""The index: what was parsed, kept in sqlite3 inside the git folder. A cache that may be deleted at any time.

`parsed` holds each blob's record; `state` what the ledger's tip holds, so that lists need not walk the tree; `log` the
ledger's operations, oldest first. A new commit costs what it changed.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opsgit.domain import names, vocabulary
from opsgit.storage.disk import Damaged

if TYPE_CHECKING:
    from opsgit.domain.records import Record

FORMAT = 3
_TABLES = f"""
PRAGMA user_version = {FORMAT};
CREATE TABLE parsed (blob TEXT PRIMARY KEY, record TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE state (path TEXT PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL, blob TEXT NOT NULL,
    status TEXT, need INTEGER, priority INTEGER, assigned TEXT, created TEXT) WITHOUT ROWID;
CREATE TABLE tip (only INTEGER PRIMARY KEY CHECK (only = 1), id TEXT NOT NULL);
CREATE INDEX by_status ON state (kind, status);
CREATE INDEX by_need ON state (kind, need, priority, created, path);
CREATE INDEX by_name ON state (kind, name);
CREATE TABLE log (seq INTEGER PRIMARY KEY, id TEXT NOT NULL, time INTEGER NOT NULL, agent TEXT NOT NULL,
    op TEXT NOT NULL, path TEXT NOT NULL, status TEXT, entry TEXT NOT NULL);
CREATE INDEX by_path ON log (path, seq);
CREATE INDEX by_time ON log (time);
"""
_KEEP = "INSERT OR IGNORE INTO parsed VALUES (?, ?)"
PRIORITY = {word: rank for rank, word in enumerate(vocabulary.PRIORITIES)}
NEED = {status: rank for rank, status in enumerate(vocabulary.BY_NEED)}
Entry = dict[str, Any]  # one operation: commit, at (seconds), by, op, path, what, and status, note ... where there are
Row = tuple[str, str, str, str, str | None, int | None, int | None, str | None, str | None]


class Index:
    """The index of one repository."""

    def __init__(self, folder: Path | None) -> None:
        self.path: Path | None = folder / "index.db" if folder else None
        if folder is None:
            pass  # in memory: for who must not trust what lies in the git folder
        elif os.access(folder if folder.exists() else folder.parent, os.W_OK):
            folder.mkdir(exist_ok=True)
        else:
            self.path = None  # somebody who may only read still reads, without a cache
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
                self.path = None  # it cannot be written
            else:
                self.path.unlink()  # it is damaged, by a crash perhaps
            return self._open()
        return base

    def _build(self, base: sqlite3.Connection) -> None:
        base.execute("BEGIN IMMEDIATE")
        if base.execute("PRAGMA user_version").fetchone()[0] != FORMAT:
            for table in ("parsed", "state", "tip", "log"):
                base.execute(f"DROP TABLE IF EXISTS {table}")
            for statement in _TABLES.split(";"):
                base.execute(statement)
        base.execute("COMMIT")

    def close(self) -> None:
        """Close the file."""
        self.base.close()

    def _read(self, query: str, values: tuple[Any, ...] = ()) -> sqlite3.Cursor:
        """Ask; raises `Damaged`, after the damaged file was removed, so that the caller may begin anew."""
        try:
            return self.base.execute(query, values)
        except sqlite3.DatabaseError as error:
            self._retreat(error)
            raise Damaged(str(error)) from error

    def record(self, blob: str) -> Record | None:
        """The record that was parsed from a blob, or None when it never was."""
        row = self._read("SELECT record FROM parsed WHERE blob = ?", (blob,)).fetchone()
        return json.loads(row[0]) if row else None

    def keep(self, records: Iterable[tuple[str, Record]]) -> None:
        """Remember what blobs hold."""
        rows = [(blob, json.dumps(record, ensure_ascii=False)) for blob, record in records]
        try:
            self.base.executemany(_KEEP, rows)
        except sqlite3.DatabaseError as error:
            self._retreat(error)
            self.base.executemany(_KEEP, rows)

    def _retreat(self, error: sqlite3.DatabaseError) -> None:
        """Go on in memory: a cache that cannot be written (a full disk) is no reason to fail."""
        if self.path is None:
            raise error
        self.base.close()
        if not isinstance(error, sqlite3.OperationalError):
            self.path.unlink(missing_ok=True)  # damaged: the next command begins a new one
        self.path = None
        self.base = self._open()

    def tip(self) -> str | None:
        """The commit whose files `state` lists."""
        row = self._read("SELECT id FROM tip").fetchone()
        return row[0] if row else None

    def advance(
        self,
        old: str | None,
        new: str,
        changed: Mapping[str, str | None],
        record: Callable[[str, str], Record],
        log: Iterable[Entry],
    ) -> None:
        """Bring `state` and `log` from one commit to another, in one transaction; nothing when it is elsewhere by then.

        :param changed: the blob at each changed path, None when it is gone.
        :param record: gives the checked record of a path and blob.
        :param log: the ledger's operations between the two, oldest first.
        """
        base = self.base
        try:
            base.execute("BEGIN IMMEDIATE")
            if self.tip() == old:
                self._apply(new, changed, record)
                rows = [(e["commit"], e["at"], e["by"], e["op"], e["path"], e.get("status"), _dump(e)) for e in log]
                self.base.executemany("INSERT INTO log VALUES (NULL, ?, ?, ?, ?, ?, ?, ?)", rows)
            self.base.execute("COMMIT")
        except sqlite3.DatabaseError as error:
            self._retreat(error)
        except BaseException:
            if self.base is base:  # else it was damaged, and is replaced
                base.execute("ROLLBACK")
            raise

    def _apply(self, new: str, changed: Mapping[str, str | None], record: Callable[[str, str], Record]) -> None:
        rows, parsed = [], []
        for path, blob in changed.items():
            if blob is not None and not names.is_managed(path):
                found = record(path, blob)
                parsed.append((blob, found))
                rows.append(_row(path, blob, found))
        self.base.executemany("DELETE FROM state WHERE path = ?", [(path,) for path in changed])
        self.base.executemany("INSERT INTO state VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
        self.base.executemany(_KEEP, [(blob, json.dumps(record, ensure_ascii=False)) for blob, record in parsed])
        self.base.execute("INSERT OR REPLACE INTO tip VALUES (1, ?)", (new,))

    def restart(self) -> None:
        """Forget state and log, to be listed anew."""
        for table in ("state", "tip", "log"):
            self._read(f"DELETE FROM {table}")  # noqa: S608

    def log(self, where: str, values: tuple[Any, ...] = (), newest: int | None = None) -> list[Entry]:
        """The ledger's operations that fit, oldest first; only the newest so many when a number is given.

        :param where: a condition over the columns of `log`, with ? for `values`; never a user's text.
        """
        query = f"SELECT entry FROM log WHERE {where} ORDER BY seq DESC LIMIT ?"  # noqa: S608
        rows = self._read(query, (*values, -1 if newest is None else newest)).fetchall()
        return [json.loads(row[0]) for row in reversed(rows)]

    def last_times(self, column: str) -> dict[str, int]:
        """The time of the last operation for each value of a column (`path` or `agent`)."""
        query = f"SELECT {column}, max(time) FROM log GROUP BY {column}"  # noqa: S608
        return dict(self._read(query).fetchall())

    def select(self, where: str, values: tuple[Any, ...], order: str, limit: int | None = None) -> list[Record]:
        """The records of the state rows that fit.

        :param where: a condition over the columns of `state`, with ? for `values`; never a user's text.
        """
        query = f"SELECT record FROM state JOIN parsed USING (blob) WHERE {where} ORDER BY {order} LIMIT ?"  # noqa: S608
        rows = self._read(query, (*values, -1 if limit is None else limit))
        return [json.loads(row[0]) for row in rows]

    def active_agents(self) -> list[str]:
        """The names of the agents that were not removed."""
        found = self._read("SELECT name FROM state WHERE kind = 'agent' AND status = 'active'")
        return [row[0] for row in found]

    def statuses(self, ids: Iterable[str]) -> dict[str, str]:
        """The status of each task of some ids that exists."""
        query = "SELECT name, status FROM state WHERE kind = 'task' AND name IN (SELECT value FROM json_each(?))"
        return dict(self._read(query, (json.dumps(list(ids)),)).fetchall())

    def count(self, where: str, values: tuple[Any, ...]) -> int:
        """How many state rows fit."""
        join = " JOIN parsed USING (blob)" if "record" in where else ""
        query = f"SELECT count(*) FROM state{join} WHERE {where}"  # noqa: S608
        return int(self._read(query, values).fetchone()[0])


def _dump(entry: Entry) -> str:
    return json.dumps(entry, ensure_ascii=False)


def _row(path: str, blob: str, record: Record) -> Row:
    kind, name = names.place(path)
    get = record.get
    need, rank = (NEED[get("status", "")], PRIORITY[get("priority", "")]) if kind == "task" else (None, None)
    return path, kind, name, blob, get("status"), need, rank, get("assigned"), get("created")
