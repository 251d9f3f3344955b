"""What each agent has seen of a review in this clone, so that a verdict is on what was seen."""

from __future__ import annotations

import json
from typing import Any

from opsgit.domain.model import Submission, Task
from opsgit.operations.session import Session
from opsgit.storage.disk import put

FILE = "seen.json"


def who(session: Session) -> str:
    """Return the agent that looks: the one that is named; empty if none is."""
    return session.named[0][1] if session.named else ""


def note(session: Session, name: str, task_id: str, submission: Submission) -> None:
    """Remember that an agent has seen a version of a deliverable. A failure stops nothing.

    :param name: the agent's name; empty if nobody was named.
    """
    seen = _all(session)
    seen.setdefault(name, {})[task_id] = submission.version
    save(session, FILE, seen)


def last(session: Session, name: str, task: Task) -> str | None:
    """Return the version of a task that an agent has seen last in this clone; None if it never looked."""
    seen = _all(session)
    version = seen.get(name, {}).get(task.id) or seen.get("", {}).get(task.id)
    return str(version) if version else None


def _all(session: Session) -> dict[str, Any]:
    found = load(session, FILE)
    fits = (
        isinstance(one, dict) and all(isinstance(version, str) for version in one.values()) for one in found.values()
    )
    return found if all(fits) else {}


def load(session: Session, file: str) -> dict[str, Any]:
    """Return what was remembered in a file of this clone; empty if it is missing or damaged: nothing was seen then."""
    try:
        found = json.loads((session.repository.own / file).read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def save(session: Session, file: str, seen: dict[str, Any]) -> None:
    """Remember what was seen in a file of this clone. A failure is a notice and stops nothing."""
    if seen == load(session, file):
        return
    try:
        put(session.repository.own / file, json.dumps(seen).encode())
    except OSError as error:
        session.notices.append(f"not remembered as seen: {error}")
