"""Leases: an assignee that does nothing for a while loses its task to the next that claims it."""

from __future__ import annotations

from dataclasses import replace

from opsgit.domain import times
from opsgit.domain.context import Context
from opsgit.domain.model import Lease, Task
from opsgit.domain.refusals import refuse
from opsgit.domain.vocabulary import ASSIGNED, IN_PROGRESS, REJECTED

LEASE_MAX = 366 * 86_400  # seconds
HELD = (ASSIGNED, IN_PROGRESS, REJECTED)


def granted(context: Context) -> Lease | None:
    """Return the lease of a claim: the one that the request asks for, else the project's, else None.

    :raises Refused: `BAD_VALUE` for a duration that is none, of no seconds, or longer than a year.
    """
    words = context.request.get("lease") or context.project.lease
    if not words:
        return None
    seconds = times.duration(words)
    if not 0 < seconds <= LEASE_MAX:
        refuse("BAD_VALUE", f"a lease of {words} is too short or too long", "--lease 2h", "lease")
    return _from(context, seconds)


def _from(context: Context, seconds: int) -> Lease:
    return Lease(seconds=seconds, until=times.text(times.seconds(context.at) + seconds))


def renewed(context: Context, task: Task) -> Task:
    """Return the task after an operation: each one by the assignee, while it holds the task, renews its lease."""
    if task.lease is None or task.assigned != context.me or task.status not in HELD:
        return task
    return replace(task, lease=_from(context, task.lease.seconds))


def ran_out(task: Task, at: str) -> bool:
    """Return whether a task has a lease that ran out.

    :param at: RFC 3339 text.
    """
    return task.lease is not None and task.lease.until <= at
