"""History, read from the ledger's log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opsgit.domain import message, names, times, words
from opsgit.operations.session import Session
from opsgit.storage import log, reader


def history(session: Session, task_id: str | None, limit: int | None = None) -> list[dict[str, Any]]:
    """Every operation on a task (or on everything), oldest first, read from the ledger's log.

    `status` is there when the operation was a transition; `output`, `ref` and `note` when there was one.
    """
    repository = session.repository
    tip, paths = repository.tip(), [names.task_path(names.check_id(task_id))] if task_id else []
    if task_id:
        session.look().task(task_id)
    found = list(log.entries(repository.git, tip, *paths, most=limit))
    objects = repository.objects()
    return [_happened(entry, repository.reader(objects, entry.id), paths) for entry in reversed(found)]


def _happened(entry: log.Logged, then: reader.TreeReader, paths: list[str]) -> dict[str, Any]:
    said = message.parse(entry.message)
    what, _, step = said.subject.partition(": ")
    status = step.partition(" → ")[2] or None
    record = then.record(paths[0]) if paths and status else None
    happened = {
        "status": status,
        "by": entry.agent,
        "time": times.text(entry.time),
        "op": said.op,
        "what": what,
        "commit": entry.id,
        "note": said.note or None,
        **_details(status, record or {}),
    }
    return {name: value for name, value in happened.items() if value is not None}


def _details(status: str | None, record: Mapping[str, Any]) -> dict[str, str | None]:
    if status == words.IN_REVIEW:
        return {"output": record.get("submission", {}).get("deliverable")}
    if status == words.DEPLOYED:
        return {name: record.get("deployment", {}).get(name) for name in ("ref", "evidence")}
    return {"to": record.get("assigned")} if status == words.ASSIGNED else {}
