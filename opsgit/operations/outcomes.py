"""Results of commands that ran here, such as a deployment's, until they are published: nothing is run twice."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opsgit.domain.refusals import Refusal
from opsgit.domain.request import Request
from opsgit.storage.disk import put, sync_folder
from opsgit.storage.repository import Repository


@dataclass(frozen=True, repr=False)
class Outcome:
    """The result of a command, and the request that will record it. `file` is where it is kept."""

    file: Path
    request: Request

    def described(self) -> dict[str, Any]:
        """Return operation, target, agent and evidence."""
        request = self.request
        return {
            "op": request.op,
            "target": request.target,
            "by": request.actor,
            "evidence": request.get("evidence"),
        }

    def drop(self) -> None:
        """Forget the result: it is published, or nobody wants it any more."""
        self.file.unlink(missing_ok=True)


def keep(repository: Repository, request: Request) -> Outcome:
    """Keep the result of a command on disk, before it is published.

    :param request: the request that records it; it has an id, so that it is recorded once.
    """
    folder = repository.own / "outcomes"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{request.op}-{request.target}.json"
    document = {
        "op": request.op,
        "actor": request.actor,
        "target": request.target,
        "fields": dict(request.fields),
        "note": request.note,
        "id": request.id,
    }
    put(file, json.dumps(document).encode(), durable=True)
    sync_folder(folder)
    return Outcome(file, request)


def kept(repository: Repository) -> list[Outcome]:
    """Return the results that are not published yet."""
    return [_read(file) for file in sorted((repository.own / "outcomes").glob("*.json"))]


def of(repository: Repository, op: str, target: str) -> Outcome | None:
    """Return the unpublished result of an operation's command on a task, or None."""
    file = repository.own / "outcomes" / f"{op}-{target}.json"
    return _read(file) if file.exists() else None


def is_final(refusal: Refusal) -> bool:
    """Return whether a refused result will never be taken: the rule book says no, or it was recorded already."""
    return refusal.exit in (3, 4, 5) or refusal.code in ("ALREADY_THERE", "STALE", "DEPLOY_RUNNING", "OP_ID_TAKEN")


def _read(file: Path) -> Outcome:
    document = json.loads(file.read_bytes())
    return Outcome(file, Request(**document))
