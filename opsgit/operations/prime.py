"""`prime`: what the acting agent needs to know now, in few words."""

from __future__ import annotations

from typing import NamedTuple

from opsgit.domain import policy
from opsgit.operations import inbox
from opsgit.operations.inbox import Item
from opsgit.operations.session import Session, nobody


class Prime(NamedTuple):
    """Who acts, in which project, and what waits for it.

    `agent` and `role` are empty if nobody is named; `known` is whether the ledger has the agent. `here` are the agents
    whose keys are on this machine. `items` is what waits, the oldest first.
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


def prime(session: Session) -> Prime:
    """Return what the acting agent needs to know now.

    :raises Refused: `IDENTITY_CONFLICT` if different agents are named.
    """
    snapshot = session.look()
    keys, name = session.repository.keys, session.actor(snapshot, nobody) if session.named else ""
    agent = snapshot.find_agent(name) if name else None
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
    )
