"""Agents and their keys: add, edit, remove, rotate, retire, compromise and ratify; also who this clone acts as."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from opsgit.domain import names, policy
from opsgit.domain.model import Agent
from opsgit.domain.refusals import refuse
from opsgit.domain.request import Request
from opsgit.domain.vocabulary import IN_REVIEW
from opsgit.operations import init
from opsgit.operations.publication import act, write
from opsgit.operations.session import Session, nobody, orchestrator
from opsgit.operations.transactions import Written
from opsgit.storage import sshsig
from opsgit.storage.objects import parse_commit


def add(session: Session, name: str, role: str, **fields: Any) -> list[Written]:
    """Add an agent with a new key, which is kept on this machine. No key is made if the rule book refuses the agent.

    :param fields: description, kind, email; also public_key and proof for a key that is held on another machine.
    :raises Refused: if the rule book refuses the operation.
    """
    given = {key: fields.pop(key, None) for key in ("public_key", "proof")}
    asked = session.request("agent.add", name, role=role, **fields)
    trial = init.trial_key(name)
    if session.repeated() is None:
        session.transaction().decide(_with(asked, trial))
    if session.dry_run:
        return write(session, _with(asked, trial))
    return write(session, _with(asked, _key(session, name, **given)))


def _key(session: Session, name: str, public_key: str | None, proof: str | None) -> dict[str, Any]:
    """Return the fields of the key: a key made here, or a key made elsewhere and proved there by `agent prove`."""
    keys = session.repository.keys
    if public_key is None:
        line, made = init.proved_key(keys, name)
    else:
        line, made = " ".join(public_key.split()[:2]), proof or ""
    return {"key": line, "proof": made, "proved": sshsig.proves(keys.repository, name, line, made)}


def prove(session: Session, name: str, new: bool = False) -> tuple[str, str, str]:
    """Return an agent's public key on this machine with its proof; the key is made if there is none.

    A key that the ledger has had already, and may have retired, is not proved again: the next key is.

    :param new: prove the next key in any case, so that an orchestrator can replace the present one.
    :returns: the OpenSSH line of the key, the proof (one line of base64), and the operation that they are for: `rotate`
        if the ledger knows the agent, else `add`.
    :raises Refused: `BAD_NAME`, `KEY_UNFIT` or `TOOL_FAILED`.
    """
    names.check_name(name)
    keys, agent = session.repository.keys, session.look().find_agent(name)
    known = {key.key for key in agent.keys} if agent else set()
    used = new or (keys.path(name).exists() and keys.make(name) in known)
    held = f"{name}.next" if used else name
    return keys.make(held), init.proof_by(keys, name, held), "rotate" if agent else "add"


def rotate(session: Session, name: str, public_key: str | None = None, proof: str | None = None) -> list[Written]:
    """Give an agent a new key and retire its active keys. The agent signs, or an orchestrator.

    :param public_key: the OpenSSH line of a key that is held on another machine; None makes a key here.
    :param proof: the proof of `public_key`, one line of base64.
    :raises Refused: if the rule book refuses the operation.
    """
    names.check_name(name)
    if public_key is not None:
        return write(session, _with(session.request("agent.rotate", name), _key(session, name, public_key, proof)))
    keys = session.repository.keys
    natural = (lambda *_: [name]) if keys.holds(name) else orchestrator
    asked = session.request("agent.rotate", name, natural)
    session.transaction().decide(_with(asked, init.trial_key(name)))
    if session.dry_run:
        return write(session, _with(asked, init.trial_key(name)))
    if asked.actor != name:
        session.notices.append(f"no --public-key was given: the new key of {name} is made on this machine")
    line = keys.make_next(name)
    proof = init.proof_by(keys, name, f"{name}.next")
    proved = sshsig.proves(keys.repository, name, line, proof)
    written = write(session, _with(asked, {"key": line, "proof": proof, "proved": proved}))
    keys.promote(name)
    session.notices.append(f"the key of {name} is {keys.path(name)}")
    return written


def retire(session: Session, name: str, key: str) -> list[Written]:
    """Retire one key of an agent.

    :param key: the key's OpenSSH line or its fingerprint.
    :raises Refused: if the rule book refuses the operation.
    """
    agent = session.look().agent(name)
    line = next((k for k in agent.active_keys if key in (k, sshsig.fingerprint(k))), key)
    return act(session, "agent.retire-key", name, key=line)


def compromise(session: Session, name: str, since: str) -> list[Written]:
    """Record that somebody else has had an agent's keys since a commit.

    :param since: the last commit at which the keys were the agent's alone: an id or another revision.
    :raises Refused: `NOT_FOUND` if there is no such commit; if the rule book refuses the operation.
    """
    return act(session, "agent.compromise", name, since=_commit(session, since))


def ratify(session: Session, commits: Sequence[str], undone: bool = False) -> list[Written]:
    """Accept commits that compromised keys signed, or record that their effect was undone.

    :param commits: ids or other revisions, or ranges `A..B`: what is in the history of B and not in that of A.
    :param undone: whether the commits are not accepted, but need no more attention.
    :raises Refused: `NOT_FOUND` if there is no such commit, or none in a range is by an agent with a compromised key;
        if the rule book refuses an operation.
    """
    by: dict[str, list[str]] = {}
    for text in commits:
        entry, authors = _entry(session, text)
        for name in authors:
            by.setdefault(name, []).append(entry)
    asked = [session.request("agent.ratify", name, commits=those, undone=undone or None) for name, those in by.items()]
    return write(session, *asked)


def _entry(session: Session, text: str) -> tuple[str, list[str]]:
    """Return a commit or a range with full ids, and the agents that it is about."""
    ends = [_commit(session, name) for name in text.split("..", 1)]
    if len(ends) == 1:
        return ends[0], [_author(session, ends[0])]
    entry, snapshot = "..".join(ends), session.look()
    listed = session.repository.git.run("rev-list", "--reverse", entry).decode().split()
    agents = map(snapshot.find_agent, dict.fromkeys(_author(session, commit) for commit in listed))
    named = [one.name for one in agents if one and any(key.state == "compromised" for key in one.keys)]
    if not named:
        refuse("NOT_FOUND", f"no commit in {text} is by an agent with a compromised key", "opsgit verify")
    return entry, named


def _author(session: Session, commit: str) -> str:
    found = session.repository.git.get(commit)
    assert found  # the caller has found it
    return parse_commit(found.content).name


def _commit(session: Session, name: str) -> str:
    found = session.repository.git.get(f"{name}^{{commit}}") if names.REVISION.match(name) else None
    if found is None:
        refuse("NOT_FOUND", f"there is no commit {name!r}", "git log --oneline main")
    return found.id


def key_state(session: Session, name: str) -> str:
    """Return the state of an agent's key on this machine.

    :returns: `active`; `missing`: it is not here; `rotated`: the agent has another key now; `removed`: the agent was
        removed; `unknown`: there is no such agent.
    """
    agent, keys = session.look().find_agent(name), session.repository.keys
    if agent is None:
        return "unknown"
    if agent.status != "active":
        return "removed"
    if not keys.path(name).exists():
        return "missing" if not keys.holds(name) else "active"
    held = [keys.make(one) for one in (name, f"{name}.next") if keys.path(one).exists()]
    return "active" if set(held) & set(agent.active_keys) else "rotated"


def _with(request: Request, more: dict[str, Any]) -> Request:
    return replace(request, fields={**request.fields, **more})


def remove(session: Session, name: str, release: bool = False) -> list[Written]:
    """Remove an agent, which loses all its rights; its file stays. A notice names the tasks that it still has.

    :param release: put these tasks back into the backlog, together with the removal.
    :raises Refused: if the rule book refuses an operation.
    """
    where = "kind = 'task' AND assigned = ? AND status IN ('assigned', 'in-progress', 'rejected', 'review')"
    held = session.index().select(where, (name,), "path")
    free = [task["id"] for task in held if task["status"] != IN_REVIEW] if release else []
    asked = session.request("agent.remove", name)
    releases = [Request("task.release", asked.actor, task_id, {}, asked.note) for task_id in free]
    written = write(session, *releases, asked)
    left = [task["id"] for task in held if task["id"] not in free]
    if left:
        session.notices.append(
            f"{name} still has {', '.join(left)}: opsgit task release ID; what is in review can be approved, or: "
            "opsgit review withdraw ID"
        )
    return written


def edit(session: Session, name: str, **fields: Any) -> list[Written]:
    """Change an agent's role, description, kind or email.

    :raises Refused: if the rule book refuses the operation.
    """
    return act(session, "agent.edit", name, **fields)


def everybody(session: Session) -> tuple[Agent, ...]:
    """Return all agents by name, removed ones too."""
    return session.look().agents()


def whoami(session: Session) -> dict[str, Any]:
    """Return which agent is named to act here, where it is named, and whose keys this machine holds.

    :returns: agent and source are None if no agent is named; rights is empty then.
    :raises Refused: `IDENTITY_CONFLICT` if different agents are named; `NOT_FOUND` if there is no such agent.
    """
    snapshot = session.look()
    held = [agent.name for agent in snapshot.agents() if session.repository.keys.holds(agent.name)]
    name = session.actor(snapshot, nobody) if session.named else None
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
