"""History, from the ledger's log."""

from __future__ import annotations

from typing import Any

from opsgit.domain import names, times
from opsgit.operations.listing import synced
from opsgit.operations.session import Session

SHOWN = ("status", "at", "by", "output", "notes", "ref", "op", "what", "commit", "assigned", "evidence")


def history(session: Session, task_id: str | None, limit: int | None = None) -> list[dict[str, Any]]:
    """Every operation on a task (or on everything), oldest first.

    `status` is there when the operation was a transition; `output`, `notes`, `ref`, `assigned` and `evidence` where
    there is one.
    """
    if task_id is None:
        found = synced(session).log("1", (), limit)
    else:
        session.look().task(names.check_id(task_id))
        found = synced(session).log("path = ?", (names.task_path(task_id),), limit)
    return [shown(entry) for entry in found]


def shown(entry: dict[str, Any]) -> dict[str, Any]:
    """An entry of the log as history shows it."""
    said = {"notes": entry["note"]} if "note" in entry else {}
    known = {**entry, **said, "at": times.text(entry["at"])}
    return {name: known[name] for name in SHOWN if name in known}
