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
    observations,
    project,
    quotas,
    reviews,
    tasks,
    text,
    times,
)
from opsgit.domain.authority import check
from opsgit.domain.context import Context
from opsgit.domain.lifecycle import Row
from opsgit.domain.model import Agent, Task
from opsgit.domain.records import to_record
from opsgit.domain.refusals import Refusal, Refused, refuse
from opsgit.domain.request import Change, Edit, Request, Snapshot
from opsgit.domain.vocabulary import IN_REVIEW

# How a subject names the operations that leave the status as it is, where their own name would mislead.
STEPS = {
    "task.deploy-start": "deploying",
    "task.deploy-finish": "deploy failed",
    "task.deploy-abandon": "deploy abandoned",
}
STEPS |= {row.op: row.op.partition(".")[2] for row in lifecycle.NO_TRANSITION if row.op.startswith("review.")}
TASK_RULES: dict[str, Callable[[Context, Task], Task]] = {
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
AGENT_RULES: dict[str, tuple[Callable[[Context, Agent], Agent], str]] = {
    "agent.edit": (agents.edit, "edited"),
    "agent.remove": (agents.remove, "removed"),
    "agent.rotate": (agents.rotate, "key rotated"),
    "agent.retire-key": (agents.retire_key, "key retired"),
    "agent.compromise": (agents.compromise, "keys compromised"),
    "agent.ratify": (agents.ratify, "commit ratified"),
}
ADDING: dict[str, Callable[[Context], Task]] = {"task.add": tasks.add, "task.import": imports.bring}
RECORD_RULES: dict[str, tuple[Callable[[Context], Any], str]] = {
    "agent.add": (agents.add, "added"),
    "quota.set": (quotas.define, "set"),
    "quota.use": (quotas.use, "used"),
    "metric.set": (observations.set_metric, "set"),
    "alert.raise": (observations.raise_alert, "raised"),
    "alert.resolve": (observations.resolve_alert, "resolved"),
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
    context = Context(snapshot, request, actor, times.text(now))
    row = lifecycle.TASK_ROWS.get(request.op)
    change = _on_task(context, row) if row else _on_others(context)
    if all(edit.record is not None and edit.record == snapshot.record(edit.path) for edit in change.edits):
        place = names.place(change.edits[0].path)
        refuse("NOTHING_CHANGES", f"{place.kind} {place.name} is like that already", "opsgit history")
    return change


def _on_task(context: Context, row: Row) -> Change:
    before = context.snapshot.task(context.request.target)
    if before.status not in row.sources:
        raise Refused(lifecycle.why_not(row, before.id, before.status, before.assigned))
    check(context, row, before)
    after = TASK_RULES[row.op](context, before)
    on = row.on if before.status != IN_REVIEW or row.on == lifecycle.BRANCH else "merge"
    step = f"{before.status} → {after.status}" if before.status != after.status else STEPS.get(row.op, row.op[5:])
    edits = (Edit(names.task_path(after.id), to_record(after)),)
    reverts = context.request.get("reverts")
    body = f"This reverts commit {reverts}." if reverts else ""
    return Change(context.request, f"{after.id}: {step}", edits, on, context.at, before.status, after.status, body)


def _on_others(context: Context) -> Change:
    op = context.request.op
    kind, rights = lifecycle.OTHERS[op]
    if rights:
        context.need_right(*rights)
    if op in ADDING:
        return _added_task(context, ADDING[op](context))
    if op == "project.set":
        edit, subject = project.set_policy(context)
        return _change(context, subject, edit)
    if op == "file.set":
        edits, subject = project.set_files(context)
        return _change(context, subject, *edits)
    return _on_record(context, op, kind)


def _on_record(context: Context, op: str, kind: str) -> Change:
    if op in AGENT_RULES:
        change, word = AGENT_RULES[op]
        after: Any = change(context, context.snapshot.agent(context.request.target))
    else:
        make, word = RECORD_RULES[op]
        after = make(context)
    edit = Edit(names.path_of(kind, context.request.target), to_record(after))
    return _change(context, f"{kind} {context.request.target}: {word}", edit)


def _added_task(context: Context, task: Task) -> Change:
    edit = Edit(names.task_path(task.id), to_record(task))
    origin = "imported" if task.imported else "new"
    return Change(
        context.request,
        f"{task.id}: {origin} → {task.status}",
        (edit,),
        lifecycle.LEDGER,
        context.at,
        None,
        task.status,
    )


def _change(context: Context, subject: str, *edits: Edit) -> Change:
    return Change(context.request, subject, edits, lifecycle.LEDGER, context.at)
