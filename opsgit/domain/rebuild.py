"""The request behind a commit, rebuilt from what the commit changed and what its message says.

The rebuilt request is only a claim. It is judged like any other, and the answer must be the commit to the byte.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from opsgit.domain import names
from opsgit.domain.message import Message
from opsgit.domain.model import Quota
from opsgit.domain.records import Record, from_record
from opsgit.domain.refusals import refuse
from opsgit.domain.request import Request

Fields = dict[str, Any]
CONTENT = "the files do not hold what this operation writes"
EDITED = ("title", "description", "priority", "tags", "pipeline", "depends_on")


def request(message: Message, actor: str, before: Mapping[str, Record | None], after: Mapping[str, Any]) -> Request:
    """Rebuild the request of a commit by `actor`.

    :param before: the checked record of each changed path in the parent, None for a new file.
    :param after: the checked record of each changed path; for ops.yaml a pair of record and bytes, for a house
        file a `HouseFile`; None for a removed one.
    :raises Refused: `CONTENT_MISMATCH` when the operation could not have changed those paths like that.
    """
    if message.op == "file.set":
        return Request(message.op, actor, "", {"files": dict(after)}, message.note)
    if len(after) != 1:
        refuse("CONTENT_MISMATCH", f"{message.op} writes one file, not {len(after)}", "opsgit help format")
    (path, new), (old,) = next(iter(after.items())), before.values()
    if message.op == "project.set" and path == names.PROJECT and new:
        return Request(message.op, actor, "", {"record": new[0], "content": new[1]}, message.note)
    place = names.place(path)
    if new is None or message.op not in FIELDS or place.kind != KIND[message.op.partition(".")[0]]:
        refuse("CONTENT_MISMATCH", f"{message.op} does not write {path}", "opsgit help lifecycle", path)
    try:
        fields = FIELDS[message.op](old, new)
    except (LookupError, TypeError, AttributeError, StopIteration):
        refuse("CONTENT_MISMATCH", f"{path}: {CONTENT} ({message.op})", "opsgit help lifecycle", path)
    if message.reverts:
        fields["reverts"] = message.reverts
    return Request(message.op, actor, place.name, fields, message.note)


KIND = {"task": "task", "review": "task", "agent": "agent", "quota": "quota", "metric": "metric", "alert": "alert"}


def _pick(*wanted: str) -> Callable[[Record | None, Record], Fields]:
    return lambda _, new: {name: new[name] for name in wanted if name in new}


def _task_add(_: Record | None, new: Record) -> Fields:
    picked = {name: new[name] for name in ("title", "description", "priority", "tags", "depends_on") if name in new}
    stages = _stages(new)
    return {**picked, "pipeline": stages, "assigned": new.get("assigned")}


def _stages(record: Record) -> list[str]:
    return [stage.get("agent") or stage["role"] for stage in record["pipeline"]]


def _submission(_: Record | None, new: Record) -> Fields:
    handed = new["submission"]
    return {name: handed[name] for name in ("deliverable", "digest", "repository") if name in handed}


def _edit(old: Record | None, new: Record) -> Fields:
    changed = [name for name in EDITED if (old or {}).get(name) != new.get(name)]
    empty: Fields = {"tags": [], "depends_on": []}
    fields = {name: new.get(name, empty.get(name)) for name in changed}
    return {**fields, "pipeline": _stages(new)} if "pipeline" in fields else fields


def _agent_edit(old: Record | None, new: Record) -> Fields:
    names_ = ("role", "description", "kind", "email")
    return {name: new.get(name) for name in names_ if (old or {}).get(name) != new.get(name)}


def _last_comment(_: Record | None, new: Record) -> Fields:
    return {"text": new["comments"][-1]["text"]}


def _review_comment(_: Record | None, new: Record) -> Fields:
    return {"text": new["review"]["comments"][-1]["text"]}


def _signed(_: Record | None, new: Record) -> Fields:
    mark = new["review"]["sign_offs"][-1]
    return {"round": mark["round"], "digest": mark["digest"]}


def _finish(_: Record | None, new: Record) -> Fields:
    return _pick("evidence", "digest", "started")(None, new["deployment"])


def _rollback(_: Record | None, new: Record) -> Fields:
    undoing = new["deployment"]["rollback"]
    return {"evidence": undoing["evidence"], "alert": undoing.get("alert")}


def _new_key(_: Record | None, new: Record) -> Fields:
    return {"key": new["keys"][-1]["key"], "proof": new["keys"][-1]["proof"]}


def _agent_add(old: Record | None, new: Record) -> Fields:
    return {**_pick("role", "description", "kind", "email", "imported")(old, new), **_new_key(old, new)}


def _retired(old: Record | None, new: Record) -> Fields:
    pairs = zip((old or {})["keys"], new["keys"], strict=False)
    return {"key": next(b["key"] for a, b in pairs if a["state"] != b["state"])}


def _ratified(_: Record | None, new: Record) -> Fields:
    return {"commit": next(k["ratified"][-1] for k in new["keys"] if k.get("ratified"))}


def _quota_set(old: Record | None, new: Record) -> Fields:
    """What is used and when the window ends is said for a new quota alone; else it is kept."""
    brought = () if old else ("used", "reset_at")
    return _pick("limit", "period", "agents", *brought)(old, new)


def _used(old: Record | None, new: Record) -> Fields:
    used, before = from_record(Quota, new), from_record(Quota, old or {})
    return {"amount": used.used if used.reset_at != before.reset_at else used.used - before.used}


FIELDS: dict[str, Callable[[Record | None, Record], Fields]] = {
    "task.add": _task_add,
    "task.import": lambda old, new: {**_task_add(old, new), "imported": new["imported"]},
    "task.assign": lambda _, new: {"to": new["assigned"]},
    "task.claim": _pick(),
    "task.release": _pick(),
    "task.start": _pick(),
    "task.submit": _submission,
    "task.edit": _edit,
    "task.progress": lambda _, new: {"text": new["progress"]["note"]},
    "task.comment": _last_comment,
    "task.trim": lambda _, new: {"keep": len(new.get("comments", ()))},
    "task.cancel": _pick(),
    "task.deploy-start": lambda _, new: _pick("ref", "digest", "command")(None, new["deployment"]),
    "task.deploy-finish": _finish,
    "task.deploy-abandon": _pick(),
    "task.rollback": _rollback,
    "review.request": lambda _, new: {"text": new["review"]["request"]["text"]},
    "review.comment": _review_comment,
    "review.revise": _submission,
    "review.sign-off": _signed,
    "review.approve": _signed,
    "review.reject": lambda _, new: {"round": new["review"]["round"]},
    "review.withdraw": _pick(),
    "agent.add": _agent_add,
    "agent.edit": _agent_edit,
    "agent.remove": _pick(),
    "agent.rotate": _new_key,
    "agent.retire-key": _retired,
    "agent.compromise": lambda _, new: {"since": new["keys"][-1]["since"][-1]},
    "agent.ratify": _ratified,
    "quota.set": _quota_set,
    "quota.use": _used,
    "metric.set": _pick("value"),
    "alert.raise": _pick("message", "severity", "task"),
    "alert.resolve": _pick(),
}
