"""The figures of flow and delivery, computed from the operations of the ledger alone.

- The *cumulative flow* is the number of tasks in each status at the end of each day (UTC).
- A *cycle* runs from the first start of work to done, as in `statistics`. For a task that was imported in progress, the
  start of work is not known. Its cycle runs from its next start of work.
- The *throughput* of a week is the number of its cycles. Weeks begin on Monday, 00:00 UTC.
- The *age* of work in progress is the time since work started; if the task was done before, since work started again.
- A *deployment* is a change of status to deployed. Its *lead time* runs from the start of the work on it.
- The *change failure rate* is the share of the period's deployments that were rolled back at any later time.
- The *time to restore* is the time to a rollback. It is measured from the first alert on the task after the deployment,
  or, without an alert, from the deployment.

All times are in seconds; a moment is seconds after the epoch.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from opsgit.domain.statistics import median
from opsgit.domain.times import DAY
from opsgit.domain.vocabulary import DEPLOYED, DONE, IMPORTED, IN_PROGRESS, IN_REVIEW, REJECTED, ROLLED_BACK, STATUSES

WEEK = 7 * DAY
MONDAY = 4 * DAY  # the first Monday after the epoch
FEW = 5  # with fewer cases, a figure of delivery is not given
UNDERWAY = (IN_PROGRESS, IN_REVIEW, REJECTED)
# One operation: at (seconds after the epoch), path; a transition also has status and before.
Entry = Mapping[str, Any]


class Day(NamedTuple):
    """One day: the moment at which it began, and the number of tasks in each status when it ended."""

    begins: int
    counts: Mapping[str, int]


class Cycle(NamedTuple):
    """A task's way from the first start of work to done: path of its file, when it was done, and how long it took."""

    path: str
    done: int
    seconds: int


class Age(NamedTuple):
    """Work in progress: path of the task's file, its status, and how long ago the work was started."""

    path: str
    status: str
    seconds: int


class Measure(NamedTuple):
    """A figure of delivery, and the number of cases it rests on; `value` is None if there are fewer than `FEW`."""

    value: float | None
    cases: int


class Delivery(NamedTuple):
    """The four figures of delivery in a period.

    `frequency` is in deployments a week, `lead` and `restore` are medians in seconds, `failures` is a share (0 to 1).
    """

    frequency: Measure
    lead: Measure
    failures: Measure
    restore: Measure


@dataclass(eq=False, repr=False)
class Flow:
    """What a walk over the operations found. `ages` is by path, `waits` holds durations in each status."""

    days: list[Day] = field(default_factory=list)
    cycles: list[Cycle] = field(default_factory=list)
    ages: list[Age] = field(default_factory=list)
    waits: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))


def flow(entries: Iterable[Entry], until: int, since: int = 0) -> Flow:
    """Return the figures of flow.

    :param entries: all operations of the ledger, oldest first.
    :param until: the moment at which the last day is counted and ages end.
    :param since: cycles and waits that ended earlier are left out.
    """
    walk = _Walk(until, since)
    for entry in entries:
        if "status" in entry:
            walk.take(entry)
    return walk.end()


class _Walk:
    """A walk over transitions, oldest first."""

    def __init__(self, until: int, since: int) -> None:
        self.until, self.since = until, since
        self.found = Flow()
        self.counts: Counter[str] = Counter()
        self.day: int | None = None
        self.status: dict[str, tuple[str, int]] = {}  # by path: the status, and since when
        self.begun: dict[str, int] = {}

    def take(self, entry: Entry) -> None:
        path, at, status = entry["path"], entry["at"], entry["status"]
        self._days(at)
        before = self.status.get(path)
        if before:
            self.counts[before[0]] -= 1
            if at >= self.since:
                self.found.waits[before[0]].append(at - before[1])
        self.counts[status] += 1
        self.status[path] = status, at
        if status == IN_PROGRESS and entry.get("before") != IMPORTED:
            self.begun.setdefault(path, at)
        if status == DONE:
            begun = self.begun.pop(path, None)
            if begun is not None and entry.get("before") == IN_REVIEW and at >= self.since:
                self.found.cycles.append(Cycle(path, at, at - begun))

    def _days(self, at: int) -> None:
        """Close the days that ended before a moment."""
        begins = at - at % DAY
        if self.day is None:
            self.day = begins
        while self.day < begins:
            self.found.days.append(Day(self.day, {one: self.counts[one] for one in STATUSES}))
            self.day += DAY

    def end(self) -> Flow:
        if self.day is not None:
            self._days(self.until)
            self.found.days.append(Day(self.day, {one: self.counts[one] for one in STATUSES}))
        ages = (
            Age(path, status, self.until - self.begun[path])
            for path, (status, _) in self.status.items()
            if status in UNDERWAY and path in self.begun
        )
        self.found.ages = sorted(ages, key=lambda one: (-one.seconds, one.path))
        return self.found


def throughput(cycles: Iterable[Cycle], since: int, until: int) -> list[tuple[int, int]]:
    """Return the number of cycles that ended in each week: the moment at which the week began, and the number.

    :param since: a moment in the first week.
    :param until: a moment in the last week.
    """
    counted = Counter(_monday(one.done) for one in cycles)
    return [(week, counted[week]) for week in range(_monday(since), _monday(until) + 1, WEEK)]


def _monday(moment: int) -> int:
    return moment - (moment - MONDAY) % WEEK


def delivery(entries: Sequence[Entry], alerts: Mapping[str, Sequence[int]], since: int, until: int) -> Delivery:
    """Return the four figures of delivery.

    :param entries: all operations of the ledger, oldest first, also those after the period.
    :param alerts: for the path of each task, the moments at which alerts on it were raised.
    :param since: the period begins with this moment.
    :param until: the period ends before this moment.
    """
    deployed, leads, restored, failed = 0, list[int](), list[int](), 0
    for entry, begun, live in _deployments(entries):
        inside = since <= entry["at"] < until
        if entry["status"] == DEPLOYED:
            deployed += inside
            leads += [entry["at"] - begun] if begun is not None and inside else []
        elif live is not None:
            failed += since <= live < until
            raised = [at for at in alerts.get(entry["path"], ()) if live <= at <= entry["at"]]
            restored += [entry["at"] - min(raised, default=live)] if inside else []
    first = entries[0]["at"] if entries else since
    weeks = max(until - max(since, first), WEEK) / WEEK  # a project that is younger than a week counts as one week
    return Delivery(
        _measure(deployed / weeks, deployed),
        _measure(median(leads), len(leads)),
        _measure(failed / deployed if deployed else None, deployed),
        _measure(median(restored), len(restored)),
    )


def _deployments(entries: Iterable[Entry]) -> Iterator[tuple[Entry, int | None, int | None]]:
    """Yield each deployment and each rollback, with two moments.

    The first one, for a deployment, is when work began; the second, for a rollback, is that of the deployment that it
    reverts. Either is None if it is not known.
    """
    begun, live = dict[str, int](), dict[str, int]()
    for entry in entries:
        path, status = entry["path"], entry.get("status")
        if entry.get("before") == IMPORTED:
            continue
        if status == IN_PROGRESS:
            begun.setdefault(path, entry["at"])
        elif status == DEPLOYED:
            yield entry, begun.pop(path, None), None
            live[path] = entry["at"]
        elif status == ROLLED_BACK:
            yield entry, None, live.pop(path, None)


def _measure(value: float | None, cases: int) -> Measure:
    return Measure(value if cases >= FEW else None, cases)
