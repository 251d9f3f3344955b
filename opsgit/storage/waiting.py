"""What open tasks wait for, kept in the index. It follows from a task, from who is active, and from the rule book.

So it is computed again for each task that changed, for those that name an agent whose status changed, and for all if
the rule book changed.
"""

from __future__ import annotations

import heapq
import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from opsgit.storage.parts import in_parts

if TYPE_CHECKING:
    from opsgit.domain.model import Project

TABLES = """
CREATE TABLE concern (key TEXT, priority INTEGER, created TEXT, path TEXT,
    PRIMARY KEY (key, priority, created, path)) WITHOUT ROWID;
CREATE INDEX by_concern ON concern (path);
"""
ACTIVE = "SELECT name FROM state WHERE kind = 'agent' AND status = 'active'"
_OPEN = "FROM state JOIN parsed USING (blob) WHERE open = 1"
_THESE = f"SELECT path, priority, created, record {_OPEN} AND path IN (SELECT value FROM json_each(?))"  # noqa: S608
_NAMING = f"SELECT path {_OPEN} AND instr(record, ?) > 0"
_SET = "UPDATE state SET waits = ?, todo = ? WHERE path = ?"
_FIRST = 50
Row = tuple[str, int, str, str]


class Changes:
    """Collects the changes in an update of the index that require computing something again."""

    def __init__(self, base: sqlite3.Connection) -> None:
        self.base = base
        self.tasks: list[str] = []  # paths of tasks that changed; `_THESE` selects the open ones
        self.agents: set[str] = set()  # names
        self.rules = False

    def note(self, kind: str, name: str, path: str, record: Any) -> None:
        """Note a file before its row is replaced.

        :param record: the new record; None if the file is removed.
        """
        if kind == "task" and record:
            self.tasks.append(path)
        elif kind == "agent" and self._before(path, "status") != (record or {}).get("status"):
            self.agents.add(name)
        elif kind == "project":
            self.rules = self.rules or self._before(path, "rules") != (record or {}).get("rules")

    def _before(self, path: str, field: str) -> Any:
        query = "SELECT json_extract(record, ?) FROM state JOIN parsed USING (blob) WHERE path = ?"
        row = self.base.execute(query, (f"$.{field}", path)).fetchone()
        return row[0] if row else None

    def compute(self) -> None:
        """Compute anew what follows from the changes. It is called after the new rows were written."""
        paths = self._paths()
        project = _project(self.base) if paths else None
        if project is None:
            return
        write = _writer(self.base, project)
        for some in in_parts(paths):
            write(self.base.execute(_THESE, (json.dumps(some),)).fetchall())

    def _paths(self) -> list[str]:
        """Return the paths of the open tasks of which something must be computed."""
        if self.rules:
            return [row[0] for row in self.base.execute("SELECT path FROM state WHERE open = 1")]
        found = dict.fromkeys(self.tasks)
        for name in self.agents:
            found.update(dict.fromkeys(row[0] for row in self.base.execute(_NAMING, (f'"{name}"',))))
        return list(found)


def _project(base: sqlite3.Connection) -> Project | None:
    row = base.execute("SELECT record FROM state JOIN parsed USING (blob) WHERE kind = 'project'").fetchone()
    if row is None:
        return None
    from opsgit.domain.model import Project
    from opsgit.domain.records import from_record

    return from_record(Project, json.loads(row[0]))


def _writer(base: sqlite3.Connection, project: Project) -> Callable[[Sequence[Row]], None]:
    """Return a function that writes what tasks wait for."""
    from opsgit.domain import concerns, rules
    from opsgit.domain.model import Task
    from opsgit.domain.next_steps import waits_for
    from opsgit.domain.records import from_record

    book = rules.in_force(project)
    active = {row[0] for row in base.execute(ACTIVE)}

    def write(rows: Sequence[Row]) -> None:
        forget(base, (path for path, *_ in rows))
        found: list[Row] = []
        waits: list[tuple[str | None, str | None, str]] = []
        for path, priority, created, record in rows:
            task = from_record(Task, json.loads(record))
            waits.append((*(waits_for(book, task, active.__contains__) or (None, None)), path))
            found += [(key, priority, created, path) for key in set(concerns.keys(book, task, active.__contains__))]
        base.executemany(_SET, waits)
        base.executemany("INSERT INTO concern VALUES (?, ?, ?, ?)", found)

    return write


def concerning(base: sqlite3.Connection, keys: Iterable[str]) -> Iterator[str]:
    """Yield the paths of the tasks under some keys, the most urgent first. Only as many are read as are asked for."""
    last = ""
    for _, _, path in heapq.merge(*(_under(base, key) for key in keys)):
        if path != last:
            yield path
        last = path


def _under(base: sqlite3.Connection, key: str) -> Iterator[tuple[int, str, str]]:
    """Yield priority, time and path of the tasks under one key, in this order."""
    query = (
        "SELECT priority, created, path FROM concern WHERE key = ? AND (priority, created, path) > (?, ?, ?)"
        " ORDER BY priority, created, path LIMIT ?"
    )
    last, size = (-1, "", ""), _FIRST
    while found := base.execute(query, (key, *last, size)).fetchall():
        yield from found
        last, size = found[-1], size * 2


def forget(base: sqlite3.Connection, paths: Iterable[str]) -> None:
    """Remove what is kept of tasks, and follows from what has changed."""
    known = list(paths)
    base.executemany("DELETE FROM concern WHERE path = ?", [(path,) for path in known])
    forget_line(base, known)


def forget_line(base: sqlite3.Connection, paths: Iterable[str]) -> None:
    """Remove the texts of tasks in state.json."""
    base.executemany("UPDATE line SET text = NULL WHERE name = ?", [(stem(path),) for path in paths])


def stem(path: str) -> str:
    """Return the name of a file without its folder and its ending: the id of a task."""
    return path.rpartition("/")[2].removesuffix(".yaml")
