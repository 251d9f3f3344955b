"""`task next`: list what an agent should do now."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from opsgit.domain import concerns, names, rules, vocabulary
from opsgit.domain.model import Task
from opsgit.domain.next_steps import steps
from opsgit.domain.request import Snapshot
from opsgit.operations.queries import among, blocked
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
    snapshot, now = session.look(), session.now()
    agent, book = snapshot.agent(name), rules.in_force(snapshot.project)
    for state, task, blockers, _ in open_tasks(session, concerns.of_steps(snapshot.project, agent)):
        for step in steps(state, book, agent, task, now) if not blockers else ():
            yield {"task": task.id, "title": task.title, "status": task.status, "priority": task.priority,
                   "do": step.act, "command": step.command}  # fmt: skip


def open_tasks(
    session: Session, keys: Iterable[str], held_by: Sequence[str] = ()
) -> Iterator[tuple[Snapshot, Task, list[str], int]]:
    """Yield the open tasks under some keys (`domain.concerns`), the most urgent first, then those of their holders.

    Each comes with the state to judge it by, the ids of its blockers, and the time of its last operation (seconds after
    the epoch). A task in review is as its review branch has it.

    :param held_by: the agents whose tasks are wanted too.
    """
    snapshot, index = session.look(), session.index()
    fits, values = among("assigned", held_by)
    held = index.touched(f"open = 1 AND {fits}", values, "path") if held_by else []
    seen = set()
    for record, at in itertools.chain(index.concerning(keys), held):
        if record["id"] in seen:
            continue
        seen.add(record["id"])
        blockers = blocked(index, record)
        if record["status"] == vocabulary.IN_REVIEW:
            state = session.look(record["id"])
            yield state, state.task(record["id"]), blockers, at
        else:
            yield snapshot, snapshot.take(Task, names.task_path(record["id"]), record), blockers, at
