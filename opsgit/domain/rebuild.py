"""The request behind a commit, rebuilt from what the commit changed and what its message says.

The rebuilt request is only a claim. It is decided like any other, and the answer must be the commit to the byte. The
catalogue names, for each operation, the function here that finds its arguments in the record before and after.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from opsgit.domain import names
from opsgit.domain.message import Message
from opsgit.domain.model import Quota
from opsgit.domain.operation import Fields
from opsgit.domain.records import Record, from_record
from opsgit.domain.refusals import refuse
from opsgit.domain.request import Request

if TYPE_CHECKING:
    from opsgit.domain.rules import RuleBook

EDITED = ("title", "description", "priority", "tags", "pipeline", "depends_on")


def request(
    rules: RuleBook, message: Message, actor: str, before: Mapping[str, Record | None], after: Mapping[str, Any]
) -> Request:
    """Rebuild the request of a commit by `actor`.

    :param rules: the rule book by which the commit is decided.
    :param before: the checked record of each changed path in the parent, None for a new file.
    :param after: the checked record of each changed path; for ops.yaml a pair of record and bytes, for a managed
        file a `ManagedFile`; None for a removed one.
    :raises Refused: `CONTENT_MISMATCH` when the operation could not have changed those paths like that.
    """
    operation = rules.operations.get(message.op)
    if operation and operation.kind == "managed":
        return Request(message.op, actor, "", {"files": dict(after)}, message.note)
    if len(after) != 1:
        refuse("CONTENT_MISMATCH", f"{message.op} writes one file, not {len(after)}", "opsgit help format")
    (path, new), (old,) = next(iter(after.items())), before.values()
    place = names.place(path)
    if new is None or operation is None or place.kind != operation.kind:
        refuse("CONTENT_MISMATCH", f"{message.op} does not write {path}", "opsgit help lifecycle", path)
    try:
        fields = operation.rebuild(old, new)
    except (LookupError, TypeError, AttributeError, StopIteration):
        why = f"{path}: the file does not hold what this operation writes ({message.op})"
        refuse("CONTENT_MISMATCH", why, "opsgit help lifecycle", path)
    if message.reverts:
        fields["reverts"] = message.reverts
    return Request(message.op, actor, place.name, fields, message.note)


def nothing(_: Record | None, __: Record) -> Fields:
    """No argument: the operation says it all."""
    return {}


def policy(_: Record | None, new: Any) -> Fields:
    """ops.yaml: the record and the bytes that hold it."""
    return {"record": new[0], "content": new[1]}


def pick(*wanted: str) -> Callable[[Record | None, Record], Fields]:
    return lambda _, new: {name: new[name] for name in wanted if name in new}


def task(_: Record | None, new: Record) -> Fields:
    picked = {name: new[name] for name in ("title", "description", "priority", "tags", "depends_on") if name in new}
    stages = _stages(new)
    return {**picked, "pipeline": stages, "assigned": new.get("assigned")}


def _stages(record: Record) -> list[str]:
    return [stage.get("agent") or stage["role"] for stage in record["pipeline"]]


def submission(_: Record | None, new: Record) -> Fields:
    handed = new["submission"]
    return {name: handed[name] for name in ("deliverable", "digest", "repository") if name in handed}


def edit(old: Record | None, new: Record) -> Fields:
    changed = [name for name in EDITED if (old or {}).get(name) != new.get(name)]
    empty: Fields = {"tags": [], "depends_on": []}
    fields = {name: new.get(name, empty.get(name)) for name in changed}
    return {**fields, "pipeline": _stages(new)} if "pipeline" in fields else fields


def agent_edit(old: Record | None, new: Record) -> Fields:
    names_ = ("role", "description", "kind", "email")
    return {name: new.get(name) for name in names_ if (old or {}).get(name) != new.get(name)}


def last_comment(_: Record | None, new: Record) -> Fields:
    return {"text": new["comments"][-1]["text"]}


def review_comment(_: Record | None, new: Record) -> Fields:
    return {"text": new["review"]["comments"][-1]["text"]}


def signed(_: Record | None, new: Record) -> Fields:
    mark = new["review"]["sign_offs"][-1]
    return {"round": mark["round"], "digest": mark["digest"]}


def finish(_: Record | None, new: Record) -> Fields:
    return pick("evidence", "digest", "started")(None, new["deployment"])


def rollback(_: Record | None, new: Record) -> Fields:
    undoing = new["deployment"]["rollback"]
    return {"evidence": undoing["evidence"], "alert": undoing.get("alert")}


def new_key(_: Record | None, new: Record) -> Fields:
    return {"key": new["keys"][-1]["key"], "proof": new["keys"][-1]["proof"]}


def agent(old: Record | None, new: Record) -> Fields:
    return {**pick("role", "description", "kind", "email", "imported")(old, new), **new_key(old, new)}


def retired(old: Record | None, new: Record) -> Fields:
    pairs = zip((old or {})["keys"], new["keys"], strict=False)
    return {"key": next(b["key"] for a, b in pairs if a["state"] != b["state"])}


def ratified(_: Record | None, new: Record) -> Fields:
    return {"commit": next(k["ratified"][-1] for k in new["keys"] if k.get("ratified"))}


def quota(old: Record | None, new: Record) -> Fields:
    """What is used and when the window ends is said for a new quota alone; else it is kept."""
    brought = () if old else ("used", "reset_at")
    return pick("limit", "period", "agents", *brought)(old, new)


def used(old: Record | None, new: Record) -> Fields:
    used, before = from_record(Quota, new), from_record(Quota, old or {})
    return {"amount": used.used if used.reset_at != before.reset_at else used.used - before.used}


def imported_task(old: Record | None, new: Record) -> Fields:
    """A task from another tracker: as it was added, and what it brought."""
    return {**task(old, new), "imported": new["imported"]}


def assignee(_: Record | None, new: Record) -> Fields:
    """To whom it was assigned."""
    return {"to": new["assigned"]}


def progress(_: Record | None, new: Record) -> Fields:
    """What was said of the progress."""
    return {"text": new["progress"]["note"]}


def kept(_: Record | None, new: Record) -> Fields:
    """How many comments are left."""
    return {"keep": len(new.get("comments", ()))}


def deployment(_: Record | None, new: Record) -> Fields:
    """What a deployment announced."""
    return pick("ref", "digest", "command")(None, new["deployment"])


def requested(_: Record | None, new: Record) -> Fields:
    """The text of a review's request."""
    return {"text": new["review"]["request"]["text"]}


def rejected(_: Record | None, new: Record) -> Fields:
    """The round that was rejected."""
    return {"round": new["review"]["round"]}


def cut_off(_: Record | None, new: Record) -> Fields:
    """The commit since which a key is compromised."""
    return {"since": new["keys"][-1]["since"][-1]}
