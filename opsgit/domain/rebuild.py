"""The reconstruction of a request from a commit: from the files that it changed and from its message.

The result is unverified: the caller decides the request again and compares the answer with the commit. The catalogue
names, for each operation, the function here that derives its arguments from the record before and the record after.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from opsgit.domain import names, times
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
    """Return the request that a commit claims to carry out.

    :param rules: the rule book by which the commit is decided.
    :param message: the parsed message of the commit.
    :param actor: the name of the agent that signed the commit.
    :param before: the checked record of each changed path in the parent, None for a new or managed file.
    :param after: the checked record of each changed path; for ops.yaml a pair of record and bytes, for a managed file a
        `ManagedFile`; None for a removed file.
    :raises Refused: `CONTENT_MISMATCH` when the operation cannot change these paths in this way; `WRONG_FILE` for a
        path that no operation writes.
    """
    operation = rules.operations.get(message.op)
    if operation and operation.kind == "managed":
        return Request(message.op, actor, "", {"files": dict(after)}, message.note, message.id)
    if len(after) != 1:
        refuse("CONTENT_MISMATCH", f"{message.op} writes one file, not {len(after)}", "opsgit help format")
    (path, new), (old,) = next(iter(after.items())), before.values()
    place = names.place(path)
    if operation is None or place.kind != operation.kind:
        refuse("CONTENT_MISMATCH", f"{message.op} does not write {path}", "opsgit help lifecycle", path)
    try:
        fields = operation.rebuild(old, new)
    except (LookupError, TypeError, AttributeError, StopIteration):
        why = f"{path}: the file does not hold what this operation writes ({message.op})"
        refuse("CONTENT_MISMATCH", why, "opsgit help lifecycle", path)
    if message.reverts:
        fields["reverts"] = message.reverts
    return Request(message.op, actor, place.name, fields, message.note, message.id)


def nothing(_: Record | None, __: Record) -> Fields:
    """Return no arguments, for an operation that has none."""
    return {}


def policy(_: Record | None, new: Any) -> Fields:
    """Return `record` and `content` of ops.yaml.

    :param new: a pair of the record and the bytes of the file.
    """
    return {"record": new[0], "content": new[1]}


def pick(*wanted: str) -> Callable[[Record | None, Record], Fields]:
    """Return a function that takes the named fields that are set from the record after."""
    return lambda _, new: {name: new[name] for name in wanted if name in new}


def task(_: Record | None, new: Record) -> Fields:
    """Return the arguments of `task.add` from the new task."""
    picked = {name: new[name] for name in ("title", "description", "priority", "tags", "depends_on") if name in new}
    stages = _stages(new)
    return {**picked, "pipeline": stages, "assigned": new.get("assigned")}


def _stages(record: Record) -> list[str]:
    """Return the stages as texts. A review stage of a role has its number, so that the policy adds nothing."""
    last = len(record["pipeline"]) - 1
    return [
        stage.get("agent") or (f"{stage['role']}*{stage.get('count', 1)}" if 0 < number < last else stage["role"])
        for number, stage in enumerate(record["pipeline"])
    ]


def submission(_: Record | None, new: Record) -> Fields:
    """Return the arguments of a submission or a revision."""
    handed = new["submission"]
    return {name: handed[name] for name in ("deliverable", "digest", "repository") if name in handed}


def edit(old: Record | None, new: Record) -> Fields:
    """Return the fields of the task that changed; removed ones are None, or an empty list for tags and dependencies."""
    changed = [name for name in EDITED if (old or {}).get(name) != new.get(name)]
    empty: Fields = {"tags": [], "depends_on": []}
    fields = {name: new.get(name, empty.get(name)) for name in changed}
    return {**fields, "pipeline": _stages(new)} if "pipeline" in fields else fields


def agent_edit(old: Record | None, new: Record) -> Fields:
    """Return the fields of the agent that changed; a field that was removed is None."""
    names_ = ("role", "description", "kind", "email")
    return {name: new.get(name) for name in names_ if (old or {}).get(name) != new.get(name)}


def last_comment(_: Record | None, new: Record) -> Fields:
    """Return the text of the last comment on the ledger."""
    return {"text": new["comments"][-1]["text"]}


def review_comment(old: Record | None, new: Record) -> Fields:
    """Return the text of the last comment of the review, its place, what it answers, and whether it blocks."""
    last = new["review"]["comments"][-1]
    return {
        **pick("text", "answers", "blocking")(old, last),
        **pick("file", "line")(old, last.get("place", {})),
    }


def resolved(old: Record | None, new: Record) -> Fields:
    """Return the thread that was resolved."""
    pairs = zip((old or {})["review"]["comments"], new["review"]["comments"], strict=False)
    return {"thread": next(b["id"] for a, b in pairs if a.get("resolved") != b.get("resolved"))}


def checked(old: Record | None, new: Record) -> Fields:
    """Return the check that was reported, and the version that it is about."""
    known = (old or {})["review"].get("checks", [])
    one = next(one for one in new["review"]["checks"] if one not in known)
    return {**pick("name", "status", "url", "digest")(old, one), **version(old, new)}


def version(_: Record | None, new: Record) -> Fields:
    """Return round and revision of the submission."""
    return pick("round", "revision")(None, new.get("submission", {}))


def signed(old: Record | None, new: Record) -> Fields:
    """Return the version and the digest of the last sign-off."""
    return {**version(old, new), **pick("round", "digest")(None, new["review"]["sign_offs"][-1])}


def finish(_: Record | None, new: Record) -> Fields:
    """Return the evidence, the digest and the start time of the deployment."""
    return pick("evidence", "digest", "started")(None, new["deployment"])


def rollback(_: Record | None, new: Record) -> Fields:
    """Return the evidence and the alert of the rollback; the commit that it reverts comes from the message."""
    undoing = new["deployment"]["rollback"]
    return {"evidence": undoing["evidence"], "alert": undoing.get("alert")}


def new_key(_: Record | None, new: Record) -> Fields:
    """Return the last key of the agent and its proof of possession."""
    return {"key": new["keys"][-1]["key"], "proof": new["keys"][-1]["proof"]}


def agent(old: Record | None, new: Record) -> Fields:
    """Return the arguments of `agent.add` from the new agent."""
    return {**pick("role", "description", "kind", "email", "imported")(old, new), **new_key(old, new)}


def retired(old: Record | None, new: Record) -> Fields:
    """Return the first key whose state changed."""
    pairs = zip((old or {})["keys"], new["keys"], strict=False)
    return {"key": next(b["key"] for a, b in pairs if a["state"] != b["state"])}


def ratified(old: Record | None, new: Record) -> Fields:
    """Return the commits that some key has now and had not before, and whether they were undone."""
    undone, taken = _added(old, new, "undone"), _added(old, new, "ratified")
    return {"commits": undone or taken, "undone": bool(undone)}


def _added(old: Record | None, new: Record, field: str) -> list[str]:
    keys = zip((old or new)["keys"], new["keys"], strict=False)
    return sorted({commit for k, now in keys for commit in now.get(field, ()) if commit not in k.get(field, ())})


def quota(old: Record | None, new: Record) -> Fields:
    """Return limit, period and agents; for a new quota also the use and the end of the window."""
    brought = () if old else ("used", "reset_at")
    return pick("limit", "period", "agents", *brought)(old, new)


def used(old: Record | None, new: Record) -> Fields:
    """Return the amount that was used: the difference, or the new total when a new window has begun."""
    used, before = from_record(Quota, new), from_record(Quota, old or {})
    return {"amount": used.used if used.reset_at != before.reset_at else used.used - before.used}


def imported_task(old: Record | None, new: Record) -> Fields:
    """Return the arguments of `task.import` from the new task."""
    return {**task(old, new), "imported": new["imported"]}


def lease(_: Record | None, new: Record) -> Fields:
    """Return the lease of a claim, if it has one."""
    return {"lease": times.shortest(new["lease"]["seconds"])} if new.get("lease") else {}


def assignee(_: Record | None, new: Record) -> Fields:
    """Return the agent to which the task is assigned."""
    return {"to": new["assigned"]}


def progress(_: Record | None, new: Record) -> Fields:
    """Return the progress note."""
    return {"text": new["progress"]["note"]}


def kept(old: Record | None, new: Record) -> Fields:
    """Return the number of comments that are left: of the task if it has fewer than before, else of either."""
    left, before = len(new.get("comments", ())), len((old or {}).get("comments", ()))
    return {"keep": left if left < before else max(left, len(new.get("review", {}).get("comments", ())))}


def deployment(_: Record | None, new: Record) -> Fields:
    """Return the reference, the digest and the command of a deployment that started."""
    return pick("ref", "digest", "command")(None, new["deployment"])


def requested(_: Record | None, new: Record) -> Fields:
    """Return the text of the review's request."""
    return {"text": new["review"]["request"]["text"]}


def rejected(_: Record | None, new: Record) -> Fields:
    """Return the version that was rejected."""
    return {**version(None, new), "round": new["review"]["round"]}


def cut_off(_: Record | None, new: Record) -> Fields:
    """Return the commit since which the keys are compromised."""
    return {"since": new["keys"][-1]["since"][-1]}
