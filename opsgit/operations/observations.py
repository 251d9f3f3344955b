"""Metrics and alerts: the operations of observers."""

from __future__ import annotations

from typing import Any

from opsgit.domain.records import Record
from opsgit.operations import numbers
from opsgit.operations.publication import act
from opsgit.operations.session import Session
from opsgit.operations.transactions import Written


def set_metric(session: Session, name: str, value: float) -> list[Written]:
    """Set a gauge.

    :raises Refused: if the rule book refuses the operation.
    """
    return act(session, "metric.set", name, value=value)


def raise_alert(session: Session, alert_id: str | None, message: str, **fields: Any) -> list[Written]:
    """Raise an alert.

    :param alert_id: its id; None takes the next number.
    :param fields: severity, task.
    :raises Refused: if the rule book refuses the operation.
    """
    before = session.repeated()
    if before and before.request.op == "alert.raise":
        alert_id = alert_id or before.request.target
    if alert_id is not None:
        return act(session, "alert.raise", alert_id, message=message, **fields)
    return numbers.numbered(
        lambda: act(session, "alert.raise", numbers.next_alert(session.look(), "A"), message=message, **fields)
    )


def resolve_alert(session: Session, alert_id: str) -> list[Written]:
    """Resolve an alert.

    :raises Refused: if the rule book refuses the operation.
    """
    return act(session, "alert.resolve", alert_id)


def records(session: Session, kind: str, status: str | None = None) -> list[Record]:
    """Return all records of a kind by path.

    :param kind: `metric` or `alert`.
    :param status: return only records with this status.
    """
    where = "kind = ?" if status is None else "kind = ? AND status = ?"
    return session.index().select(where, (kind,) if status is None else (kind, status), "path")
