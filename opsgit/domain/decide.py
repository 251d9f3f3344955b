"""The one question that every door asks: is this request legal in this state, and what does it write?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from opsgit.domain import (
    agents,
    deployments,
    imports,
    lifecycle,
    names,
    project,
    quotas,
    reviews,
    signals,
    tasks,
    text,
    times,
)
from opsgit.domain.authority import check
from opsgit.domain.case import Case
from opsgit.domain.codes import Refusal, Refused, refuse
from opsgit.domain.lifecycle import Row
from opsgit.domain.model import Agent, Task
from opsgit.domain.records import to_record
from opsgit.domain.request import Change, Edit, Request, Snapshot
from opsgit.domain.words import IN_REVIEW

# How a subject names the operations that leave the status as it is, where their own name would mislead.
STEPS = {
    "task.deploy-start": "deploying",
    "task.deploy-finish": "deploy failed",
    "task.deploy-abandon": "deploy abandoned",
}
STEPS |= {row.op: row.op.partition(".")[2] for row in lifecycle.NO_TRANSITION if row.op.startswith("review.")}
TASK_RULES: dict[str, Callable[[Case, Task], Task]] = {
    "task.assign": tasks.assign,
    "task.claim": tasks.claim,
    "task.release": tasks.release,
    "task.start": tasks.start,
    "task.submit": tasks.submit,
    "task.edit": tasks.edit,
    "task.progress": tasks.progress,
    "task.comment": tasks.comment,
    "task.trim": tasks.trim,
    "task.cancel": tasks.cancel,
    "task.deploy-start": deployments.start,
    "task.deploy-finish": deployments.finish,
    "task.deploy-abandon": deployments.abandon,
    "task.rollback": deployments.rollback,
    "review.request": reviews.request,
    "review.comment": reviews.comment,
    "review.revise": reviews.revise,
    "review.sign-off": reviews.sign_off,
    "review.approve": reviews.approve,
    "review.reject": reviews.reject,
    "review.withdraw": reviews.withdraw,
}
AGENT_RULES: dict[str, tuple[Callable[[Case, Agent], Agent], str]] = {
    "agent.edit": (agents.edit, "edited"),
    "agent.remove": (agents.remove, "removed"),
    "agent.rotate": (agents.rotate, "key rotated"),
    "agent.retire-key": (agents.retire_key, "key retired"),
    "agent.compromise": (agents.compromise, "keys compromised"),
    "agent.ratify": (agents.ratify, "commit ratified"),
}
ADDING: dict[str, Callable[[Case], Task]] = {"task.add": tasks.add, "task.import": imports.bring}
RECORD_RULES: dict[str, tuple[Callable[[Case], Any], str]] = {
    "agent.add": (agents.add, "added"),
    "quota.set": (quotas.define, "set"),
    "quota.use": (quotas.use, "used"),
    "metric.set": (signals.set_metric, "set"),
    "alert.raise": (signals.raise_alert, "raised"),
    "alert.resolve": (signals.resolve_alert, "resolved"),
}


def decide(snapshot: Snapshot, request: Request, now: int) -> Change | Refusal:
    """Judge a request by a state.

    :param snapshot: the state before; for work on a review branch and for verdicts with the branch's version of
        the task laid over it.
    :param request: what is asked for, by whom.
    :param now: seconds after the epoch; the commit's time when history is judged.
    :returns: what to write, or why not. Never raises for anything that a request or a state can hold.
    """
    try:
        return _decide(snapshot, request, now)
    except Refused as refused:
        return refused.refusal


def _decide(snapshot: Snapshot, request: Request, now: int) -> Change:
    if request.op not in lifecycle.TASK_ROWS and request.op not in lifecycle.OTHERS:
        refuse("NO_SUCH_OPERATION", f"there is no operation {request.op!r}", "opsgit help lifecycle")
    if request.note != text.tidy(request.note):
        refuse("BAD_TEXT", "the note is not tidy: spaces at line ends or blank edges", "opsgit help format", "note")
    text.check(request.note, "note", empty=True)
    actor = snapshot.agent(request.actor)
    if actor.status != "active":
        refuse("AGENT_REMOVED", f"agent {actor.name} was removed", "opsgit whoami")
    case = Case(snapshot, request, actor, times.text(now))
    row = lifecycle.TASK_ROWS.get(request.op)
    change = _on_task(case, row) if row else _on_others(case)
    if all(edit.record is not None and edit.record == snapshot.record(edit.path) for edit in change.edits):
        place = names.place(change.edits[0].path)
        refuse("NOTHING_CHANGES", f"{place.kind} {place.name} is like that already", "opsgit history")
    return change


def _on_task(case: Case, row: Row) -> Change:
    before = case.snapshot.task(case.request.target)
    if before.status not in row.sources:
        raise Refused(lifecycle.why_not(row, before.id, before.status, before.assigned))
    check(case, row, before)
    after = TASK_RULES[row.op](case, before)
    on = row.on if before.status != IN_REVIEW or row.on == lifecycle.BRANCH else "merge"
    step = f"{before.status} → {after.status}" if before.status != after.status else STEPS.get(row.op, row.op[5:])
    edits = (Edit(names.task_path(after.id), to_record(after)),)
    reverts = case.request.get("reverts")
    body = f"This reverts commit {reverts}." if reverts else ""
    return Change(case.request, f"{after.id}: {step}", edits, on, case.at, before.status, after.status, body)


def _on_others(case: Case) -> Change:
    op = case.request.op
    kind, rights = lifecycle.OTHERS[op]
    if rights:
        case.need_right(*rights)
    if op in ADDING:
        return _added_task(case, ADDING[op](case))
    if op == "project.set":
        edit, subject = project.set_policy(case)
        return _change(case, subject, edit)
    if op == "file.set":
        edits, subject = project.set_files(case)
        return _change(case, subject, *edits)
    return _on_record(case, op, kind)


def _on_record(case: Case, op: str, kind: str) -> Change:
    if op in AGENT_RULES:
        change, word = AGENT_RULES[op]
        after: Any = change(case, case.snapshot.agent(case.request.target))
    else:
        make, word = RECORD_RULES[op]
        after = make(case)
    edit = Edit(names.path_of(kind, case.request.target), to_record(after))
    return _change(case, f"{kind} {case.request.target}: {word}", edit)


def _added_task(case: Case, task: Task) -> Change:
    edit = Edit(names.task_path(task.id), to_record(task))
    origin = "imported" if task.imported else "new"
    return Change(
        case.request, f"{task.id}: {origin} → {task.status}", (edit,), lifecycle.LEDGER, case.at, None, task.status
    )


def _change(case: Case, subject: str, *edits: Edit) -> Change:
    return Change(case.request, subject, edits, lifecycle.LEDGER, case.at)
