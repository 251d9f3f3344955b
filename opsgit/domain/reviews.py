"""What the operations on a review branch write, and the verdicts that merge it."""

from __future__ import annotations

from dataclasses import replace

from opsgit.domain.authority import open_stage
from opsgit.domain.context import Context
from opsgit.domain.gates import review_of, submission_of
from opsgit.domain.model import SignOff, Task, Verdict
from opsgit.domain.tasks import contributed, remark, submitted


def request(context: Context, task: Task) -> Task:
    """Open the review with the author's words (the pull request's text)."""
    return replace(task, review=replace(review_of(task), request=remark(context)))


def comment(context: Context, task: Task) -> Task:
    """Append a remark to the review."""
    review = review_of(task)
    return replace(task, review=replace(review, comments=(*review.comments, remark(context))))


def revise(context: Context, task: Task) -> Task:
    """Hand in another version within the round; every sign-off is void."""
    revised = submitted(context, submission_of(task).round)
    return contributed(replace(task, submission=revised, review=replace(review_of(task), sign_offs=())), context.me)


def sign_off(context: Context, task: Task) -> Task:
    """Sign the open stage."""
    return _signed(context, task, open_stage(task) or 1)


def _signed(context: Context, task: Task, stage: int) -> Task:
    submission, review = submission_of(task), review_of(task)
    mark = SignOff(stage=stage, by=context.me, at=context.at, round=submission.round, digest=submission.digest)
    return replace(task, review=replace(review, sign_offs=(*review.sign_offs, mark)))


def approve(context: Context, task: Task) -> Task:
    """Sign the last stage: the verdict is approved."""
    return _judged(context, _signed(context, task, len(task.pipeline) - 2), "approved")


def reject(context: Context, task: Task) -> Task:
    """Send the task back; this digest is never submitted again."""
    known = dict.fromkeys((*task.rejected, submission_of(task).digest))
    return _judged(context, replace(task, rejected=tuple(known)), "rejected")


def withdraw(context: Context, task: Task) -> Task:
    """Take the submission back to work on it."""
    return _judged(context, task, "withdrawn")


def _judged(context: Context, task: Task, outcome: str) -> Task:
    verdict = Verdict(outcome=outcome, by=context.me, at=context.at, reason=context.request.note or None)
    return replace(task, review=replace(review_of(task), verdict=verdict))
