"""What a reviewer needs to see: the list of open reviews, and one review as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from opsgit.domain import names, vocabulary
from opsgit.domain.authority import gives_verdict, open_stage
from opsgit.domain.decide import may
from opsgit.domain.model import Task
from opsgit.domain.refusals import Refused, refuse
from opsgit.domain.request import Snapshot
from opsgit.operations import attachments, deliverables, rounds, sights
from opsgit.operations.queries import ORDER
from opsgit.operations.session import Session
from opsgit.storage import attachment

LOOKED_AT_MAX = 1 << 30  # bytes at a deliverable's place that are hashed to show whether they are the ones


def listed(session: Session) -> list[dict[str, Any]]:
    """Return the open reviews, the most urgent first.

    :returns: for each: task, title, priority, version, by, since (RFC 3339 text), waiting_for, threads (the number of
        open blocking ones), and checks.
    """
    found = session.index().select(f"kind = 'task' AND status = '{vocabulary.IN_REVIEW}'", (), ORDER)
    needed = session.look().project.review.checks
    return [_row(session.look(record["id"]).task(record["id"]), needed) for record in found]


def _row(task: Task, needed: Sequence[str]) -> dict[str, Any]:
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
        "threads": sum(one.blocks for one in review.comments) if review else 0,
        "checks": {**dict.fromkeys(needed, "missing"), **_reported(task)},
    }


def _reported(task: Task) -> dict[str, str]:
    return {one.name: one.status for one in task.review.checks} if task.review else {}


def shown(session: Session, task_id: str) -> dict[str, Any]:
    """Return one review as a whole, and remember that the acting agent has seen it.

    :returns: `task`, its record; `deliverable`: version, place, digest, here (`same`, `differs`, `missing` or `large`),
        attached, and files and bytes where they are known; `stages`; `checks` that are needed; `rounds`, each with
        number, submission, review and ended; `versions`; `commands` that the acting agent, or anybody, could use now.
    :raises Refused: `NOT_FOUND`; `DELIVERABLE_REQUIRED` if the task was never submitted here.
    """
    snapshot = session.look(task_id)
    task = snapshot.task(task_id)
    if task.submission is None:
        refuse("DELIVERABLE_REQUIRED", f"{task_id} was never submitted here", f"opsgit task show {task_id}")
    if sights.who(session):
        snapshot.agent(sights.who(session))  # raises NOT_FOUND
    page: dict[str, Any] = {
        "task": snapshot.record(names.task_path(task_id)),
        "deliverable": _deliverable(session, snapshot, task),
        "stages": _stages(task),
        "checks": list(snapshot.project.review.checks),
        "rounds": [one._asdict() for one in rounds.rounds(session, task_id)],
        "versions": list(rounds.versions(session, task_id)),
    }
    page["commands"] = _commands(session, snapshot, task, page["deliverable"])
    sights.note(session, sights.who(session), task_id, task.submission)
    return page


def _deliverable(session: Session, snapshot: Snapshot, task: Task) -> dict[str, Any]:
    submission = task.submission
    assert submission
    told: dict[str, Any] = {
        "version": submission.version,
        "place": submission.deliverable,
        "digest": submission.digest,
        "here": _here(session, snapshot, task),
        "attached": False,
    }
    if submission.repository:
        told["repository"] = submission.repository
    tree = _attached(session, task)
    if tree:
        objects = session.repository.objects()
        sizes = {
            path: len(objects.need(one.id, "blob").content) for path, one in attachment.listed(objects, tree).items()
        }
        told.update(attached=True, files=sizes, bytes=sum(sizes.values()))
    return told


def _attached(session: Session, task: Task) -> str | None:
    """Return the tree of the attachment; what is wrong with it is a notice here, because the rest can be shown."""
    assert task.submission
    try:
        return attachments.find(session, task.id, task.submission)
    except Refused as refused:
        session.notices.append(f"{refused.refusal.code}: {refused.refusal.message}")
        return None


def _here(session: Session, snapshot: Snapshot, task: Task) -> str:
    assert task.submission
    try:
        found = deliverables.digest_here(session, snapshot, task.submission, LOOKED_AT_MAX)
    except Refused as refused:
        return "large" if refused.refusal.code == "DELIVERABLE_TOO_LARGE" else "missing"
    return "same" if found == task.submission.digest else "differs"


def _stages(task: Task) -> list[dict[str, Any]]:
    marks = task.review.sign_offs if task.review else ()
    return [
        {
            "stage": stage.name,
            "reviewers": stage.count or 1,
            "signed": [mark.by for mark in marks if mark.stage == number],
            "open": task.status == vocabulary.IN_REVIEW and number == open_stage(task),
        }
        for number, stage in enumerate(task.pipeline)
        if 0 < number < len(task.pipeline) - 1
    ]


def _commands(session: Session, snapshot: Snapshot, task: Task, told: dict[str, Any]) -> list[str]:
    """Return the commands that could be used now: by the acting agent, or by whoever fits if nobody is named."""
    if task.status != vocabulary.IN_REVIEW:
        return []
    name, now = sights.who(session), session.now()
    me = name or task.pipeline[open_stage(task)].agent or "REVIEWER"
    decides = "approve" if gives_verdict(task) else "sign-off"
    copy = "" if told["attached"] or told["here"] == "same" else " --deliverable PATH"
    known = {
        decides: f"opsgit review {decides} {task.id}{copy} --as {me}",
        "reject": f'opsgit review reject {task.id} --reason "..." --as {me}',
        "revise": f"opsgit review revise {task.id} --output PATH --as {me}",
        "withdraw": f"opsgit review withdraw {task.id} --as {me}",
        "check": f"opsgit review check {task.id} --name NAME --status pass|fail{copy} --as {me}",
    }

    def can(op: str) -> bool:
        if name:
            return may(snapshot, f"review.{op}", name, task.id, now) is None
        return op in (decides, "reject")

    return [*_looks(task, told), *(command for op, command in known.items() if can(op)), *_talks(task, me, name)]


def _looks(task: Task, told: dict[str, Any]) -> list[str]:
    if "repository" in told:
        return [f"opsgit review diff {task.id} --repository PATH"]
    return [f"opsgit review diff {task.id}", f"opsgit review checkout {task.id} DIR"] if told["attached"] else []


def _talks(task: Task, me: str, name: str) -> list[str]:
    """Return the commands for the threads: those that answer or resolve each open one, and one that begins another."""
    found = [one for one in (task.review.comments if task.review else ()) if not one.answers and not one.resolved]
    worked = name in task.contributors
    answers = [f'opsgit review comment {task.id} --reply-to {one.id} --text "..." --as {me}' for one in found if worked]
    ends = [f"opsgit review resolve {task.id} {one.id} --as {me}" for one in found if one.blocking and not worked]
    new = f'opsgit review comment {task.id} --text "..." --at PATH:LINE{"" if worked else " --blocking"} --as {me}'
    return [*answers, *ends, new]
