"""Compares what callers were told with what the server's ledger holds."""

from __future__ import annotations

import json
import subprocess
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

OK, REFUSED, UNKNOWN, LOCAL = "ok", "refused", "unknown", "local"


@dataclass
class Call:
    """One call: who made it, its operation id, when it began and ended (seconds, one clock for all), how it ended.

    `local` is a call that was acknowledged as made offline; `dropped` says that a later sync reported it as dropped.
    """

    op_id: str
    by: str
    op: str
    target: str
    began: float
    ended: float = float("inf")
    outcome: str = UNKNOWN
    code: str = ""
    dropped: bool = False


@dataclass
class Entry:
    """One operation on the server's ledger, in its order; `place` is its position."""

    place: int
    op_id: str
    by: str
    op: str
    target: str
    amount: int = 0
    ref: str = ""


@dataclass
class History:
    """All calls, the ledger, the runs of the deploy command (by the ref that it was given), and the quotas' limits."""

    calls: list[Call] = field(default_factory=list)
    ledger: list[Entry] = field(default_factory=list)
    runs: list[str] = field(default_factory=list)
    limits: dict[str, int] = field(default_factory=dict)


def check(history: History) -> list[str]:
    """What is wrong; nothing if all promises were kept."""
    return [*_once(history), *_in_time(history), *_claims(history.ledger), *_quotas(history), *_deployments(history)]


def _once(history: History) -> Iterable[str]:
    """An acknowledged write is there once, a refused one is not, an unknown one at most once."""
    there = Counter((entry.by, entry.op_id) for entry in history.ledger)
    for call in history.calls:
        found = there[call.by, call.op_id]
        if call.outcome == OK and found != 1:
            yield f"acknowledged, and {found} times on the ledger: {call}"
        if call.outcome == LOCAL and found != (0 if call.dropped else 1):
            yield f"made offline, {'dropped' if call.dropped else 'synced'}, and {found} times on the ledger: {call}"
        if call.outcome == REFUSED and found:
            yield f"refused, and on the ledger: {call}"
        if found > 1:
            yield f"{found} times on the ledger: {call}"


def _in_time(history: History) -> Iterable[str]:
    """What was acknowledged before another call began stands before it."""
    place = {(entry.by, entry.op_id): entry.place for entry in history.ledger}
    done = sorted((c for c in history.calls if c.outcome == OK and (c.by, c.op_id) in place), key=lambda c: c.ended)
    started = sorted((c for c in history.calls if c.outcome == OK and (c.by, c.op_id) in place), key=lambda c: c.began)
    newest, at = -1, 0
    for call in started:
        while at < len(done) and done[at].ended < call.began:
            newest = max(newest, place[done[at].by, done[at].op_id])
            at += 1
        if place[call.by, call.op_id] < newest:
            yield f"it stands before what was acknowledged before it began: {call}"


def _claims(ledger: Sequence[Entry]) -> Iterable[str]:
    """A task that is held is not claimed."""
    held: dict[str, str] = {}
    for entry in ledger:
        if entry.op == "task.claim":
            if entry.target in held:
                yield f"{entry.target} is claimed by {entry.by} while {held[entry.target]} has it"
            held[entry.target] = entry.by
        elif entry.op == "task.release":
            held.pop(entry.target, None)


def _quotas(history: History) -> Iterable[str]:
    used: Counter[str] = Counter()
    for entry in history.ledger:
        if entry.op == "quota.use":
            used[entry.target] += entry.amount
    for name, limit in history.limits.items():
        if used[name] > limit:
            yield f"{used[name]} of {limit} of {name} are used"
        acknowledged = sum(c.outcome == OK for c in history.calls if c.op == "quota.use" and c.target == name)
        if acknowledged > limit:
            yield f"{acknowledged} uses of {name} were acknowledged; {limit} are there"


def _deployments(history: History) -> Iterable[str]:
    """The command runs once at most for each deploy-start, and never without one."""
    started = {entry.ref for entry in history.ledger if entry.op == "task.deploy-start"}
    for ref, times in Counter(history.runs).items():
        if ref not in started:
            yield f"the deploy command ran for {ref}, which is not on the ledger"
        if times > 1:
            yield f"the deploy command ran {times} times for {ref}"


def read_ledger(git_folder: Path) -> list[Entry]:
    """The ledger of a repository, oldest first, read with plain git; the words of reviews follow their verdicts."""
    form = "%H%x1f%an%x1f%s%x1f%(trailers:key=Opsgit-Op,valueonly,separator=)%x1f%(trailers:key=Opsgit-Id,valueonly,separator=)%x1e"
    words = ["git", "-C", str(git_folder), "log", "--first-parent", "--reverse", f"--format={form}", "main"]
    out = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    entries = []
    for place, part in enumerate(one for one in out.split("\x1e") if one.strip()):
        commit, by, subject, op, op_id = part.strip("\n").split("\x1f")
        target = subject.partition(": ")[0].rpartition(" ")[2]
        entry = Entry(place, op_id, by, op, target)
        if op == "quota.use":
            entry.amount = 1
        if op == "task.deploy-start":
            path = f"tasks/{target.lower().replace('-', '')[-2:]}/{target}.yaml"
            blob = subprocess.run(
                ["git", "-C", str(git_folder), "show", f"{commit}:{path}"], capture_output=True, text=True, check=True
            ).stdout
            entry.ref = next(
                line.split("ref: ")[1].strip('"') for line in blob.splitlines() if line.strip().startswith("ref: ")
            )
        entries.append(entry)
    return entries


def read_calls(logs: Iterable[Path]) -> list[Call]:
    """The calls that workers have noted. One without an end was cut off: its outcome is unknown."""
    calls: dict[str, Call] = {}
    dropped: dict[str, set[str]] = defaultdict(set)
    for log in filter(Path.exists, logs):  # a worker may be killed before it begins
        for line in log.read_text().splitlines():
            try:
                note: dict[str, Any] = json.loads(line)
            except ValueError:  # the line that a killed worker was writing
                continue
            if "dropped" in note:
                dropped[note["by"]] |= set(note["dropped"])
            elif "began" in note:
                calls[note["op_id"]] = Call(**note)
            else:
                call = calls[note["op_id"]]
                call.ended, call.outcome, call.code = note["ended"], note["outcome"], note["code"]
    for call in calls.values():
        call.dropped = call.op_id in dropped[call.by]
    return list(calls.values())
