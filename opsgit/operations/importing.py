"""`import`: the original framework's state.json becomes agents, tasks, quotas and metrics of the ledger."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from opsgit.domain import names, policy, words
from opsgit.domain.codes import Refused, refuse
from opsgit.domain.imports import BECOMES, WORKED
from opsgit.domain.request import Request
from opsgit.domain.text import FORBIDDEN
from opsgit.operations import founding
from opsgit.operations.session import Session, orchestrator
from opsgit.storage import sshsig
from opsgit.storage.ledger import Transaction

SIZE_MAX = 64 * 1024 * 1024
Found = Mapping[str, Any]


@dataclass(eq=False, repr=False)
class Import:
    """What becomes of each record: `told` holds (record, fate, why); fate is imported, changed or left out."""

    session: Session
    transaction: Transaction
    actor: str
    told: list[tuple[str, str, str]] = field(default_factory=list)

    def write(self, record: str, request: Request, why: str = "") -> None:
        """Write one record; what the rules refuse is left out and told."""
        try:
            self.transaction.perform(request)
        except Refused as refused:
            self.told.append((record, "left out", f"{refused.refusal.code}: {refused.refusal.message}"))
        else:
            self.told.append((record, "changed" if why else "imported", why))


def bring(session: Session, file: Path) -> list[tuple[str, str, str]]:
    """Import a state.json record by record; says what became of each. A dry run says what would."""
    found = _read(file)
    actor = session.actor(session.look(), orchestrator)
    with session.batch() as transaction:  # in memory until the end, so that a dry run goes the whole way too
        trip = Import(session, transaction, actor)
        for part, act in (("agents", _agent), ("tasks", _task), ("quotas", _quota), ("metrics", _metric)):
            for name, record in _items(found, part):
                act(trip, name, record)
    return trip.told


def _read(file: Path) -> Found:
    try:
        if file.stat().st_size > SIZE_MAX:
            refuse("BAD_VALUE", f"{file} is larger than 64 MiB", "split it")
        found = json.loads(file.read_bytes())
    except OSError as error:
        refuse("NOT_FOUND", f"{file}: {error.strerror}", "opsgit import state.json")
    except (ValueError, RecursionError) as error:
        refuse("BAD_VALUE", f"{file} is not JSON: {error}", "opsgit import state.json")
    if not isinstance(found, dict) or not isinstance(found.get("tasks", {}), dict | list):
        refuse("BAD_VALUE", f"{file} is no state.json: no mapping with tasks", "opsgit import state.json")
    return found


def _items(found: Found, part: str) -> Iterator[tuple[str, Any]]:
    """The records of a part: a mapping by name, or a list of records with an id or name."""
    held = found.get(part) or {}
    if isinstance(held, Mapping):
        yield from ((str(name), record) for name, record in held.items())
    elif isinstance(held, list):
        yield from ((str(r.get("id") or r.get("name")), r) for r in held if isinstance(r, Mapping))


def _line(value: object, most: int = 200) -> str:
    """A text as one line that may be stored."""
    return " ".join(FORBIDDEN.sub(" ", str(value)).split()).encode()[:most].decode(errors="ignore").strip()


def _agent(trip: Import, name: str, record: Any) -> None:
    role = str(record.get("role", "")) if isinstance(record, Mapping) else ""
    label = f"agent {_line(name)}"
    if not names.NAME.match(name):
        trip.told.append((label, "left out", "BAD_NAME: not a name that an agent can have"))
        return
    if role not in policy.roles(trip.transaction.snapshot().project):
        trip.told.append(
            (label, "left out", f"UNKNOWN_ROLE: no role {role!r} (opsgit project set roles.NAME '[work]')")
        )
        return
    about = _line(record.get("description") or record.get("desc") or "", 4000)
    fields = {"role": role, **({"description": about} if about else {}), **_key(trip, name)}
    trip.write(label, Request("agent.add", trip.actor, name, fields))


def _key(trip: Import, name: str) -> dict[str, Any]:
    if trip.session.dry_run:
        return founding.trial_key(name)
    keys = trip.session.repository.keys
    if trip.transaction.snapshot().find_agent(name):
        return {"key": "", "proof": ""}  # it exists: the rules will say so, and no key is made
    line, proof = founding.proved_key(keys, name)
    return {"key": line, "proof": proof, "proved": sshsig.proves(keys.repository, name, line, proof)}


def _task(trip: Import, task_id: str, record: Any) -> None:
    label, changes = f"task {_line(task_id)}", list[str]()
    if not isinstance(record, Mapping):
        trip.told.append((label, "left out", "BAD_VALUE: not a mapping"))
        return
    status, assigned = _status(record, changes), _assigned(trip, record, changes)
    if BECOMES[status] in WORKED and not assigned:
        changes.append(f"{status} without a known assignee becomes backlog")
        status, assigned = words.BACKLOG, None
    created = {"created": _line(record["created"])} if record.get("created") else {}
    past = {
        "status": status,
        **created,
        "history": [_event(event) for event in _list(record.get("history")) if isinstance(event, Mapping)][:1000],
    }
    fields = {
        "title": _line(record.get("title") or task_id) or task_id,
        "description": FORBIDDEN.sub(" ", str(record.get("description") or "")).strip() or None,
        "priority": _priority(record, changes),
        "pipeline": _pipeline(trip, record, changes),
        "assigned": assigned,
        "imported": {key: value for key, value in past.items() if value},
    }  # fmt: skip
    given = {key: value for key, value in fields.items() if value is not None}
    trip.write(label, Request("task.import", trip.actor, task_id, given), "; ".join(changes))


def _status(record: Found, changes: list[str]) -> str:
    raw = re.sub(r"[ _]", "-", str(record.get("status", "")).lower())
    if raw not in BECOMES:
        changes.append(f"status {_line(raw, 30)!r} becomes backlog")
        return words.BACKLOG
    if BECOMES[raw] != raw:
        changes.append(f"{raw} becomes {BECOMES[raw]}: nobody here signed a submission")
    return raw


def _assigned(trip: Import, record: Found, changes: list[str]) -> str | None:
    name = record.get("assigned") or record.get("assignee")
    if name and (not names.NAME.match(str(name)) or not _agents_know(trip, str(name))):
        changes.append(f"assignee {_line(name, 40)} is no agent")
        return None
    return str(name) if name else None


def _agents_know(trip: Import, name: str) -> bool:
    return trip.transaction.snapshot().find_agent(name) is not None


def _event(event: Found) -> dict[str, str]:
    wanted = ("status", "by", "time", "output", "ref", "note")
    lines = {key: _line(event[key], 1000) for key in wanted if event.get(key)}
    status = re.sub(r"[ _]", "-", lines.pop("status", "").lower()) or "unknown"
    return {"status": status, **{key: value for key, value in lines.items() if value}}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _priority(record: Found, changes: list[str]) -> str:
    raw = str(record.get("priority") or "medium").lower()
    if raw not in words.PRIORITIES:
        changes.append(f"priority {_line(raw, 20)!r} becomes medium")
        return "medium"
    return raw


def _pipeline(trip: Import, record: Found, changes: list[str]) -> list[str] | None:
    """The stages when they are a legal pipeline here, else the project's own."""
    raw = record.get("pipeline")
    stages = list(policy.split_pipeline(raw)) if isinstance(raw, str) else [str(part) for part in _list(raw)]
    if not stages:
        return None
    snapshot = trip.transaction.snapshot()
    try:
        policy.typed_pipeline(snapshot.project, stages, snapshot.find_agent)
    except Refused as refused:
        changes.append(f"the pipeline becomes the project's own ({_line(refused.refusal.message, 80)})")
        return None
    return stages


def _quota(trip: Import, name: str, record: Any) -> None:
    get = record.get if isinstance(record, Mapping) else dict[str, Any]().get
    period = str(get("period") or "none")
    chosen = period if period in words.PERIODS else "none"
    why = "" if chosen == period else f"period {_line(period, 20)!r} becomes none"
    label, used = f"quota {_line(name)}", get("used")
    trip.write(label, Request("quota.set", trip.actor, name, {"limit": get("limit"), "period": chosen}), why)
    if isinstance(used, int) and used > 0 and trip.told[-1][1] != "left out":
        amount = min(used, int(get("limit") or 0))
        trip.write(f"{label}: {used} used", Request("quota.use", trip.actor, name, {"amount": amount}))


def _metric(trip: Import, name: str, value: Any) -> None:
    if name in names.RESERVED_METRICS:
        return  # compiled, not imported
    trip.write(f"metric {_line(name)}", Request("metric.set", trip.actor, name, {"value": value}))
