"""The values of the overview, answered by the index: their cost follows what is open, not how many tasks there are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from opsgit.domain.dependencies import with_blockers
from opsgit.operations import monitor
from opsgit.operations.queries import blocked
from opsgit.operations.session import Session
from opsgit.operations.summary import summary
from opsgit.storage.index import Index

OVERDUE = ("stale", "reviews")  # the checks of the monitor that find tasks which wait for too long
LAST_MAX = 15


@dataclass(frozen=True)
class Waiting:
    """A task that waits for somebody: id and title, what is to be done, the time of its last operation, priority.

    `since` is in seconds after the epoch.
    """

    task: str
    title: str
    act: str
    since: int
    priority: str
    overdue: bool


@dataclass(frozen=True)
class Overview:
    """What needs somebody, and how the project stands.

    `summary` has the values of the dashboard. `moment` is the time of which it tells (seconds after the epoch).
    `groups` has what waits, by the agent or role that it waits for, the oldest first. For each of these names, `kinds`
    says whether it is a human (also a role of people alone), an agent or a role. `last` are the newest operations, each
    with `task` and `title` if it is about a task. `proven` is the number of operations on the ledger, each a signed
    commit; `total` includes those that were imported with tasks.
    """

    summary: Mapping[str, Any]
    moment: int
    groups: Mapping[str, Sequence[Waiting]]
    kinds: Mapping[str, str]
    last: Sequence[Mapping[str, Any]]
    proven: int
    total: int


def with_fixed_clock(session: Session, live: bool = False) -> Session:
    """Return an offline session whose clock is fixed, at the newest operation or at the present time.

    :param live: take the present time. A session that looks at the past keeps its clock.
    """
    moment = int(session.clock()) if live or session.at else session.index().newest()
    return replace(session, clock=lambda: moment, online=False)


def overview(session: Session) -> Overview:
    """Return the values of the overview at the time of the session's clock.

    :raises Refused: the code of the first finding if a new commit breaks a rule.
    """
    index, moment = session.index(), int(session.clock())
    values = summary(session, moment)
    kinds = _kinds(values["agents"])
    proven = index.operations()
    late = {one.task for one in monitor.monitor(session, OVERDUE) if one.task}
    return Overview(
        summary=values,
        moment=moment,
        groups=_groups(index, kinds, late),
        kinds=kinds,
        last=list(_last(index)),
        proven=proven,
        total=proven + index.brought(),
    )


def _groups(index: Index, kinds: Mapping[str, str], late: set[str]) -> dict[str, list[Waiting]]:
    """Return the waiting tasks, grouped by the agent or role that they wait for.

    People come first, then agents, then roles; in each group, the oldest comes first.
    """
    found: dict[str, list[Waiting]] = defaultdict(list)
    for task, waits, what, since in index.awaited():
        act = with_blockers(what, blocked(index, task))
        one = Waiting(task["id"], task["title"], act, since, task["priority"], task["id"] in late)
        for who in waits.split(", "):
            found[who].append(one)
    rank = {"human": 0, "agent": 1}
    order = sorted(found, key=lambda who: (rank.get(kinds.get(who, ""), 2), who))
    return {who: sorted(found[who], key=lambda one: (one.since, one.task)) for who in order}


def _kinds(agents: Mapping[str, Any]) -> dict[str, str]:
    """Return whether each agent is a human or an agent. A role whose active agents are all humans counts as human."""
    roles: dict[str, set[str]] = defaultdict(set)
    for agent in agents.values():
        if agent["status"] == "active":
            roles[agent["role"]].add(agent["kind"])
    people = {role: "human" if kinds == {"human"} else "role" for role, kinds in roles.items()}
    return {**people, **{name: agent["kind"] for name, agent in agents.items()}}


def _last(index: Index) -> Iterator[dict[str, Any]]:
    """Yield the newest operations, the newest first."""
    for entry in reversed(index.log("1", (), LAST_MAX)):
        task = index.at(entry["path"]) if entry["path"].startswith("tasks/") else None
        yield {**entry, "task": task and task["id"], "title": task["title"] if task else ""}
