"""`task next`: list what an agent should do now."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from opsgit.domain import rules, vocabulary
from opsgit.domain.model import Task
from opsgit.domain.next_steps import steps
from opsgit.domain.records import from_record
from opsgit.domain.request import Snapshot
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
    snapshot, now = session.look(), session.transaction().now()
    agent, book = snapshot.agent(name), rules.in_force(snapshot.project)
    for state, task, blockers in open_tasks(session):
        for step in steps(state, book, agent, task, now) if not blockers else ():
            yield {"task": task.id, "title": task.title, "status": task.status, "priority": task.priority,
                   "do": step.act, "command": step.command}  # fmt: skip


def open_tasks(session: Session) -> Iterator[tuple[Snapshot, Task, list[str]]]:
    """Yield each task that has not ended, with the state to judge it by and the ids of the tasks that block it.

    A task in review is as its review branch has it.
    """
    snapshot, index = session.look(), synced(session)
    for record in index.select(f"kind = 'task' AND status NOT IN {vocabulary.ENDED}", (), ORDER):
        blockers = blocked(index, record)
        if record["status"] == vocabulary.IN_REVIEW:
            state = session.look(record["id"])
            yield state, state.task(record["id"]), blockers
        else:
            yield snapshot, from_record(Task, record), blockers
