"""The values of a retrospective: one period beside the one of the same length before it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from opsgit.domain import audit, flow, names, statistics, times
from opsgit.domain.flow import Delivery, Flow
from opsgit.domain.vocabulary import DONE, ENDED, IN_REVIEW, REJECTED
from opsgit.operations import compile, site
from opsgit.operations.session import Session

Entry = Mapping[str, Any]


@dataclass(frozen=True)
class Period:
    """What happened from `start` to before `end` (seconds after the epoch).

    `rejections` counts rejected reviews by who rejected, `verdicts` all verdicts by who gave them.
    """

    start: int
    end: int
    flow: Flow
    agents: Mapping[str, statistics.Performance]
    delivery: Delivery
    made: int
    rejections: Mapping[str, int]
    verdicts: Mapping[str, int]


@dataclass(frozen=True)
class Load:
    """An agent's open tasks, and how many it finished a week in the period."""

    name: str
    open: int
    weekly: float


@dataclass(frozen=True)
class Retro:
    """A retrospective: the period, the one before it, the agents with work, and what is to be looked at.

    `reasons` are the rejections of the period: task, who rejected, and why. `oldest` are the tasks that wait longest
    now: task, title, status, and since when (seconds after the epoch).
    """

    project: str
    now: Period
    before: Period
    loads: Sequence[Load]
    reasons: Sequence[tuple[str, str, str]]
    oldest: Sequence[tuple[str, str, str, int]]
    exceptions: Sequence[audit.Oddity]


def retro(session: Session, since: str) -> Retro:
    """Return the values for a period that ends now.

    :param since: its length, such as `14d`.
    :raises Refused: `BAD_VALUE` if `since` is not a duration.
    """
    length, end = max(1, times.duration(since)), int(session.clock())
    entries, state = session.index().log("1"), compile.state(session)
    raised = site.raised(session)
    start = max(0, end - length)
    now = _period(entries, raised, start, end + 1)
    before = _period(entries, raised, max(0, start - length), start)
    touched = session.index().last_times("path")
    waiting = [
        (task["id"], task["title"], task["status"], touched.get(names.task_path(task["id"]), end))
        for task in state["tasks"].values() if task["status"] not in ENDED
    ]  # fmt: skip
    return Retro(
        project=state["project"],
        now=now,
        before=before,
        loads=_loads(state, now),
        reasons=[
            (one["what"], one["by"], one.get("note", ""))
            for one in entries
            if one["at"] >= start and _verdict(one) == REJECTED
        ],
        oldest=sorted(waiting, key=lambda one: (one[3], one[0]))[:5],
        exceptions=[one for one in audit.oddities(entries, session.index().oldest()) if times.seconds(one.at) >= start],
    )


def _period(entries: Sequence[Entry], raised: Mapping[str, Sequence[int]], start: int, end: int) -> Period:
    """Return what happened from `start` to before `end`."""
    known = [one for one in entries if one["at"] < end]
    inside = [one for one in known if one["at"] >= start]
    return Period(
        start=start,
        end=end,
        flow=flow.flow(known, end, start),
        agents=statistics.figures(known, start).agents,
        delivery=flow.delivery(entries, raised, start, end),
        made=sum(one["op"] == "task.add" for one in inside),
        rejections=Counter(one["by"] for one in inside if _verdict(one) == REJECTED),
        verdicts=Counter(one["by"] for one in inside if _verdict(one)),
    )


def _verdict(entry: Entry) -> str:
    """Return the status to which a verdict brought a task; empty for another operation."""
    status = entry.get("status", "")
    return status if entry.get("before") == IN_REVIEW and status in (DONE, REJECTED) else ""


def _loads(state: Mapping[str, Any], now: Period) -> list[Load]:
    """Return the agents that have open tasks, the one with the most work for its pace first."""
    weeks = max(now.end - now.start, 1) / flow.WEEK
    none = statistics.Performance()
    loads = [
        Load(name, agent["tasks_open"], now.agents.get(name, none).done / weeks)
        for name, agent in state["agents"].items() if agent["tasks_open"]
    ]  # fmt: skip
    return sorted(loads, key=lambda one: (-one.open / one.weekly if one.weekly else float("-inf"), -one.open, one.name))
