"""Reviews: sign-offs, verdicts and revisions."""

from __future__ import annotations

from typing import Any

from opsgit.domain import vocabulary
from opsgit.domain.model import Task
from opsgit.domain.refusals import Refused, refuse
from opsgit.domain.request import Snapshot
from opsgit.operations import attachments, deliverables, diffs, sights
from opsgit.operations.publication import act
from opsgit.operations.session import Session
from opsgit.operations.transactions import Written
from opsgit.storage import attachment


def verdict(session: Session, op: str, task_id: str, local: str | None = None) -> list[Written]:
    """Approve, reject or sign off a review.

    The actor must be named. The request has the round that was seen and the digest that was measured.

    :param op: `review.approve`, `review.reject` or `review.sign-off`.
    :param local: the path of a copy of the deliverable on this machine.
    :raises Refused: `IDENTITY_REQUIRED` if no actor is named; `STALE` if the submission was revised since the actor
        has looked at it here; as `deliverables.digest_now`; if the rule book refuses
        the operation.
    """
    snapshot = session.look(task_id)
    _refuse_unseen(session, session.actor_of(op, task_id, snapshot), snapshot.task(task_id))
    return act(session, op, task_id, **_seen(session, snapshot, op, task_id, local))


def _refuse_unseen(session: Session, actor: str, task: Task) -> None:
    seen = sights.last(session, actor, task)
    now = task.submission.version if task.submission else None
    if seen is None or seen == now or session.repeated():
        return
    try:
        changed = [line.strip() for line in diffs.diff(session, task.id, f"{seen}..{now}", None, True).lines]
    except Refused:  # nothing was attached
        changed = []
    what = f": {'; '.join(changed)}" if changed else ""
    refuse(
        "STALE",
        f"{task.assigned} revised {task.id} since {actor} looked at round {seen}; it is {now} now{what}",
        f"opsgit review diff {task.id} --rounds {seen}..{now}; opsgit review show {task.id} --as {actor}",
    )


def _seen(session: Session, snapshot: Snapshot, op: str, task_id: str, local: str | None) -> dict[str, Any]:
    task = snapshot.task(task_id)
    submission = task.submission
    if submission is None or task.status != vocabulary.IN_REVIEW:
        return {}  # the rule book refuses the operation anyway
    version = {"round": submission.round, "revision": submission.revision}
    if op == "review.reject":
        return version
    return {**version, "digest": deliverables.digest_now(session, snapshot, task, local)}


def revise(session: Session, task_id: str, given: deliverables.Given) -> list[Written]:
    """Submit another version of the deliverable within the same round.

    :raises Refused: as `deliverables.measured`; if the rule book refuses the operation.
    """
    fields = deliverables.measured(session, session.look(), task_id, given)
    return act(session, "review.revise", task_id, **fields)


def check(
    session: Session, task_id: str, name: str, status: str, url: str | None, local: str | None = None
) -> list[Written]:
    """Report the result of a check of the version that is in review.

    :param name: the name of the check.
    :param status: `pass` or `fail`.
    :param local: the path of a copy of the deliverable on this machine.
    :raises Refused: `STALE` if the submission was revised since the actor has looked at it here; as
        `deliverables.digest_now`; if the rule book refuses the operation.
    """
    snapshot = session.look(task_id)
    _refuse_unseen(session, session.actor_of("review.check", task_id, snapshot), snapshot.task(task_id))
    seen = _seen(session, snapshot, "review.check", task_id, local)
    return act(session, "review.check", task_id, name=name, status=status, url=url, **seen)


def comment(session: Session, task_id: str, at: str | None, **fields: Any) -> list[Written]:
    """Comment on a review.

    :param at: a file of the deliverable, or `file:line`.
    :param fields: text, answers and blocking.
    :raises Refused: `BAD_VALUE` if the attachment has no such file or line; if the rule book refuses the operation.
    """
    file, line = _place(at)
    if file:
        _refuse_nowhere(session, session.look(task_id).task(task_id), file, line)
    return act(session, "review.comment", task_id, file=file, line=line, **fields)


def _place(at: str | None) -> tuple[str | None, int | None]:
    file, colon, line = (at or "").rpartition(":")
    if colon and line.isascii() and line.isdigit():
        return file, int(line)
    return at, None


def _refuse_nowhere(session: Session, task: Task, file: str, line: int | None) -> None:
    tree = attachments.find(session, task.id, task.submission) if task.submission else None
    if tree is None:
        return  # what is bound by its digest alone, or a commit, is not here to look
    objects = session.repository.objects()
    entry = attachment.listed(objects, tree).get(file)
    if entry is None:
        refuse(
            "BAD_VALUE", f"the deliverable of {task.id} has no file {file[:200]}", f"opsgit review show {task.id}", "at"
        )
    lines = len(objects.need(entry.id, "blob").content.splitlines())
    if line and line > lines:
        refuse("BAD_VALUE", f"{file} has {lines} lines", f"opsgit review diff {task.id}", "at")
