"""The decision that every door makes: whether a request is legal in a state, and what it writes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from opsgit.domain import canonical, leases, names, schemas, text, times
from opsgit.domain.authority import check
from opsgit.domain.context import Context
from opsgit.domain.model import Task
from opsgit.domain.operation import BRANCH, EXISTS, MERGE, NEW, Operation, check_arguments
from opsgit.domain.records import Record, model_of, to_record
from opsgit.domain.refusals import Refusal, Refused, refuse
from opsgit.domain.request import Change, Edit, Outcome, Request, Snapshot
from opsgit.domain.rules import in_force
from opsgit.domain.vocabulary import IMPORTED, IN_REVIEW

FULL = {
    "task": "an orchestrator may trim comments: opsgit task trim ID --keep 20",
    "agent": "opsgit agent ratify takes ranges A..B, which need less room; or add a new agent",
}


def decide(snapshot: Snapshot, request: Request, now: int) -> Change | Refusal:
    """Decide a request in a state.

    :param snapshot: the state before. For operations on a review branch and for verdicts it contains the review
        branch's version of the task.
    :param now: seconds after the epoch; the commit's own time when a verifier decides it again.
    :returns: the change with the exact bytes to write, or the refusal. A refusal is never raised.
    """
    try:
        return _decide(snapshot, request, now)
    except Refused as refused:
        return refused.refusal


def may(snapshot: Snapshot, op: str, actor: str, target: str, now: int) -> Refusal | None:
    """Return why an actor could not take a step, without looking at evidence (a digest, a reason, a text).

    :param op: the name of the operation.
    :param target: the id or name of an existing task, agent or other entity.
    :param now: seconds after the epoch.
    :returns: None when nothing except missing evidence could prevent the step; else the refusal.
    """
    try:
        context = _context(snapshot, Request(op, actor, target), now)
        before = _before(context)
        _check_status(context, before)
        _permitted(context, before, evidence=False)
    except Refused as refused:
        return refused.refusal
    return None


def _decide(snapshot: Snapshot, request: Request, now: int) -> Change:
    context = _context(snapshot, request, now)
    _check_note(request.note)
    operation = context.operation
    before = _before(context)
    _check_status(context, before)
    check_arguments(operation, request.fields)
    _permitted(context, before, evidence=True)
    change = _changed(context, before, operation.effect(context, before))
    if all(edit.record is not None and edit.record == snapshot.record(edit.path) for edit in change.edits):
        place = names.place(change.edits[0].path)
        refuse("NOTHING_CHANGES", f"{place.kind} {place.name} is like that already", "opsgit history")
    return _fitting(context, change)


def _context(snapshot: Snapshot, request: Request, now: int) -> Context:
    project = snapshot.project
    rules = in_force(project)
    operation = rules.operation(request.op)
    actor = snapshot.agent(request.actor)
    if actor.status != "active":
        refuse("AGENT_REMOVED", f"agent {actor.name} was removed", "opsgit whoami")
    return Context(snapshot, request, actor, times.text(now), project, rules, operation)


def _check_note(note: str) -> None:
    if note != text.tidy(note):
        refuse("BAD_TEXT", "the note is not tidy: spaces at line ends or blank edges", "opsgit help format", "note")
    text.check(note, "note", empty=True)


def _before(context: Context) -> Any:
    """Return the value that the operation is about; None for a new file and for managed files."""
    kind, target = context.operation.kind, context.request.target
    if kind not in names.ENTITIES:
        return None
    name = names.ENTITIES[kind].check(target)
    if context.operation.finds == NEW:
        return None
    path = names.path_of(kind, name)
    if context.operation.finds == EXISTS:
        return context.snapshot.need(model_of(kind), path, f"{kind} {name}".strip())
    return context.snapshot.find(model_of(kind), path)


def _check_status(context: Context, before: Any) -> None:
    """Refuse a task whose status the operation's record does not name."""
    if isinstance(before, Task) and before.status not in context.operation.sources:
        raise Refused(context.rules.why_not(context.operation, before))


def _permitted(context: Context, before: Any, evidence: bool) -> None:
    """Refuse unless actor and gates permit the step.

    :param evidence: whether to check also the gates that read arguments or the note.
    """
    check(context, context.operation.who, before, evidence)
    for name in context.operation.gates:
        gate = context.rules.gates[name]
        if evidence or not gate.evidence:
            gate.check(context, before)


def _changed(context: Context, before: Any, after: Any) -> Change:
    """Return the change for the result of an effect. The status comes from the operation's record."""
    operation, request = context.operation, context.request
    if isinstance(after, Outcome):
        return Change(request, after.subject, after.edits, operation.on, context.at)
    if operation.kind != "task":
        return Change(request, f"{operation.kind} {request.target}: {operation.word}",
                      (_edit(operation.kind, request.target, to_record(after)),), operation.on, context.at)  # fmt: skip
    status = _reached(context, operation, before)
    record = to_record(leases.renewed(context, replace(after, status=status)))
    old = before.status if before else IMPORTED if after.imported else "new"
    step = f"{old} → {status}" if old != status else operation.word
    on = MERGE if before and before.status == IN_REVIEW and operation.on != BRANCH else operation.on
    reverts = request.get("reverts")
    body = f"This reverts commit {reverts}." if reverts else ""
    edits = (_edit("task", after.id, record),)
    return Change(request, f"{after.id}: {step}", edits, on, context.at, before and before.status, status, body)


def _reached(context: Context, operation: Operation, before: Task | None) -> str:
    if operation.reaches:
        status = operation.reaches(context, before)
        assert status in operation.targets, f"{operation.name} reaches {status}, which its record does not name"
        return status
    return operation.targets[0] if operation.targets else before.status if before else ""


def _edit(kind: str, target: str, record: Record) -> Edit:
    return Edit(names.path_of(kind, target), canonical.emit(kind, record), record)


def _fitting(context: Context, change: Change) -> Change:
    """Refuse a record that its schema would not accept, and a file that is too large.

    `canonical.ROOM` says how far each operation may fill the file of a task or an agent.
    """
    operation = context.operation
    most = canonical.ROOM[operation.room] if operation.kind in ("task", "agent") else canonical.SIZE_MAX
    for edit in change.edits:
        if edit.record is not None:
            schemas.check(names.place(edit.path).kind, edit.record, edit.path, context.snapshot.reader.schema)
        if len(edit.content or b"") > most:
            refuse("FILE_FULL", f"{edit.path} would be larger than {most // 1024} KiB",
                   FULL.get(operation.kind, "make it shorter"), edit.path)  # fmt: skip
    return change
