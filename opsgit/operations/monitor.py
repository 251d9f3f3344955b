"""`monitor`: find what is stuck or has failed, and report each problem once when it begins and once when it is over."""

from __future__ import annotations

import fcntl
import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opsgit.domain import names, quotas, times, vocabulary
from opsgit.domain.model import Alert, Project, Quota, Task
from opsgit.domain.records import from_record
from opsgit.domain.refusals import Refused
from opsgit.domain.request import Request
from opsgit.domain.vocabulary import IN_REVIEW
from opsgit.operations import notify, numbers, observations
from opsgit.operations.publication import publish
from opsgit.operations.queries import ORDER, among
from opsgit.operations.session import Session, observer
from opsgit.operations.transactions import Transaction, Written
from opsgit.storage.index import Index

STALE = {"assigned": "24h", "in-progress": "48h", "review": "24h", "rejected": "24h"}
IDLE = "3d"
HELD = (vocabulary.ASSIGNED, vocabulary.IN_PROGRESS, vocabulary.REJECTED)


@dataclass(frozen=True, repr=False)
class Problem:
    """Something that a check found."""

    check: str
    subject: str
    severity: str
    message: str
    task: str | None = None

    @property
    def key(self) -> str:
        """The name of the problem. It stays the same while the problem lasts, even if the message changes."""
        return f"{self.check}:{self.subject}"


@dataclass(frozen=True, repr=False)
class Situation:
    """What the checks look at: the project, its quotas, the index, and the present time in seconds after the epoch."""

    project: Project
    quotas: tuple[Quota, ...]
    index: Index
    now: int

    def tasks(self, where: str, *values: Any) -> Iterator[tuple[Task, int]]:
        """Yield the tasks that fit an SQL condition, the most urgent first, each with its age since its last operation.

        :param where: as for `Index.select`.
        """
        for record, updated in self.index.touched(f"kind = 'task' AND ({where})", values, ORDER):
            yield from_record(Task, record), self.now - updated


def scene(session: Session) -> Situation:
    """Return the state with the times that the checks need."""
    index = session.index()
    found = index.select("kind = 'quota'", (), ORDER)
    quotas_ = tuple(from_record(Quota, record) for record in found)
    return Situation(session.look().project, quotas_, index, int(session.clock()))


def stale(scene: Situation) -> Iterator[Problem]:
    """Yield tasks without an operation for longer than their status allows; `reviews` checks the tasks in review."""
    limits = {**STALE, **scene.project.stale}
    late = [(status, scene.now - times.duration(limit)) for status, limit in limits.items() if status != IN_REVIEW]
    where = " OR ".join("(status = ? AND updated < ?)" for _ in late)
    for task, age in scene.tasks(where, *(value for pair in late for value in pair)):
        yield Problem("stale", task.id, "warning", f"{task.id} is {task.status} since {_hours(age)}"
                      + (f", with {task.assigned}" if task.assigned else ""), task.id)  # fmt: skip


def reviews(scene: Situation) -> Iterator[Problem]:
    """Yield reviews that have waited longer than the limit for the status review."""
    limit = times.duration({**STALE, **scene.project.stale}[IN_REVIEW])
    for task, age in scene.tasks("status = ? AND updated < ?", IN_REVIEW, scene.now - limit):
        who = ", ".join(stage.name for stage in task.pipeline[1:-1])
        why = f"{task.id} waits for review by {who} since {_hours(age)}"
        yield Problem("reviews", task.id, "warning", why, task.id)


def quota(scene: Situation) -> Iterator[Problem]:
    """Yield quotas that are exhausted, of which 80 % is used, or that were used under a clock that was ahead."""
    at = times.text(scene.now)
    for stored in scene.quotas:
        one = quotas.current(stored, at)
        until = f", resets at {one.reset_at}" if one.reset_at else ""
        if quotas.hopped(stored, at):
            why = f"was used under a clock that was ahead: {stored.used} in the window until {stored.reset_at}"
            yield Problem("quota-clock", one.name, "warning", f"quota {one.name} {why}")
        if one.used >= one.limit:
            yield Problem(
                "quota", one.name, "critical", f"quota {one.name} is exhausted: {one.used} of {one.limit}{until}"
            )
        elif one.used >= one.limit * quotas.WARN_AT:
            yield Problem(
                "quota-low", one.name, "warning", f"quota {one.name} is low: {one.used} of {one.limit} used{until}"
            )


def deploys(scene: Situation) -> Iterator[Problem]:
    """Yield deployments that failed, or that run 60 seconds longer than the command's time limit."""
    where = "status = ? AND json_extract(record, '$.deployment.state') IN ('failed', 'started')"
    for task, _ in scene.tasks(where, vocabulary.DONE):
        deployment = task.deployment
        assert deployment
        if deployment.state == "failed":
            why = f"the deployment of {task.id} failed: {deployment.evidence}"
            yield Problem("deploys", task.id, "critical", why, task.id)
        age = scene.now - times.seconds(deployment.started)
        if deployment.state == "started" and age > scene.project.deploy.timeout + 60:
            why = f"{deployment.by} deploys {task.id} since {_hours(age)}"
            yield Problem("deploys", task.id, "critical", why, task.id)


def idle(scene: Situation) -> Iterator[Problem]:
    """Yield agents that hold a task and have done nothing for longer than the limit."""
    limit = times.duration(scene.project.idle or IDLE)
    active = scene.index.last_times("agent")
    fits, values = among("status", HELD)
    holders = scene.index.tally("assigned", f"open = 1 AND assigned IS NOT NULL AND {fits}", values)
    theirs, late = among("assigned", [name for name in holders if scene.now - active.get(name, 0) > limit])
    holding: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for task, age in scene.tasks(f"open = 1 AND {theirs} AND {fits}", *late, *values):
        holding[task.assigned or ""].append((task.id, age))
    for name, tasks in sorted(holding.items()):
        age = min(scene.now - active.get(name, 0), max(one for _, one in tasks))
        if age > limit:
            shown = ", ".join(task_id for task_id, _ in tasks[:5])
            yield Problem("idle", name, "warning", f"{name} holds {shown} and has done nothing since {_hours(age)}")


def _hours(seconds: int) -> str:
    if seconds < 2 * 3600:
        return f"{seconds // 60} minutes"
    return f"{seconds // 86400} days" if seconds >= 2 * 86400 else f"{seconds // 3600} hours"


CHECKS: dict[str, Callable[[Situation], Iterator[Problem]]] = {
    "stale": stale,
    "quota": quota,
    "deploys": deploys,
    "idle": idle,
    "reviews": reviews,
}


def monitor(session: Session, wanted: Iterable[str]) -> list[Problem]:
    """Return the problems that the checks find.

    :param wanted: keys of `CHECKS`; none means all checks.
    """
    chosen, seen = list(wanted) or list(CHECKS), scene(session)
    return [trouble for name in chosen for trouble in CHECKS[name](seen)]


def covers(chosen: Iterable[str]) -> tuple[str, ...]:
    """Return the prefixes of the keys of all problems that the given checks can find.

    :param chosen: keys of `CHECKS`; none means all checks.
    """
    names_ = list(chosen) or list(CHECKS)
    return tuple(f"{name}:" for name in [*names_, *(["quota-low", "quota-clock"] if "quota" in names_ else [])])


def covered(chosen: Iterable[str]) -> Callable[[str], bool]:
    """Return a function that returns whether the given checks look for the problem of a key."""
    mine = covers(chosen)
    return lambda key: key.startswith(mine)


def tell(file: Path, troubles: Iterable[Problem], chosen: Iterable[str], now: int) -> list[dict[str, Any]]:
    """Append to an alert file, one JSON object on each line: problems that are new, and problems that are over.

    The file itself says which problems are known. Therefore it may be rotated or shared.

    :param troubles: the problems that were found.
    :param chosen: the checks that were made (keys of `CHECKS`; none means all).
    :param now: seconds after the epoch.
    :returns: the objects that were appended.
    :raises OSError: if the file cannot be written.
    """
    with file.open("a+", encoding="utf-8") as sink:
        fcntl.flock(sink, fcntl.LOCK_EX)
        sink.seek(0)
        lasting = _lasting(sink)
        lines = list(notify.changes(described(troubles), lasting, covered(chosen), times.text(now)))
        sink.writelines(json.dumps(line, ensure_ascii=True) + "\n" for line in lines)
    return lines


def _lasting(lines: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return the problems that a file says are not over, by key; lines of other programs are ignored."""
    lasting: dict[str, dict[str, Any]] = {}
    for line in lines:
        try:
            event = json.loads(line)
        except json.JSONDecodeError:
            continue  # another program writes to the same file
        if isinstance(event, dict) and isinstance(event.get("key"), str):
            lasting[event["key"]] = event
    return {key: event for key, event in lasting.items() if event.get("state") == "raised"}


def described(troubles: Iterable[Problem]) -> dict[str, dict[str, Any]]:
    """Return problems as events describe them, by key."""
    return {
        one.key: {"check": one.check, "subject": one.subject, "severity": one.severity, "message": one.message}
        for one in troubles
    }


def raise_all(session: Session, troubles: Iterable[Problem], chosen: Iterable[str]) -> list[Written]:
    """Record a monitor run in the ledger, as an observer.

    A new problem becomes an alert, and the alert is resolved when the problem is over. The metric `last_check` is set
    to the number of problems.

    :param troubles: the problems that were found.
    :param chosen: the checks that were made (keys of `CHECKS`; none means all).
    :raises Refused: if the rule book refuses an operation.
    """
    session.refuse_op_id()
    troubles = list(troubles)
    snapshot = session.look()
    actor = session.actor(snapshot, observer)
    open_ones = [from_record(Alert, record) for record in observations.records(session, "alert", "open")]
    found = {_mark(trouble.key): trouble for trouble in troubles}
    forms = ((names.AUTOMATIC["alert"].match(alert.id), alert) for alert in open_ones)
    raised = {form[1].casefold(): alert for form, alert in forms if form}
    requests = [
        Request("alert.raise", actor, numbers.next_alert(snapshot, mark),
                {"message": t.message, "severity": t.severity, **({"task": t.task} if t.task else {})})
        for mark, t in found.items() if mark not in raised
    ]  # fmt: skip
    mine = tuple(f"{prefix[:-1]}." for prefix in covers(chosen))
    requests += [
        Request("alert.resolve", actor, alert.id)
        for mark, alert in raised.items()
        if mark not in found and mark.startswith(mine)
    ]
    run = Request("metric.set", actor, names.LAST_CHECK, {"value": len(troubles)}, session.note)

    def record(transaction: Transaction) -> list[Written]:
        for request in requests:
            transaction.perform(request)
        try:
            transaction.perform(run)
        except Refused as refused:  # a run with the same result was recorded in the same second
            if refused.refusal.code != "NOTHING_CHANGES":
                raise
        return transaction.written

    return publish(session, record)


def _mark(key: str) -> str:
    """Return how the ids of a problem's alerts begin: the check and a short hash, because a subject may be too long."""
    check, _, subject = key.partition(":")
    return f"{check}.{hashlib.sha256(subject.encode()).hexdigest()[:10]}"
