"""`task next`: list what an agent should do now."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice

from opsgit.domain import policy, rules, vocabulary
from opsgit.domain.model import Agent, Task
from opsgit.domain.next_steps import steps
from opsgit.domain.records import from_record
from opsgit.domain.request import Snapshot
from opsgit.domain.vocabulary import ORCHESTRATE
from opsgit.operations.queries import ORDER, blocked, first_then_all, synced
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
    for state, task, blockers in open_tasks(session, [agent]):
        for step in steps(state, book, agent, task, now) if not blockers else ():
            yield {"task": task.id, "title": task.title, "status": task.status, "priority": task.priority,
                   "do": step.act, "command": step.command}  # fmt: skip


def open_tasks(session: Session, agents: Sequence[Agent]) -> Iterator[tuple[Snapshot, Task, list[str]]]:
    """Yield each open task that may concern some agents, with the state to judge it by and the ids of its blockers.

    A task in review is as its review branch has it.
    """
    snapshot, index = session.look(), synced(session)
    where, values = concerning(snapshot, index.active_agents(), agents)
    for record in first_then_all(index, where, values, ORDER):
        blockers = blocked(index, record)
        if record["status"] == vocabulary.IN_REVIEW:
            state = session.look(record["id"])
            yield state, state.task(record["id"]), blockers
        else:
            yield snapshot, from_record(Task, record), blockers


def concerning(snapshot: Snapshot, active: Sequence[str], agents: Sequence[Agent]) -> tuple[str, tuple[str, ...]]:
    """Return a condition for the index that holds for every open task that may concern one of some agents.

    It saves asking the rule book about each task. It may hold for others, but must not miss one: a test compares.
    """
    parts, values = [f"status = '{vocabulary.IN_REVIEW}'"], list[str]()  # its words are on its branch
    for agent in agents:
        parts.append("assigned = ?")
        values.append(agent.name)
        for field, words in WORDS.items():
            said = f"coalesce(json_extract(record, '$.{field}'), '')"
            found = [f"instr({said}, ?) > 0" for _ in words(agent)]
            parts.append(f"({' OR '.join(found)})" if field != "pipeline" else f"({STAGED} AND ({' OR '.join(found)}))")
            values += words(agent)
        if ORCHESTRATE in policy.rights(snapshot.project, agent):
            parts.append(f"status IN ('{vocabulary.BACKLOG}', '{vocabulary.DONE}', '{vocabulary.ROLLED_BACK}')")
            parts.append(f"assigned NOT IN ({', '.join('?' for _ in active)})")
            values += active
    return f"kind = 'task' AND status NOT IN {vocabulary.ENDED} AND ({' OR '.join(parts)})", tuple(values)


STAGED = f"status IN ('{vocabulary.BACKLOG}', '{vocabulary.DONE}')"  # when a stage of the pipeline can act
# Where a task names whom it concerns, and by which words.
WORDS: dict[str, Callable[[Agent], tuple[str, ...]]] = {
    "pipeline": lambda agent: (f'"{agent.name}"', f'"{agent.role}"'),
    "comments": lambda agent: (agent.name,),
    "deployment": lambda agent: (f'"{agent.name}"',),
}
