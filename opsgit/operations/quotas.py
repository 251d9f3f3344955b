"""Quotas: set, used, checked."""

from __future__ import annotations

from typing import Any

from opsgit.domain import names, quotas, times
from opsgit.domain.model import Quota
from opsgit.domain.records import Record, from_record, to_record
from opsgit.domain.refusals import refuse
from opsgit.operations.publication import act
from opsgit.operations.queries import synced
from opsgit.operations.session import Session
from opsgit.operations.transactions import Written


def set_quota(session: Session, name: str, **fields: Any) -> list[Written]:
    """Make or change a quota; what is None stays as it is.

    :param fields: limit, period, agents.
    :raises Refused: `PERIOD_REQUIRED` for a new quota without a period when its name does not say one either.
    """
    old = session.look().find(Quota, names.path_of("quota", names.check_name(name)))
    kept = {"period": old.period, "agents": old.agents} if old else {}
    if not old and fields.get("period") is None:
        kept = {"period": _named_period(session, name)}
    given = {key: value for key, value in fields.items() if value is not None}
    return act(session, "quota.set", name, **{**kept, **given})


def _named_period(session: Session, name: str) -> str:
    period = quotas.period_in_name(name)
    if period is None:
        refuse(
            "PERIOD_REQUIRED",
            f"how often does {name} reset?",
            "add --period daily (or hourly, weekly, monthly; none: never)",
        )
    session.notices.append(f"{name} is {period}, from its name")
    return period


def use(session: Session, name: str, amount: int) -> list[Written]:
    """Use some of a quota; says when more than 80 % is used."""
    written = act(session, "quota.use", name, amount=amount)
    _warn(session, from_record(Quota, written[0].change.edits[0].record or {}))
    return written


def _warn(session: Session, quota: Quota) -> None:
    if quota.used >= quota.limit * quotas.WARN_AT:
        session.notices.append(f"warning: {quota.name} has {quota.limit - quota.used} of {quota.limit} left")


def check(session: Session, name: str) -> dict[str, Any]:
    """A quota as it counts now: the record, what is left, and whether it is exhausted."""
    names.check_name(name)
    found = synced(session).select("path = ?", (names.path_of("quota", name),), "path")
    if not found:
        refuse("NOT_FOUND", f"there is no quota {name}", "opsgit quota list")
    told = _told(session, found[0])
    _warn(session, quotas.current(from_record(Quota, found[0]), _now(session)))
    return told


def _now(session: Session) -> str:
    return times.text(int(session.clock()))


def _told(session: Session, record: Record) -> dict[str, Any]:
    quota = quotas.current(from_record(Quota, record), _now(session))
    left = max(0, quota.limit - quota.used)
    return {**to_record(quota), "left": left, "exhausted": left == 0}


def every_quota(session: Session) -> list[dict[str, Any]]:
    """All quotas as they count now."""
    return [_told(session, record) for record in synced(session).select("kind = 'quota'", (), "path")]
