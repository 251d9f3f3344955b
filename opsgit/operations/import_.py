"""`import`: make agents, tasks, quotas, metrics and alerts of the ledger from the original framework's state.json.

Tasks of other trackers come in the same form (`trackers`).

The outcome of each record says what was changed and what could not be kept.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from opsgit.domain import names, policy, quotas, times, vocabulary
from opsgit.domain.dependencies import in_order
from opsgit.domain.imports import BECOMES, WORKED
from opsgit.domain.model import Alert, ImportedHistory, Metric, Quota, Task
from opsgit.domain.records import from_record, to_record
from opsgit.domain.refusals import Refused, refuse
from opsgit.domain.request import Request, Snapshot
from opsgit.operations import init, trackers
from opsgit.operations.import_record import Fields, cut, plain
from opsgit.operations.publication import publish
from opsgit.operations.session import Session, orchestrator
from opsgit.operations.transactions import Transaction
from opsgit.storage import sshsig

SIZE_MAX = 64 * 1024 * 1024
EVENTS_MAX = 1000
PLACE = "the original's state.json lies in the folder that its --state-dir names"
IMPORTED, CHANGED, UNCHANGED, NOT_KEPT, LEFT_OUT = "imported", "changed", "unchanged", "not kept", "left out"
Found = Mapping[str, Any]


class Outcome(NamedTuple):
    """What happened to one record, and why: imported, changed, unchanged (it exists already), not kept, or left out."""

    record: str
    fate: str
    why: str


@dataclass(eq=False, repr=False)
class Import:
    """The state of one import. `periods` maps names of quotas to the periods that the caller gave."""

    session: Session
    transaction: Transaction
    actor: str
    periods: Mapping[str, str]
    outcomes: list[Outcome] = field(default_factory=list)

    @property
    def snapshot(self) -> Snapshot:
        """The state with all records that were written so far."""
        return self.transaction.snapshot()

    def tell(self, record: str, fate: str, why: str = "") -> None:
        """Add the outcome of a record."""
        self.outcomes.append(Outcome(record, fate, why))

    def write(self, record: str, request: Request, changes: Iterable[str] = ()) -> None:
        """Write one record and add its outcome; a record that the rule book refuses is left out.

        :param changes: what was changed in it.
        """
        why = "; ".join(changes)
        try:
            self.transaction.perform(request)
        except Refused as refused:
            self.tell(record, LEFT_OUT, f"{refused.refusal.code}: {refused.refusal.message}")
        else:
            self.tell(record, CHANGED if why else IMPORTED, why)


def bring(session: Session, file: Path, periods: Mapping[str, str] | None = None) -> list[Outcome]:
    """Import a state.json, or the tasks of another tracker, record by record; a dry run only returns the outcomes.

    :param file: a state.json; a folder of Backlog.md; a JSONL file of beads.
    :param periods: periods by the name of the quota, where the caller knows them.
    :returns: the outcome of each record, in order.
    :raises Refused: `NOT_FOUND` if there is no such file, or no quota of a name in `periods`; `BAD_VALUE` if the file
        is not a state.json; as `Session.actor`.
    """
    session.refuse_op_id()
    read = [_read(file)]
    odd = sorted(set(periods or {}) - {name for name, _ in _items(read[0].get("quotas"))})
    if odd:
        refuse("NOT_FOUND", f"{file} has no quota {odd[0]}", "--quota-period NAME=daily, with a name in the file")
    actor = session.look().agent(session.actor(session.look(), orchestrator)).name

    def import_all(transaction: Transaction) -> list[Outcome]:
        transaction.brief = True
        trip = Import(session, transaction, actor, periods or {})
        parts = dict(read.pop() if read else _read(file))  # forgotten as it goes on; read again if it must be repeated
        _project(trip, parts)
        for part, act in PARTS.items():
            _part(trip, part, parts.pop(part, None), act)
        return trip.outcomes

    return publish(session, import_all)  # nothing is written before the end, so a dry run decides everything too


def _read(file: Path) -> Found:
    tasks = trackers.known(file)
    if tasks is not None:
        return {"tasks": tasks}
    try:
        if file.exists() and not file.is_file():
            refuse("BAD_VALUE", f"{file} is no regular file", PLACE)
        if file.stat().st_size > SIZE_MAX:
            refuse("BAD_VALUE", f"{file} is larger than 64 MiB", "split it")
        found: dict[str, Any] = json.loads(file.read_bytes())
    except OSError as error:
        refuse("NOT_FOUND", f"{file}: {error.strerror}", PLACE)
    except (ValueError, RecursionError) as error:
        refuse(
            "BAD_VALUE",
            f"{file} is not JSON: {error}",
            "python -m json.tool FILE says where it breaks",
        )
    known = isinstance(found, dict) and (not found or set(found) & set(PARTS))
    if not known or not isinstance(found.get("tasks", {}), dict | list):
        refuse("BAD_VALUE", f"{file} is no state.json: it has no {', '.join(PARTS)}", PLACE)
    return found


def _project(trip: Import, found: Found) -> None:
    """Report the top-level fields of the file: this project has its own name and creation time."""
    here = trip.snapshot.project
    for key in found:
        if key in PARTS:
            continue
        why = {"project": f"this project is {here.name}", "created": f"this ledger begins at {here.created}"}.get(key)
        fate = UNCHANGED if (key, found[key]) == ("project", here.name) else NOT_KEPT
        said = "" if fate == UNCHANGED else why or "not a part of the original's state.json"
        trip.tell(f"{plain(key)}: {plain(found[key])}", fate, said)


def _items(held: Any) -> Iterator[tuple[str, Any]]:
    """Yield name and record of each entry of a part: a mapping by name, or a list of records with an id or a name."""
    if isinstance(held, Mapping):
        yield from ((str(name), record) for name, record in held.items())
    elif isinstance(held, list):
        for number, record in enumerate(held):
            named = record.get("id") or record.get("name") if isinstance(record, Mapping) else None
            yield str(named or f"#{number + 1}"), record


def _part(trip: Import, part: str, held: Any, act: Callable[[Import, str, Any], None]) -> None:
    if held is not None and not isinstance(held, Mapping | list):
        trip.tell(part, LEFT_OUT, "BAD_VALUE: neither a mapping nor a list")
    records = list(_items(held))
    if part == "tasks":  # each after those that it depends on
        tasks = dict(records)
        records = [(name, tasks[name]) for name in in_order({name: _depends_on(one) for name, one in tasks.items()})]
        tasks.clear()
    del held
    total = len(records)
    records.reverse()
    while records:  # each is forgotten after its turn, because a large file would fill the memory
        name, record = records.pop()
        if trip.session.progress:
            trip.session.progress(part, total - len(records), total)
        if part != "metrics" and not isinstance(record, Mapping):
            why = f"BAD_VALUE: {plain(record)}" if isinstance(record, str) else "BAD_VALUE: not a mapping"
            trip.tell(f"{part.removesuffix('s')} {plain(name)}", LEFT_OUT, why)
        else:
            act(trip, name, record)


def _depends_on(record: Any) -> list[str]:
    held = record.get("depends_on") if isinstance(record, Mapping) else None
    return [str(one) for one in held] if isinstance(held, list) else []


def _agent(trip: Import, name: str, record: Found) -> None:
    label, fields = f"agent {plain(name)}", Fields(record)
    fields.get("name", "id")
    role, about = str(fields.get("role") or ""), fields.line("description", "desc", most=4000)
    figures = {"tasks_completed": fields.number("tasks_completed"), "last_active": fields.line("last_active", most=100)}
    brought = {key: value for key, value in figures.items() if value is not None}
    here = trip.snapshot.find_agent(name)
    if not names.NAME.match(name):
        trip.tell(label, LEFT_OUT, "BAD_NAME: not a name that an agent can have")
    elif here and here.role != role:
        trip.tell(label, LEFT_OUT, f"ID_TAKEN: agent {name} is here as {here.role}")
    elif here:
        lost = ", ".join(brought) if brought != (to_record(here.imported) if here.imported else {}) else ""
        trip.tell(label, UNCHANGED, f"it was here before; not kept: {lost}" if lost else "")
    elif role not in policy.roles(trip.snapshot.project):
        trip.tell(label, LEFT_OUT, f"UNKNOWN_ROLE: no role {role!r} (opsgit project set roles.NAME '[work]')")
    else:
        more = {"description": about, "imported": brought or None}
        given = {"role": role, **{key: value for key, value in more.items() if value}}
        _add_agent(trip, label, name, given, fields.rest())


def _add_agent(trip: Import, label: str, name: str, given: Mapping[str, Any], changes: Iterable[str]) -> None:
    """Add an agent with a key. No key is made for one that the rule book refuses."""
    trial = Request("agent.add", trip.actor, name, {**given, **init.trial_key(name)})
    try:
        trip.transaction.decide(trial)
    except Refused as refused:
        trip.tell(label, LEFT_OUT, f"{refused.refusal.code}: {refused.refusal.message}")
    else:
        trip.write(label, replace(trial, fields={**given, **_key(trip, name)}), changes)


def _key(trip: Import, name: str) -> dict[str, Any]:
    if trip.session.dry_run:
        return init.trial_key(name)
    keys = trip.session.repository.keys
    line, proof = init.proved_key(keys, name)
    return {"key": line, "proof": proof, "proved": sshsig.proves(keys.repository, name, line, proof)}


def _task(trip: Import, task_id: str, record: Found) -> None:
    label, fields = f"task {plain(task_id)}", Fields(record)
    fields.get("id")
    status, assigned = _status(fields), _assigned(trip, fields)
    if BECOMES[status] in WORKED and not assigned:
        fields.changes.append(f"{status} without a known assignee becomes backlog")
        status, assigned = vocabulary.BACKLOG, None
    past = {"status": status, "created": fields.line("created"), "history": _history(fields)}
    imported = {key: value for key, value in past.items() if value}
    given: dict[str, Any] = {
        "title": fields.line("title") or cut(task_id, 200),
        "description": fields.text("description", "desc", most=60_000),
        "priority": _priority(fields),
        "tags": _tags(fields),
        "pipeline": _pipeline(trip, fields),
        "depends_on": _dependencies(trip, fields),
        "assigned": assigned,
        "imported": imported,
    }
    here = trip.snapshot.find(Task, names.task_path(task_id)) if names.ID.match(task_id) else None
    if here and here.imported == from_record(ImportedHistory, imported):
        trip.tell(label, UNCHANGED, _differs(to_record(here), given))
    else:
        request = Request("task.import", trip.actor, task_id, {key: value for key, value in given.items() if value})
        trip.write(label, request, fields.rest())


def _dependencies(trip: Import, fields: Fields) -> list[str]:
    """Return the dependencies that are here: those of the same file were imported before."""
    wanted = [str(one) for one in fields.items("depends_on")]
    here = [one for one in wanted if names.ID.match(one) and trip.snapshot.find(Task, names.task_path(one))]
    lost = [one for one in wanted if one not in here]
    if lost:
        fields.changes.append(f"depends_on {plain(', '.join(lost), 60)} is not here, or depends on this one in turn")
    return here


def _differs(here: Found, given: Found) -> str:
    """Return in which fields the file differs from a task that was imported before."""
    other = [name for name in ("title", "description", "priority", "tags") if here.get(name) != (given[name] or None)]
    return f"kept as it is here; the file has another {', '.join(other)}" if other else ""


def _word(value: object) -> str:
    return re.sub(r"[ _]", "-", str(value or "").strip().lower())


def _status(fields: Fields) -> str:
    raw = _word(fields.get("status"))
    if raw not in BECOMES:
        fields.changes.append(f"status {plain(raw, 30)!r} becomes backlog")
        return vocabulary.BACKLOG
    if BECOMES[raw] != raw:
        fields.changes.append(f"{raw} becomes {BECOMES[raw]}: nobody here signed a submission")
    return raw


def _assigned(trip: Import, fields: Fields) -> str | None:
    name = fields.get("assigned", "assignee")
    if name and not trip.snapshot.find_agent(str(name)):
        fields.changes.append(f"assignee {plain(name, 40)} is no agent here and is not kept")
        return None
    return str(name) if name else None


def _history(fields: Fields) -> list[dict[str, str]]:
    events = fields.items("history")
    known = [event for event in events if isinstance(event, Mapping)]
    if len(known) > EVENTS_MAX or len(known) < len(events):
        fields.changes.append(f"history: {len(known[:EVENTS_MAX])} of {len(events)} entries are kept")
    return [_event(event, fields.changes) for event in known[:EVENTS_MAX]]


def _event(event: Found, changes: list[str]) -> dict[str, str]:
    """Return an entry of a history. The field `at` may also be called time, and `notes` note."""
    fields = Fields(event)
    made = {
        "status": _word(fields.line("status", most=1000)) or "unknown",
        "at": fields.line("at", "time", most=1000),
        "by": fields.line("by", most=1000),
        "output": fields.line("output", most=1000),
        "notes": fields.line("notes", "note", most=1000),
        "ref": fields.line("ref", most=1000),
    }
    changes += [f"history: {change}" for change in fields.rest()]
    return {key: value for key, value in made.items() if value}


def _priority(fields: Fields) -> str:
    raw = _word(fields.get("priority") or "medium")
    if raw not in vocabulary.PRIORITIES:
        fields.changes.append(f"priority {plain(raw, 20)!r} becomes medium")
        return "medium"
    return raw


def _tags(fields: Fields) -> list[str]:
    raw = fields.items("tags")
    tags = [plain(tag, 50) for tag in raw]
    if tags != raw:
        fields.changes.append("tags were cut or cleaned")
    return [tag for tag in tags if tag][:50]


def _pipeline(trip: Import, fields: Fields) -> list[str] | None:
    """Return the stages if they are a legal pipeline here, else None: the project's own pipeline is used."""
    raw = fields.get("pipeline")
    stages = list(policy.split_pipeline(raw)) if isinstance(raw, str) else list(map(str, fields.items("pipeline")))
    if not stages:
        return None
    try:
        policy.typed_pipeline(trip.snapshot.project, stages, trip.snapshot.find_agent)
    except Refused as refused:
        why = plain(refused.refusal.message)
        fields.changes.append(f"the pipeline {plain('→'.join(stages), 60)} becomes the project's own ({why})")
        return None
    return stages


def _quota(trip: Import, name: str, record: Found) -> None:
    label, fields = f"quota {plain(name)}", Fields(record)
    fields.get("name", "id")
    limit, used, period = fields.get("limit"), fields.number("used") or 0, _period(trip, name, fields)
    here = trip.snapshot.find(Quota, names.path_of("quota", name)) if names.NAME.match(name) else None
    if here and (here.limit, here.period) == (limit, period):
        trip.tell(label, UNCHANGED, "" if here.used == used else f"kept as it is here, with {here.used} used")
    elif here:
        trip.tell(label, LEFT_OUT, f"ID_TAKEN: quota {name} is here, {here.limit} {here.period}")
    else:
        given = {"limit": limit, "period": period, "used": used, "reset_at": _reset_at(trip, period, fields)}
        request = Request("quota.set", trip.actor, name, {k: v for k, v in given.items() if v is not None})
        trip.write(label, request, fields.rest())


def _period(trip: Import, name: str, fields: Fields) -> str:
    """Return the period of a quota: from the caller, else the record, else the quota's name, else `none`."""
    raw = fields.get("period")
    said = trip.periods.get(name)
    if said is None and raw is not None and _word(raw) not in vocabulary.PERIODS:
        fields.changes.append(f"there is no period {plain(raw, 20)!r}")
    found = said or (_word(raw) if _word(raw) in vocabulary.PERIODS else None)
    if found:
        return found
    named = quotas.period_in_name(name)
    fields.changes.append(f"its period is {named}, from its name" if named else f"it never resets: {UNSAID}")
    return named or "none"


UNSAID = "no period is said (--quota-period NAME=daily)"


def _reset_at(trip: Import, period: str, fields: Fields) -> str | None:
    """Return the end of the quota's window, at a full hour, day, week or month (RFC 3339 text), or None."""
    raw = fields.get("reset_at")
    if raw is None:
        return None
    now = times.text(trip.transaction.now())
    try:
        found = quotas.window_end(period, str(raw))
    except Refused:
        found = None
    last = quotas.next_reset(period, now)
    kept = min(found, last) if found and last else last
    if kept != raw:
        fields.changes.append(f"reset_at {plain(raw, 30)} becomes {kept or 'never'}")
    return kept


def _metric(trip: Import, name: str, value: Any) -> None:
    if name == names.LAST_CHECK:
        trip.tell(f"metric {name}: {plain(value)}", NOT_KEPT, "it says when a monitor ran here: opsgit monitor --raise")
    elif name == "alerts":
        for alert in value if isinstance(value, list) else [value] if value else []:
            _alert(trip, alert)
    else:
        here = trip.snapshot.find(Metric, names.path_of("metric", name)) if names.NAME.match(name) else None
        if here is None:
            trip.write(f"metric {plain(name)}", Request("metric.set", trip.actor, name, {"value": value}))
        elif here.value == value:
            trip.tell(f"metric {name}", UNCHANGED)
        else:
            trip.tell(f"metric {name}", LEFT_OUT, f"ID_TAKEN: it is {here.value} here, since {here.at}")


def _alert(trip: Import, record: Any) -> None:
    """Import an open alert. Its id is made from its content, so that a second import recognizes it."""
    fields = Fields(record if isinstance(record, Mapping) else {"message": record})
    written = json.dumps(record, sort_keys=True)
    alert_id = f"imported.{hashlib.sha256(written.encode()).hexdigest()[:10]}"
    message = fields.line("message", "msg", "text", most=4000) or plain(written, 4000)
    severity = _word(fields.get("severity", "level"))
    if trip.snapshot.find(Alert, names.path_of("alert", alert_id)):
        trip.tell(f"alert {plain(message)}", UNCHANGED)
        return
    known = {"severity": severity} if severity in vocabulary.SEVERITIES else {}
    request = Request("alert.raise", trip.actor, alert_id, {"message": message, **known})
    trip.write(f"alert {plain(message)}", request, [f"it is {alert_id} here", *fields.rest()])


PARTS: dict[str, Callable[[Import, str, Any], None]] = {
    "agents": _agent,
    "tasks": _task,
    "quotas": _quota,
    "metrics": _metric,
}
