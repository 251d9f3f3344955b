"""The state as metrics for a monitoring system, in the families of OpenMetrics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from opsgit.domain import flow, statistics, times, vocabulary
from opsgit.operations import compile
from opsgit.operations.monitor import CHECKS, Problem
from opsgit.operations.session import Session
from opsgit.version import VERSION

SHARES = (0.5, 0.85, 0.95)
CYCLE_DAYS = 28


class Family(NamedTuple):
    """One metric: its name without a suffix, `type` (gauge or counter), help, and values with their labels."""

    name: str
    type: str
    help: str
    samples: Sequence[tuple[Mapping[str, str], float]]


def families(session: Session, problems: Iterable[Problem], chosen: Sequence[str]) -> Iterator[Family]:
    """Yield the metrics of the present state.

    :param problems: what the monitor found.
    :param chosen: the checks that were made (keys of `monitor.CHECKS`; none means all).
    """
    now = int(session.clock())
    state, entries = compile.state(session, now), session.index().log("1")
    counts = Counter(task["status"] for task in state["tasks"].values())
    info = {"project": state["project"], "repository": state["repository"], "version": VERSION}
    yield Family("opsgit_repository", "gauge", "The state repository.", [(info, 1)])
    yield Family("opsgit_tasks", "gauge", "Tasks by status.",
                 [({"status": one}, counts[one]) for one in vocabulary.STATUSES])  # fmt: skip
    waiting = Counter(who for task in state["tasks"].values() for who in (task["waiting_for"] or "").split(", ") if who)
    yield Family("opsgit_waiting", "gauge", "Tasks by the agent or role that they wait for.",
                 [({"for": who}, number) for who, number in sorted(waiting.items())])  # fmt: skip
    yield from _quotas(state["quotas"])
    gauges = state["metrics"]
    own = [name for name in gauges if name not in ("alerts", "last_check")]
    yield Family("opsgit_metric", "gauge", "Gauges that observers set.", [({"name": one}, gauges[one]) for one in own])
    alerts = Counter(one["severity"] for one in gauges["alerts"])
    yield Family(
        "opsgit_alerts", "gauge", "Open alerts.", [({"severity": one}, alerts[one]) for one in vocabulary.SEVERITIES]
    )
    found = Counter(one.check for one in problems)
    yield Family("opsgit_problems", "gauge", "What the monitor finds, by check.",
                 [({"check": one}, found[one]) for one in sorted({*(chosen or CHECKS), *found})])  # fmt: skip
    yield Family("opsgit_operations", "counter", "Operations on the ledger.", [({}, len(entries))])
    yield Family("opsgit_last_operation_timestamp_seconds", "gauge", "When the newest operation was made.",
                 [({}, times.seconds(state["updated"]))])  # fmt: skip
    cycles = [one.seconds for one in flow.flow(entries, now, now - CYCLE_DAYS * times.DAY).cycles]
    shares = [({"share": str(one)}, statistics.rank(cycles, one) or 0) for one in SHARES] if cycles else []
    yield Family("opsgit_cycle_time_seconds", "gauge", f"Cycle times of the last {CYCLE_DAYS} days.", shares)


def _quotas(quotas: Mapping[str, Any]) -> Iterator[Family]:
    for field, words in (("used", "Use of each quota in its present window."), ("limit", "Limit of each quota.")):
        yield Family(
            f"opsgit_quota_{field}", "gauge", words, [({"quota": name}, one[field]) for name, one in quotas.items()]
        )
