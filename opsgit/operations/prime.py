"""`prime`: what the acting agent needs to know now, in few words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from opsgit.domain import names, policy
from opsgit.domain.advice import ORCHESTRATORS
from opsgit.domain.next_steps import waits_for
from opsgit.domain.rules import in_force
from opsgit.domain.vocabulary import IN_REVIEW, ORCHESTRATE
from opsgit.operations import inbox, queries
from opsgit.operations.inbox import Item
from opsgit.operations.queries import Query
from opsgit.operations.session import Session, nobody

DELEGATED = 10


class Prime(NamedTuple):
    """Who acts, in which project, and what waits for it.

    `agent` and `role` are empty if nobody is named; `known` is whether the ledger has the agent. `here` are the agents
    whose keys are on this machine. `items` is what waits, the oldest first. `delegate` is for orchestrators: tasks that
    wait for an agent or role, the most urgent first, each with who it is and what it has to do.
    """

    project: str
    path: str
    agent: str
    role: str
    rights: tuple[str, ...]
    known: bool
    holds_key: bool
    here: tuple[str, ...]
    items: tuple[Item, ...]
    delegate: tuple[tuple[str, str, str], ...] = ()


def prime(session: Session) -> Prime:
    """Return what the acting agent needs to know now.

    :raises Refused: `IDENTITY_CONFLICT` if different agents are named.
    """
    snapshot = session.look()
    keys, name = session.repository.keys, session.actor(snapshot, nobody) if session.named else ""
    agent = snapshot.find_agent(names.check_name(name)) if name else None
    held = policy.rights(snapshot.project, agent) if agent else frozenset[str]()
    return Prime(
        project=snapshot.project.name,
        path=str(session.repository.top or session.repository.folder),
        agent=name,
        role=agent.role if agent else "",
        rights=tuple(sorted(held)),
        known=agent is not None and agent.status == "active",
        holds_key=bool(name) and keys.holds(name),
        here=tuple(one.name for one in snapshot.agents() if one.status == "active" and keys.holds(one.name)),
        items=tuple(inbox.items(session, [name])) if held else (),
        delegate=tuple(_delegate(session)) if ORCHESTRATE in held else (),
    )


def _delegate(session: Session) -> Iterator[tuple[str, str, str]]:
    """Yield the most urgent tasks that wait for somebody who does not orchestrate: id, agent or role, what to do."""
    snapshot, index = session.look(), session.index()
    book, active = in_force(snapshot.project), set(index.active_agents())
    for task in queries.tasks(session, Query(limit=DELEGATED)).tasks:
        value = snapshot.task(task["id"]) if task["status"] != IN_REVIEW else session.look(task["id"]).task(task["id"])
        found = waits_for(book, value, active.__contains__)
        if found and found[0] != ORCHESTRATORS and not queries.blocked(index, task):
            yield task["id"], found[0], found[1]
