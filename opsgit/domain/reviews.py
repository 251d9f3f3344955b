"""The effects of operations in a review: those on the review branch, and the verdicts that merge it."""

from __future__ import annotations

from dataclasses import replace

from opsgit.domain import names
from opsgit.domain.authority import open_stage
from opsgit.domain.context import Context
from opsgit.domain.gates import review_of, submission_of
from opsgit.domain.model import Check, Place, Remark, Resolved, Review, SignOff, Task, Verdict
from opsgit.domain.refusals import refuse
from opsgit.domain.tasks import remark, submitted

CHECKS_MAX = 50  # beside those that the policy needs, so that nobody keeps these out


def request(context: Context, task: Task) -> Task:
    """Open the review with the assignee's text, as in the description of a pull request.

    :raises Refused: `BAD_TEXT`, `DELIVERABLE_REQUIRED`.
    """
    return replace(task, review=replace(review_of(task), request=remark(context)))


def comment(context: Context, task: Task) -> Task:
    """Add a comment to the review: in general, at a place of the deliverable, or as an answer.

    :raises Refused: `BAD_TEXT`, `BAD_VALUE`, `DELIVERABLE_REQUIRED`.
    """
    review, said, get = review_of(task), remark(context), context.request.get
    one = Remark(
        id=_next_id(review),
        by=said.by,
        at=said.at,
        text=said.text,
        place=_place(context, task) if get("file") or get("line") is not None else None,
        answers=get("answers") or None,
        blocking=get("blocking") or None,
    )
    return replace(task, review=replace(review, comments=(*review.comments, one)))


def _next_id(review: Review) -> str:
    """Return `<round>-<number>`: a thread that goes on in a later round keeps its id."""
    ids = (one.id.split("-") for one in review.comments)
    last = max((int(number) for begun, number in ids if int(begun) == review.round), default=0)
    return f"{review.round}-{last + 1}"


def _place(context: Context, task: Task) -> Place:
    file, line = context.words("file", 1000, lines=False), context.request.get("line")
    if file.startswith("/") or ".." in file.split("/") or line == 0:
        refuse("BAD_VALUE", f"{file}:{line} is no place in a deliverable", "--at path:line, from line 1", "file")
    return Place(file=file, line=line, digest=submission_of(task).digest)


def resolve(context: Context, task: Task) -> Task:
    """Mark a thread as resolved. A reviewer may do so anew, if the one who did has lost the right since.

    :raises Refused: `DELIVERABLE_REQUIRED`.
    """
    review, mark = review_of(task), Resolved(by=context.me, at=context.at)
    named = context.request.get("thread")
    comments = (replace(one, resolved=mark) if one.id == named else one for one in review.comments)
    return replace(task, review=replace(review, comments=tuple(comments)))


def check(context: Context, task: Task) -> Task:
    """Record the result of a check; it replaces the earlier result of the same name.

    :raises Refused: `BAD_NAME`, `BAD_TEXT`, `BAD_VALUE`, `DELIVERABLE_REQUIRED`.
    """
    review, status = review_of(task), str(context.request.get("status"))
    if status not in ("pass", "fail"):
        refuse("BAD_VALUE", f"a check says pass or fail, not {status[:40]!r}", "--status pass", "status")
    one = Check(
        name=names.check_name(str(context.request.get("name")), "name"),
        status=status,
        by=context.me,
        at=context.at,
        digest=submission_of(task).digest,
        url=context.words("url", 1000, lines=False) if context.request.get("url") else None,
    )
    others = tuple(known for known in review.checks if known.name != one.name)
    needed = context.project.review.checks
    if one.name not in needed and sum(known.name not in needed for known in others) >= CHECKS_MAX:
        refuse("BAD_VALUE", f"a review has at most {CHECKS_MAX} checks", f"opsgit review show {task.id}", "name")
    return replace(task, review=replace(review, checks=(*others, one)))


def revise(context: Context, task: Task) -> Task:
    """Replace the submission within the same round; all sign-offs and checks are dropped.

    :raises Refused: `BAD_TEXT`, `DELIVERABLE_OUTSIDE`, `DELIVERABLE_REQUIRED`.
    """
    old = submission_of(task)
    revised = submitted(context, old.round, (old.revision or 0) + 1)
    return replace(task, submission=revised, review=replace(review_of(task), sign_offs=(), checks=()))


def sign_off(context: Context, task: Task) -> Task:
    """Add a sign-off of the open stage.

    :raises Refused: `DELIVERABLE_REQUIRED`.
    """
    return _signed(context, task, open_stage(task))


def _signed(context: Context, task: Task, stage: int) -> Task:
    submission, review = submission_of(task), review_of(task)
    mark = SignOff(stage=stage, by=context.me, at=context.at, round=submission.round, digest=submission.digest)
    return replace(task, review=replace(review, sign_offs=(*review.sign_offs, mark)))


def approve(context: Context, task: Task) -> Task:
    """Add the sign-off of the last review stage and the verdict approved.

    :raises Refused: `DELIVERABLE_REQUIRED`.
    """
    return _judged(context, _signed(context, task, len(task.pipeline) - 2), "approved")


def reject(context: Context, task: Task) -> Task:
    """Add the verdict rejected. The digest is recorded, so that it cannot be submitted again.

    :raises Refused: `DELIVERABLE_REQUIRED`.
    """
    known = dict.fromkeys((*task.rejected, submission_of(task).digest))
    return _judged(context, replace(task, rejected=tuple(known)), "rejected")


def withdraw(context: Context, task: Task) -> Task:
    """Add the verdict withdrawn: the assignee takes the submission back to continue work on it.

    :raises Refused: `DELIVERABLE_REQUIRED`.
    """
    return _judged(context, task, "withdrawn")


def _judged(context: Context, task: Task, outcome: str) -> Task:
    verdict = Verdict(outcome=outcome, by=context.me, at=context.at, reason=context.request.note or None)
    return replace(task, review=replace(review_of(task), verdict=verdict))
