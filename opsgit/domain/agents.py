"""The effects of operations on agents and their keys, as the catalogue names them."""

from __future__ import annotations

import re
from dataclasses import replace

from opsgit.domain import policy, text
from opsgit.domain.context import Context
from opsgit.domain.model import Agent, ImportedFigures, Key
from opsgit.domain.names import COMMIT
from opsgit.domain.records import checked
from opsgit.domain.refusals import refuse
from opsgit.domain.vocabulary import AGENT_KINDS, COUNT_MAX, ORCHESTRATE

EMAIL = re.compile(r"[A-Za-z0-9._+-]{1,64}@[A-Za-z0-9.-]{1,100}\Z")


def address(agent: Agent, repository: str) -> str:
    """Return the e-mail address in the agent's commits: its own, or else `name@<repository id>`.

    :param repository: the project's repository id.
    """
    return agent.email or default_address(agent.name, repository)


def default_address(name: str, repository: str) -> str:
    """Return the e-mail address of an agent that has none of its own."""
    return f"{name}@{repository}"


def add(context: Context, _: None) -> Agent:
    """Return a new agent with its first key.

    :raises Refused: `UNKNOWN_ROLE`, `BAD_TEXT`, `BAD_VALUE`; `ID_TAKEN` when another agent has the e-mail address.
    """
    name = context.request.target
    return Agent(
        name=name,
        role=policy.check_role(context.project, str(context.request.get("role"))),
        description=_description(context),
        kind=_kind(str(context.request.get("kind") or "agent")),
        email=_email(context, name),
        status="active",
        imported=_imported(context),
        keys=(_new_key(context),),
    )


def _imported(context: Context) -> ImportedFigures | None:
    """Return the figures that the agent brings from another tracker; no gate uses them."""
    given = context.request.get("imported")
    if not given:
        return None
    figures = checked(ImportedFigures, given, "imported")
    if figures.tasks_completed is not None and not 0 <= figures.tasks_completed <= COUNT_MAX:
        refuse("BAD_VALUE", f"{figures.tasks_completed} is no number of tasks", "opsgit import --help", "imported")
    if figures.last_active is not None:
        text.check(figures.last_active, "last_active", 100, lines=False)
    return figures


def _description(context: Context) -> str | None:
    return context.words("description", text.COMMENT_MAX) if context.request.get("description") else None


def _kind(word: str) -> str:
    if word not in AGENT_KINDS:
        refuse("BAD_VALUE", f"{word!r} is no kind; there are agent and human", "--kind agent", "kind")
    return word


def _email(context: Context, name: str) -> str | None:
    email = context.request.get("email")
    if not email:
        return None
    host = f"@{context.project.repository}".casefold()  # of addresses that opsgit gives out, in whatever case
    if not EMAIL.match(email) or email.casefold().endswith(host):
        refuse("BAD_VALUE", f"{email!r} is no e-mail address for an agent", "--email dev@example.org", "email")
    others = (agent.email or "" for agent in context.snapshot.agents() if agent.name != name)
    if email.casefold() in map(str.casefold, others):
        refuse("ID_TAKEN", f"{email} is another agent's address", "choose another address")
    return str(email)


def _new_key(context: Context) -> Key:
    """Return the request's key; the gate `the key is proved and unused` has already checked it."""
    key, proof = str(context.request.get("key") or ""), str(context.request.get("proof") or "")
    return Key(key=key, state="active", added=context.at, proof=proof)


def edit(context: Context, agent: Agent) -> Agent:
    """Change role, description, kind or e-mail address.

    :raises Refused: `EXCLUSIVE_ROLES` when the new role would give or take the right to orchestrate; `UNKNOWN_ROLE`,
        `BAD_TEXT`, `BAD_VALUE`, `ID_TAKEN`.
    """
    changes = context.request.fields
    after = agent
    if "role" in changes:
        role = policy.check_role(context.project, str(changes["role"]))
        _same_side(context, agent, role)
        after = replace(after, role=role)
    if "description" in changes:
        after = replace(after, description=_description(context))
    if "kind" in changes:
        after = replace(after, kind=_kind(str(changes["kind"])))
    if "email" in changes:
        after = replace(after, email=_email(context, agent.name))
    return after


def _same_side(context: Context, agent: Agent, role: str) -> None:
    """Refuse a new role that gives or takes the right to orchestrate: an agent has it always or never."""
    known = policy.roles(context.project)
    if (ORCHESTRATE in known[role]) != (ORCHESTRATE in known[agent.role]):
        refuse("EXCLUSIVE_ROLES", f"{agent.name} cannot change from {agent.role} to {role}: whoever ever orchestrated "
               "never implements, nor the other way round", "opsgit agent add a new agent")  # fmt: skip


def remove(_: Context, agent: Agent) -> Agent:
    """Mark an agent as removed: it loses all rights; its file, keys and history stay."""
    return replace(agent, status="removed")


def rotate(context: Context, agent: Agent) -> Agent:
    """Retire the agent's active keys and add a new key."""
    retired = tuple(replace(key, state="retired") if key.state == "active" else key for key in agent.keys)
    return replace(agent, keys=(*retired, _new_key(context)))


def retire_key(context: Context, agent: Agent) -> Agent:
    """Retire one active key. An agent without an active key cannot sign.

    :raises Refused: `NOT_FOUND` when the agent has no such active key.
    """
    key = str(context.request.get("key"))
    if key not in agent.active_keys:
        refuse("NOT_FOUND", f"{agent.name} has no such active key", f"opsgit agent show {agent.name}")
    return replace(agent, keys=tuple(replace(k, state="retired") if k.key == key else k for k in agent.keys))


def compromise(context: Context, agent: Agent) -> Agent:
    """Mark all keys of an agent as compromised since a commit, the cut-off.

    Commits with these keys that are not in the cut-off's history become findings until they are ratified. An earlier
    cut-off stays, so that no finding disappears; a later one than a key has already changes nothing for it.

    :raises Refused: `BAD_VALUE` when `since` is not a commit id; `NOT_FOUND` when it is not in the ledger's history.
    """
    since, reaches = _commit(context, "since"), context.snapshot.reader.reaches
    if not reaches(since):
        refuse("NOT_FOUND", f"{since[:10]} is no commit of the ledger", "git log --oneline main", "since")

    def cut(key: Key) -> Key:
        if any(reaches(one, since) for one in key.since):
            return replace(key, state="compromised")
        return replace(key, state="compromised", since=(*(c for c in key.since if not reaches(since, c)), since))

    return replace(agent, keys=tuple(map(cut, agent.keys)))


def ratify(context: Context, agent: Agent) -> Agent:
    """Accept commits that a compromised key signed, or record that their effect was undone.

    :raises Refused: `BAD_VALUE` when one of `commits` is neither a commit id nor a range `A..B`; `NOTHING_CHANGES` when
        no key is compromised or all of them have these commits.
    """
    commits = sorted({_commit_or_range(one) for one in context.request.get("commits")})
    undone = bool(context.request.get("undone"))

    def with_commits(key: Key) -> Key:
        known = key.undone if undone else key.ratified
        new = [one for one in commits if one not in known]
        if key.state != "compromised" or not new:
            return key
        return replace(key, undone=(*known, *new)) if undone else replace(key, ratified=(*known, *new))

    keys = tuple(map(with_commits, agent.keys))
    if keys == agent.keys:
        # doubled: decide refuses what changes nothing; here it is said why
        refuse("NOTHING_CHANGES", f"{agent.name} has no compromised key, or that is recorded already", "opsgit verify")
    return replace(agent, keys=keys)


def _commit_or_range(text: str) -> str:
    ends = text.split("..")
    if len(ends) > 2 or not all(map(COMMIT.match, ends)):
        refuse("BAD_VALUE", f"{text!r} is neither a commit id nor a range A..B", "git log --format=%H", "commits")
    return text


def _commit(context: Context, name: str) -> str:
    commit = str(context.request.get(name) or "")
    if not COMMIT.match(commit):
        refuse("BAD_VALUE", f"{commit!r} is no commit id", "git log --format=%H", name)
    return commit
