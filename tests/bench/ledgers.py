"""State repositories to measure on, made by the real writer."""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path

from opsgit.domain.request import Request
from opsgit.operations import init
from opsgit.operations.agents import add
from opsgit.operations.publication import publish
from opsgit.operations.quotas import set_quota
from opsgit.operations.session import Session
from opsgit.operations.transactions import Transaction

DEVELOPERS = 8
OPEN = 1000  # tasks that stay open, in a ledger of 10,000 and of 100,000: what waits is the same


def founded(folder: Path) -> Session:
    """A project with a team and a quota, and no tasks. The caller closes its repository."""
    session = Session(init.init(folder, "bench"), (("--as", "orchestrator"),))
    for number in range(DEVELOPERS):
        add(session, f"dev{number}", "developer")
    add(session, "qa", "reviewer")
    add(session, "ship", "deployer")
    set_quota(session, "calls", limit=1000, period="daily")
    return session


def filled(folder: Path, tasks: int) -> Path:
    """A project of so many tasks with five ledger commits each; most have ended."""
    session = founded(folder)
    for start in range(0, tasks, 1000):
        publish(session, partial(_worked, start=start, end=min(start + 1000, tasks), each=every(tasks)))
    session.repository.close()
    return folder


def every(tasks: int) -> int:
    """Return of how many tasks one stays open."""
    return max(10, tasks // OPEN)


def _worked(transaction: Transaction, start: int, end: int, each: int) -> None:
    def act(op: str, actor: str, number: int, **fields: object) -> None:
        transaction.perform(Request(op, actor, f"B-{number}", fields, "because" if op == "task.cancel" else ""))

    for number in range(start, end):
        worker = f"dev{number // each % DEVELOPERS}"
        words = {"title": f"task {number}", "description": f"What task {number} is about.\nIn two lines."}
        act("task.add", "orchestrator", number, **words)
        act("task.assign", "orchestrator", number, to=worker)
        if number % each:
            act("task.start", worker, number)
            act("task.progress", worker, number, text="half of it")
            act("task.cancel", "orchestrator", number)


def described(file: Path, tasks: int) -> Path:
    """A state.json of so many tasks."""

    def task(number: int) -> dict[str, object]:
        status = "deployed" if number % every(tasks) else "assigned"
        past = [{"status": one, "at": "2026-01-02T03:04:05Z", "by": "x"} for one in ("backlog", status)]
        holder = {"assigned": f"dev{number // every(tasks) % DEVELOPERS}"}
        words = {"title": f"task {number}", "description": "What it is about.\nIn two lines.", "tags": ["a"]}
        return {**words, "status": status, "priority": "medium", "history": past, **holder}

    file.write_text(json.dumps({"project": "bench", "tasks": {f"B-{number}": task(number) for number in range(tasks)}}))
    return file


if __name__ == "__main__":  # in a process of its own: what it needs is no part of what is measured
    place = Path(sys.argv[1])
    if len(sys.argv) > 3:
        founded(place).repository.close()
        described(Path(sys.argv[3]), int(sys.argv[2]))
    else:
        filled(place, int(sys.argv[2]))
