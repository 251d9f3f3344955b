"""The effects of operations on metrics and alerts."""

from __future__ import annotations

from dataclasses import replace

from opsgit.domain import names, text
from opsgit.domain.context import Context
from opsgit.domain.model import Alert, Metric
from opsgit.domain.refusals import refuse
from opsgit.domain.vocabulary import SEVERITIES


def set_metric(context: Context, _: Metric | None) -> Metric:
    """Set a metric to a number.

    The metric `last_check` holds the number of findings of the latest monitor run, so it must be a whole number from 0.

    :raises Refused: `BAD_NAME` for a reserved name; `BAD_VALUE`.
    """
    name, value = context.request.target, context.request.get("value")
    if name in names.RESERVED_METRICS:
        refuse("BAD_NAME", f"{name!r} is a word of state.json itself", "choose another name", "name")
    if name == names.LAST_CHECK and (not isinstance(value, int) or value < 0):
        refuse("BAD_VALUE", f"{value!r} is no number of findings", "opsgit monitor --raise", "value")
    return Metric(name=name, value=value, at=context.at, by=context.me)


def raise_alert(context: Context, _: None) -> Alert:
    """Return a new open alert, on a task if the request names one.

    :raises Refused: `BAD_ID` or `NOT_FOUND` for the task; `BAD_VALUE` for the severity; `BAD_TEXT`.
    """
    alert_id, task_id = context.request.target, context.request.get("task")
    if task_id:
        context.snapshot.task(str(task_id))
    severity = str(context.request.get("severity") or "warning")
    if severity not in SEVERITIES:
        refuse("BAD_VALUE", f"{severity!r} is no severity; there are {', '.join(SEVERITIES)}", "--severity warning")
    return Alert(
        id=alert_id,
        message=context.words("message", text.COMMENT_MAX),
        severity=severity,
        task=task_id,
        status="open",
        raised=context.at,
        raised_by=context.me,
    )


def resolve_alert(context: Context, alert: Alert) -> Alert:
    """Mark an open alert as resolved.

    :raises Refused: `NOTHING_CHANGES` when it is resolved already.
    """
    if alert.status != "open":
        refuse("NOTHING_CHANGES", f"alert {alert.id} is resolved already", "opsgit alert list")
    return replace(alert, status="resolved", resolved=context.at, resolved_by=context.me)
