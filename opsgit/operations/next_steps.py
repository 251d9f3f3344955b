"""`task next`: list what an agent should do now."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from opsgit.domain import rules, vocabulary
from opsgit.domain.model import Task
from opsgit.domain.next_steps import steps
from opsgit.domain.records import from_record
from opsgit.operations.queries import ORDER, blocked, synced
from opsgit.operations.session import Session


def next_steps(session: Session, name: str, limit: int = 20) -> list[dict[str, str]]:
    """Return what an agent should do now, the most urgent first.

    :param name: the agent's name.
    :param limit: the largest number of steps.
    :returns: for each step: task, title, status, priority, do (what to do) and command.
    :raises Refused: `NOT_FOUND` if there is no such agent.
    """
    return list(islice(_every_step(session, name), limit))


def _every_step(session: Session, name: str) -> Iterator[dict[str, str]]:
    snapshot, index, now = session.look(), synced(session), session.transaction().now()
    agent, book = snapshot.agent(name), rules.in_force(snapshot.project)
    for record in index.select("kind = 'task' AND status NOT IN ('cancelled', 'deployed')", (), ORDER):
        if blocked(index, record):
            continue
        in_review = record["status"] == vocabulary.IN_REVIEW
        state = session.look(record["id"]) if in_review else snapshot
        task = state.task(record["id"]) if in_review else from_record(Task, record)
        for step in steps(state, book, agent, task, now):
            yield {"task": task.id, "title": task.title, "status": task.status, "priority": task.priority,
                   "do": step.act, "command": step.command}  # fmt: skip
