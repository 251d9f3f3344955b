"""What a reviewer needs to see: the list of open reviews, and one review as a whole."""

from __future__ import annotations

from typing import Any

from opsgit.domain import names, rules, vocabulary
from opsgit.domain.authority import gives_verdict, missing, open_stage
from opsgit.domain.model import Task
from opsgit.domain.next_steps import steps
from opsgit.domain.refusals import Refused, refuse
from opsgit.domain.request import Snapshot
from opsgit.operations import attachments, deliverables, rounds, sights
from opsgit.operations.queries import ORDER, synced
from opsgit.operations.session import Session
from opsgit.storage import attachment


def listed(session: Session) -> list[dict[str, Any]]:
    """Return the open reviews, the most urgent first.

    :returns: for each: task, title, priority, version, by, since (RFC 3339 text), waiting_for, threads (the number of
        open blocking ones), and checks.
    """
    found = synced(session).select(f"kind = 'task' AND status = '{vocabulary.IN_REVIEW}'", (), ORDER)
    return [_row(session.look(record["id"]).task(record["id"])) for record in found]


def _row(task: Task) -> dict[str, Any]:
    submission, review = task.submission, task.review
    assert submission
    return {
        "task": task.id,
        "title": task.title,
        "priority": task.priority,
        "version": submission.version,
        "by": task.assigned,
        "since": submission.at,
        "waiting_for": task.pipeline[open_stage(task)].name,
        "threads": sum(bool(one.blocking and not one.resolved) for one in review.comments) if review else 0,
        "checks": {one.name: one.status for one in review.checks} if review else {},
    }


def shown(session: Session, task_id: str) -> dict[str, Any]:
    """Return one review as a whole, and remember that the acting agent has seen it.

    :returns: `task`, its record; `deliverable`: version, place, digest, here (`same`, `differs` or `missing`),
        attached, and files and bytes where they are known; `stages`; `checks` that are needed; `rounds`, each with
        number, submission, review and ended; `commands` that the acting agent, or anybody, could use now.
    :raises Refused: `NOT_FOUND`; `DELIVERABLE_REQUIRED` if the task was never submitted here.
    """
    snapshot = session.look(task_id)
    task = snapshot.task(task_id)
    if task.submission is None:
        refuse("DELIVERABLE_REQUIRED", f"{task_id} was never submitted here", f"opsgit task show {task_id}")
    page = {
        "task": snapshot.record(names.task_path(task_id)),
        "deliverable": _deliverable(session, snapshot, task),
        "stages": _stages(task),
        "checks": list(snapshot.project.review.checks),
        "rounds": [one._asdict() for one in rounds.rounds(session, task_id)],
        "commands": _commands(session, snapshot, task),
    }
    sights.note(session, sights.who(session), task_id, task.submission)
    return page


def _deliverable(session: Session, snapshot: Snapshot, task: Task) -> dict[str, Any]:
    submission = task.submission
    assert submission
    told: dict[str, Any] = {
        "version": submission.version,
        "place": submission.deliverable,
        "digest": submission.digest,
        "here": _here(snapshot, task),
        "attached": False,
    }
    if submission.repository:
        told["repository"] = submission.repository
    tree = attachments.find(session, task.id, submission)
    if tree:
        objects = session.repository.objects()
        sizes = {
            path: len(objects.need(one.id, "blob").content) for path, one in attachment.listed(objects, tree).items()
        }
        told.update(attached=True, files=sizes, bytes=sum(sizes.values()))
    return told


def _here(snapshot: Snapshot, task: Task) -> str:
    assert task.submission
    try:
        return "same" if deliverables.digest_here(snapshot, task.submission) == task.submission.digest else "differs"
    except Refused:
        return "missing"


def _stages(task: Task) -> list[dict[str, Any]]:
    marks = task.review.sign_offs if task.review else ()
    return [
        {
            "stage": stage.name,
            "reviewers": stage.count or 1,
            "signed": [mark.by for mark in marks if mark.stage == number],
            "open": task.status == vocabulary.IN_REVIEW and bool(missing(task, number)),
        }
        for number, stage in enumerate(task.pipeline)
        if 0 < number < len(task.pipeline) - 1
    ]


def _commands(session: Session, snapshot: Snapshot, task: Task) -> list[str]:
    """Return the commands that decide; those of the acting agent, if one is named."""
    if task.status != vocabulary.IN_REVIEW:
        return []
    name = sights.who(session)
    agent = snapshot.find_agent(name) if name else None
    if agent:
        book, now = rules.in_force(snapshot.project), session.transaction().now()
        able = [one.command for one in steps(snapshot, book, agent, task, now) if one.op.startswith("review.")]
        if not able:
            return [f'opsgit review comment {task.id} --text "..." --as {name}']
    stage = task.pipeline[open_stage(task)]
    me, op = name or stage.agent or "REVIEWER", "approve" if gives_verdict(task) else "sign-off"
    return [
        f"opsgit review diff {task.id}",
        f"opsgit review {op} {task.id} --as {me}",
        f'opsgit review reject {task.id} --as {me} --reason "..."',
        f'opsgit review comment {task.id} --as {me} --text "..." --at PATH:LINE --blocking',
    ]
