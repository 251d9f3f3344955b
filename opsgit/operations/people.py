"""Agents: added, removed, listed, and who this clone acts as."""

from __future__ import annotations

from typing import Any

from opsgit.domain import policy
from opsgit.domain.model import Agent
from opsgit.domain.request import Request
from opsgit.operations import founding
from opsgit.operations.session import Session, orchestrator
from opsgit.storage import sshsig
from opsgit.storage.ledger import Written


def add(session: Session, name: str, role: str, **fields: Any) -> list[Written]:
    """Add an agent with a new key, which is kept on this machine; nothing is made when the rules refuse.

    :param fields: description, kind, email.
    """
    asked = session.request("agent.add", name, orchestrator, role=role, **fields)
    trial = founding.trial_key(name)
    session.transaction().decide(_with(asked, trial))
    if session.dry_run:
        return session.write(_with(asked, trial))
    line, proof = founding.proved_key(session.repository.keys, name)
    proved = sshsig.proves(session.repository.keys.repository, name, line, proof)
    written = session.write(_with(asked, {"key": line, "proof": proof, "proved": proved}))
    founding.write_allowed_signers(session.repository, session.look())
    return written


def _with(request: Request, more: dict[str, Any]) -> Request:
    return Request(request.op, request.actor, request.target, {**request.fields, **more}, request.note)


def remove(session: Session, name: str) -> list[Written]:
    """Take all rights from an agent."""
    return session.write(session.request("agent.remove", name, orchestrator))


def edit(session: Session, name: str, **fields: Any) -> list[Written]:
    """Change an agent's role, description, kind or e-mail."""
    written = session.write(session.request("agent.edit", name, orchestrator, **fields))
    founding.write_allowed_signers(session.repository, session.look())
    return written


def everybody(session: Session) -> tuple[Agent, ...]:
    """All agents, by name."""
    return session.look().agents()


def whoami(session: Session) -> dict[str, Any]:
    """Who acts here by name, why, and whose keys this machine holds."""
    snapshot = session.look()
    held = [agent.name for agent in snapshot.agents() if session.repository.keys.holds(agent.name)]
    name = session.actor(snapshot, lambda _: []) if session.named else None
    agent = snapshot.agent(name) if name else None
    return {
        "agent": name,
        "source": session.named[0][0] if session.named else None,
        "role": agent.role if agent else None,
        "rights": sorted(policy.rights(snapshot.project, agent)) if agent else [],
        "holds_key": name in held,
        "keys_here": held,
        "repository": snapshot.project.repository,
        "project": snapshot.project.name,
        "path": str(session.repository.top or session.repository.folder),
    }
