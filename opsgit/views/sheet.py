"""Tasks as JSONL and CSV."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from opsgit.domain.model import Stage
from opsgit.domain.records import Record, from_record

GUARD = "'"  # a spreadsheet shows the rest of such a cell as text
GUARDED = ("=", "+", "-", "@", "\t", "\r", "'")  # how a cell begins that a spreadsheet may take for a formula
FIELDS = ("id", "title", "status", "priority", "assigned", "tags", "pipeline", "depends_on", "created", "created_by",
          "description")  # fmt: skip


def jsonl(records: Iterable[Record], fields: Sequence[str]) -> Iterator[str]:
    """Yield one JSON object for each task.

    :param fields: the fields to show; none means all that the task has.
    """
    for record in records:
        shown = {name: record[name] for name in fields or record if record.get(name) is not None}
        yield json.dumps(shown, ensure_ascii=False)


def table(records: Iterable[Record], fields: Sequence[str]) -> Iterator[str]:
    """Yield the lines of a CSV file (RFC 4180), the first one with the names of the fields.

    A cell that a spreadsheet would take for a formula begins with an apostrophe.

    :param fields: the fields to show; none means `FIELDS`.
    """
    chosen = fields or FIELDS
    yield _row(chosen)
    for record in records:
        yield _row([_guarded(_cell(name, record.get(name))) for name in chosen])


def _row(cells: Sequence[str]) -> str:
    return ",".join(_quoted(cell) for cell in cells)


def _quoted(cell: str) -> str:
    """Return a cell in quotes where it holds a character by which some program separates cells, not only a comma."""
    return '"{}"'.format(cell.replace('"', '""')) if set(cell) & set(',;|\t"\r\n') else cell


def _guarded(cell: str) -> str:
    return f"{GUARD}{cell}" if cell.startswith(GUARDED) else cell


def _cell(name: str, value: Any) -> str:
    if value is None:
        return ""
    if name == "pipeline" and isinstance(value, list | tuple):
        return "→".join(from_record(Stage, stage).words for stage in value)
    if isinstance(value, list | tuple) and all(isinstance(one, str) for one in value):
        return ",".join(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
