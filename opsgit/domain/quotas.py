"""Quotas: limits on use within windows that begin and end at fixed times in UTC."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from opsgit.domain import times
from opsgit.domain.context import Context
from opsgit.domain.model import Quota
from opsgit.domain.refusals import refuse
from opsgit.domain.vocabulary import PERIODS

WARN_AT = 0.8  # users are warned when this share of the limit is used


def next_reset(period: str, at: str) -> str | None:
    """Return the end of the window that contains a time.

    Windows end at the full hour, at midnight, on Monday at midnight, or on the first of the month at midnight, in UTC.

    :param period: hourly, daily, weekly, monthly or none.
    :param at: RFC 3339 text.
    :returns: RFC 3339 text, always later than `at`; None for the period none.
    :raises Refused: `BAD_VALUE` when `at` is not RFC 3339 text.
    """
    now = datetime.fromtimestamp(times.seconds(at), UTC)
    midnight = now.replace(hour=0, minute=0, second=0)
    ends = {
        "hourly": now.replace(minute=0, second=0) + timedelta(hours=1),
        "daily": midnight + timedelta(days=1),
        "weekly": midnight + timedelta(days=7 - now.weekday()),
        "monthly": (midnight.replace(day=1) + timedelta(days=32)).replace(day=1),
    }
    return times.text(int(ends[period].timestamp())) if period in ends else None


def current(quota: Quota, at: str) -> Quota:
    """Return the quota as it counts at a time: outside the window that ends at `reset_at`, use is 0 in a new window.

    :param at: RFC 3339 text.
    """
    if quota.reset_at and (at >= quota.reset_at or hopped(quota, at)):
        return replace(quota, used=0, reset_at=next_reset(quota.period, at))
    return quota


def hopped(quota: Quota, at: str) -> bool:
    """Return whether a quota's window begins only after a time: it was used under a clock that was ahead.

    :param at: RFC 3339 text.
    """
    return quota.reset_at is not None and quota.reset_at > (next_reset(quota.period, at) or quota.reset_at)


def define(context: Context, old: Quota | None) -> Quota:
    """Create a quota, or change its limit, period or agents.

    What was used in the current window stays used. With another period it counts in the current window of that period:
    else whoever may set a quota could empty it by changing the period there and back.

    :raises Refused: `BAD_VALUE`; `BAD_NAME` or `NOT_FOUND` for an agent.
    """
    name = context.request.target
    limit, period = int(context.request.get("limit") or 0), str(context.request.get("period") or "none")
    if period not in PERIODS:
        refuse("BAD_VALUE", f"{period!r} is no period; there are {', '.join(PERIODS)}", "--period daily", "period")
    agents = tuple(dict.fromkeys(context.request.get("agents") or ()))
    for agent in agents:
        context.snapshot.agent(agent)
    fresh = Quota(name=name, limit=limit, used=0, period=period, reset_at=next_reset(period, context.at), agents=agents)
    if not old:
        return _brought(context, fresh)
    kept = replace(current(old, context.at), limit=limit, agents=agents)
    return kept if old.period == period else replace(fresh, used=kept.used)


def _brought(context: Context, fresh: Quota) -> Quota:
    """Return a new quota, with the use and the end of the window from another tracker if the request gives them."""
    reset_at = context.request.get("reset_at") or fresh.reset_at
    if reset_at != fresh.reset_at and not _ends_a_window(fresh.period, str(reset_at), context.at):
        refuse("BAD_VALUE", f"no {fresh.period} window that has begun ends at {reset_at}", "leave it out", "reset_at")
    return replace(fresh, used=int(context.request.get("used") or 0), reset_at=reset_at)


def _ends_a_window(period: str, reset_at: str, at: str) -> bool:
    """Return whether a window of the period ends at `reset_at`, not later than the current window."""
    last = next_reset(period, at)
    return last is not None and reset_at <= last and reset_at == window_end(period, reset_at)


def window_end(period: str, at: str) -> str | None:
    """Return `at` if a window of the period ends at that second, else the end of the window that contains it.

    :param at: RFC 3339 text.
    :returns: RFC 3339 text; None for the period none.
    :raises Refused: `BAD_VALUE` when `at` is not RFC 3339 text.
    """
    return next_reset(period, times.text(times.seconds(at) - 1))


def period_in_name(name: str) -> str | None:
    """Return the period that is part of a quota's name (`publish_daily`, `api-hourly`), or None."""
    return next((word for word in re.split("[-_]", name) if word in PERIODS and word != "none"), None)


def use(context: Context, stored: Quota) -> Quota:
    """Use an amount of a quota. If its window has ended, counting starts again in the current one.

    :raises Refused: `QUOTA_EXCEEDED` when less than the amount is left; `BAD_VALUE`.
    """
    quota = current(stored, context.at)
    amount = int(context.request.get("amount") or 0)
    if amount < 1:
        refuse("BAD_VALUE", "the least amount to use is 1", "opsgit quota use --help", "amount")
    left = quota.limit - quota.used
    if amount > left:
        until = f"; it resets at {quota.reset_at}" if quota.reset_at else ""
        refuse("QUOTA_EXCEEDED", f"{quota.name} has {max(left, 0)} of {quota.limit} left, {amount} asked for{until}",
               f"opsgit quota check {quota.name}")  # fmt: skip
    return replace(quota, used=quota.used + amount)
