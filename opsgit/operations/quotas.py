"""Quotas: set, use and check them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opsgit.domain import names, quotas, times
from opsgit.domain.model import Quota
from opsgit.domain.records import Record, from_record, to_record
from opsgit.domain.refusals import refuse
from opsgit.operations.session import Session

if TYPE_CHECKING:  # a check needs nothing of what a write needs
    from opsgit.operations.transactions import Written


def set_quota(session: Session, name: str, **fields: Any) -> list[Written]:
    """Make a quota or change it; arguments that are None stay as they are.

    :param fields: limit, period, agents.
    :raises Refused: `PERIOD_REQUIRED` for a new quota if neither an argument nor its name gives the period; if the rule
        book refuses the operation.
    """
    old = session.look().find(Quota, names.path_of("quota", names.check_name(name)))
    kept = {"period": old.period, "agents": old.agents} if old else {}
    if not old and fields.get("period") is None:
        kept = {"period": _named_period(session, name)}
    given = {key: value for key, value in fields.items() if value is not None}
    return _act(session, "quota.set", name, **{**kept, **given})


def _act(session: Session, op: str, name: str, **fields: Any) -> list[Written]:
    from opsgit.operations.publication import act

    return act(session, op, name, **fields)


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
    """Use an amount of a quota; a notice warns when 80 % or more is used.

    :raises Refused: `QUOTA_EXCEEDED` if not enough is left; if the rule book refuses the operation.
    """
    written = _act(session, "quota.use", name, amount=amount)
    _warn(session, from_record(Quota, written[0].change.edits[0].record or {}))
    return written


def _warn(session: Session, quota: Quota) -> None:
    if quota.used >= quota.limit * quotas.WARN_AT:
        session.notices.append(f"warning: {quota.name} has {quota.limit - quota.used} of {quota.limit} left")


def check(session: Session, name: str) -> dict[str, Any]:
    """Return a quota as it counts now: its record, what is left, and whether it is exhausted.

    :raises Refused: `BAD_NAME` or `NOT_FOUND`.
    """
    names.check_name(name)
    found = session.index().select("path = ?", (names.path_of("quota", name),), "path")
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
    """Return all quotas as they count now, in the form of `check`."""
    return [_told(session, record) for record in session.index().select("kind = 'quota'", (), "path")]
