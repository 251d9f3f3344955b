"""Metrics and alerts: the operations of observers."""

from __future__ import annotations

from typing import Any

from opsgit.domain import names
from opsgit.domain.records import Record
from opsgit.domain.request import Snapshot
from opsgit.operations.publication import act
from opsgit.operations.queries import synced
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
    chosen = alert_id if alert_id is not None else next_alert(session.look(), "A")
    return act(session, "alert.raise", chosen, message=message, **fields)


def next_alert(snapshot: Snapshot, prefix: str) -> str:
    """Return the next free id `<prefix>-<number>` of an alert."""
    taken = (names.AUTOMATIC["alert"].match(name.removesuffix(".yaml")) for name in snapshot.reader.names("alerts"))
    numbers = [int(found[2]) for found in taken if found and found[1].casefold() == prefix.casefold()]
    return f"{prefix}-{max(numbers, default=0) + 1}"


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
    return synced(session).select(where, (kind,) if status is None else (kind, status), "path")
