"""The index: what was parsed, kept in sqlite3 inside the git folder. A cache that may be deleted at any time.

`parsed` holds each blob's record; `state` what the ledger's tip holds, so that lists need not walk the tree. A new
commit costs what it changed.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opsgit.domain import names

if TYPE_CHECKING:
    from opsgit.domain.records import Record

FORMAT = 1
_TABLES = f"""
PRAGMA user_version = {FORMAT};
CREATE TABLE parsed (blob TEXT PRIMARY KEY, record TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE state (path TEXT PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL, blob TEXT NOT NULL,
    status TEXT, priority INTEGER, assigned TEXT, title TEXT) WITHOUT ROWID;
CREATE TABLE tip (only INTEGER PRIMARY KEY CHECK (only = 1), id TEXT NOT NULL);
CREATE INDEX by_status ON state (kind, status);
"""
_KEEP = "INSERT OR IGNORE INTO parsed VALUES (?, ?)"
PRIORITY = {"critical": 0, "high": 1, "medium": 2, "low": 3}
Row = tuple[str, str, str, str, str | None, int | None, str | None, str | None]


class Index:
    """The index of one repository."""

    def __init__(self, folder: Path) -> None:
        self.path: Path | None = folder / "index.db"
        if os.access(folder if folder.exists() else folder.parent, os.W_OK):
            folder.mkdir(exist_ok=True)
        else:
            self.path = None  # somebody who may only read still reads, without a cache
        self.base = self._open()

    def _open(self) -> sqlite3.Connection:
        base = sqlite3.connect(self.path or ":memory:", timeout=30, isolation_level=None)
        try:
            base.execute("PRAGMA synchronous = OFF")
            version = base.execute("PRAGMA user_version").fetchone()[0]
            if version != FORMAT:
                self._build(base)
        except sqlite3.DatabaseError as error:
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
            for table in ("parsed", "state", "tip"):
                base.execute(f"DROP TABLE IF EXISTS {table}")
            for statement in _TABLES.split(";"):
                base.execute(statement)
        base.execute("COMMIT")

    def close(self) -> None:
        """Close the file."""
        self.base.close()

    def record(self, blob: str) -> Record | None:
        """The record that was parsed from a blob, or None when it never was."""
        row = self.base.execute("SELECT record FROM parsed WHERE blob = ?", (blob,)).fetchone()
        return json.loads(row[0]) if row else None

    def keep(self, records: Iterable[tuple[str, Record]]) -> None:
        """Remember what blobs hold."""
        rows = [(blob, json.dumps(record, ensure_ascii=False)) for blob, record in records]
        try:
            self.base.executemany(_KEEP, rows)
        except sqlite3.OperationalError as error:
            self._retreat(error)
            self.base.executemany(_KEEP, rows)

    def _retreat(self, error: sqlite3.OperationalError) -> None:
        """Go on in memory: a cache that cannot be written (a full disk) is no reason to fail."""
        if self.path is None:
            raise error
        self.base.close()
        self.path = None
        self.base = self._open()

    def tip(self) -> str | None:
        """The commit whose files `state` lists."""
        row = self.base.execute("SELECT id FROM tip").fetchone()
        return row[0] if row else None

    def advance(
        self, old: str | None, new: str, changed: Mapping[str, str | None], record: Callable[[str, str], Record]
    ) -> None:
        """Bring `state` from one commit to another, in one transaction; does nothing when it is elsewhere by then.

        :param changed: the blob at each changed path, None when it is gone.
        :param record: gives the checked record of a path and blob.
        """
        try:
            self.base.execute("BEGIN IMMEDIATE")
            if self.tip() == old:
                self._apply(new, changed, record)
            self.base.execute("COMMIT")
        except sqlite3.OperationalError as error:
            self._retreat(error)
        except BaseException:
            self.base.execute("ROLLBACK")
            raise

    def _apply(self, new: str, changed: Mapping[str, str | None], record: Callable[[str, str], Record]) -> None:
        rows, parsed = [], []
        for path, blob in changed.items():
            if blob is not None and not names.is_house(path):
                found = record(path, blob)
                parsed.append((blob, found))
                rows.append(_row(path, blob, found))
        self.base.executemany("DELETE FROM state WHERE path = ?", [(path,) for path in changed])
        self.base.executemany("INSERT INTO state VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
        self.keep(parsed)
        self.base.execute("INSERT OR REPLACE INTO tip VALUES (1, ?)", (new,))

    def restart(self) -> None:
        """Forget the state, to be listed anew."""
        self.base.executescript("DELETE FROM state; DELETE FROM tip;")

    def select(self, where: str, values: tuple[Any, ...], order: str, limit: int | None = None) -> list[Record]:
        """The records of the state rows that fit.

        :param where: a condition over the columns of `state`, with ? for `values`; never a user's text.
        """
        query = f"SELECT record FROM state JOIN parsed USING (blob) WHERE {where} ORDER BY {order} LIMIT ?"  # noqa: S608
        rows = self.base.execute(query, (*values, -1 if limit is None else limit))
        return [json.loads(row[0]) for row in rows]

    def count(self, where: str, values: tuple[Any, ...]) -> int:
        """How many state rows fit."""
        query = f"SELECT count(*) FROM state WHERE {where}"  # noqa: S608
        return int(self.base.execute(query, values).fetchone()[0])


def _row(path: str, blob: str, record: Record) -> Row:
    kind, name = names.place(path)
    get = record.get
    rank = PRIORITY.get(get("priority", ""), 9) if kind == "task" else None
    return path, kind, name, blob, get("status"), rank, get("assigned"), get("title")
