"""What observers write: metrics and alerts."""

from __future__ import annotations

from typing import Any

from opsgit.domain.records import Record
from opsgit.domain.request import Snapshot
from opsgit.operations.publication import act
from opsgit.operations.queries import synced
from opsgit.operations.session import Session
from opsgit.operations.transactions import Written


def set_metric(session: Session, name: str, value: float) -> list[Written]:
    """Set a gauge."""
    return act(session, "metric.set", name, value=value)


def raise_alert(session: Session, alert_id: str | None, message: str, **fields: Any) -> list[Written]:
    """Raise an alert; without an id it takes the next number.

    :param fields: severity, task.
    """
    chosen = alert_id if alert_id is not None else next_alert(session.look(), "A")
    return act(session, "alert.raise", chosen, message=message, **fields)


def next_alert(snapshot: Snapshot, prefix: str) -> str:
    """The next free id `<prefix>-<number>`."""
    taken = (name.removesuffix(".yaml") for name in snapshot.reader.names("alerts"))
    numbers = [
        int(n[len(prefix) + 1 :]) for n in taken if n.startswith(f"{prefix}-") and n[len(prefix) + 1 :].isdecimal()
    ]
    return f"{prefix}-{max(numbers, default=0) + 1}"


def resolve_alert(session: Session, alert_id: str) -> list[Written]:
    """Close an alert."""
    return act(session, "alert.resolve", alert_id)


def records(session: Session, kind: str, status: str | None = None) -> list[Record]:
    """All metrics or alerts, by name."""
    where = "kind = ?" if status is None else "kind = ? AND status = ?"
    return synced(session).select(where, (kind,) if status is None else (kind, status), "path")
