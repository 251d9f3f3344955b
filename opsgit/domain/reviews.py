"""The effects of operations in a review: those on the review branch, and the verdicts that merge it."""

from __future__ import annotations

from dataclasses import replace

from opsgit.domain.authority import open_stage
from opsgit.domain.context import Context
from opsgit.domain.gates import review_of, submission_of
from opsgit.domain.model import SignOff, Task, Verdict
from opsgit.domain.tasks import remark, submitted


def request(context: Context, task: Task) -> Task:
    """Open the review with the assignee's text, as in the description of a pull request.

    :raises Refused: `BAD_TEXT`, `DELIVERABLE_REQUIRED`.
    """
    return replace(task, review=replace(review_of(task), request=remark(context)))


def comment(context: Context, task: Task) -> Task:
    """Add a comment to the review.

    :raises Refused: `BAD_TEXT`, `DELIVERABLE_REQUIRED`.
    """
    review = review_of(task)
    return replace(task, review=replace(review, comments=(*review.comments, remark(context))))


def revise(context: Context, task: Task) -> Task:
    """Replace the submission within the same round; all sign-offs are dropped.

    :raises Refused: `BAD_TEXT`, `DELIVERABLE_OUTSIDE`, `DELIVERABLE_REQUIRED`.
    """
    revised = submitted(context, submission_of(task).round)
    return replace(task, submission=revised, review=replace(review_of(task), sign_offs=()))


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
