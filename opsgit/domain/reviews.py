"""What happens on a review branch, and the verdicts that merge it."""

from __future__ import annotations

from dataclasses import replace

from opsgit.domain import policy, text
from opsgit.domain.authority import open_stage, own_stage
from opsgit.domain.context import Context
from opsgit.domain.lifecycle import TASK_ROWS
from opsgit.domain.model import Comment, Review, SignOff, Submission, Task, Verdict
from opsgit.domain.refusals import refuse
from opsgit.domain.request import BranchAction, Snapshot
from opsgit.domain.tasks import appended, contributed, not_rejected, submitted
from opsgit.domain.vocabulary import DONE, IN_PROGRESS, REJECTED, REVIEW


def request(context: Context, task: Task) -> Task:
    """Open the review with the author's words (the pull request's text)."""
    review = _review(task)
    if review.request:
        refuse("NOTHING_CHANGES", f"the review of {task.id} is open already", f"opsgit task show {task.id}")
    words = context.words("text", text.COMMENT_MAX)
    return replace(task, review=replace(review, request=Comment(by=context.me, at=context.at, text=words)))


def comment(context: Context, task: Task) -> Task:
    """Append a remark to the review."""
    review = _review(task)
    return replace(task, review=replace(review, comments=appended(context, review.comments)))


def revise(context: Context, task: Task) -> Task:
    """Hand in another version within the round; every sign-off is void."""
    review, submission = _review(task), _submission(task)
    revised = submitted(context, submission.round)
    not_rejected(task, revised)
    if revised.digest == submission.digest:
        refuse("NOTHING_CHANGES", f"{task.id} was submitted with this digest already", f"opsgit task show {task.id}")
    return contributed(replace(task, submission=revised, review=replace(review, sign_offs=())), context.me)


def sign_off(context: Context, task: Task) -> Task:
    """Sign the open stage, which must not be the last: that one gives the verdict."""
    stage = open_stage(task)
    if stage is None or stage == len(task.pipeline) - 2:
        refuse("STAGES_DONE", f"the open stage of {task.id} is the last: it gives the verdict",
               f"opsgit review approve {task.id} --as {task.pipeline[-2].agent or 'REVIEWER'}")  # fmt: skip
    own_stage(context, task, stage)
    return _signed(context, task, stage)


def _signed(context: Context, task: Task, stage: int) -> Task:
    submission = seen(context, task)
    mark = SignOff(stage=stage, by=context.me, at=context.at, round=submission.round, digest=submission.digest)
    review = _review(task)
    return replace(task, review=replace(review, sign_offs=(*review.sign_offs, mark)))


def seen(context: Context, task: Task) -> Submission:
    """The submission, if the request means this round and measured this digest.

    `round` in the request is what its maker saw, `digest` what it measured.
    """
    submission = _submission(task)
    if context.request.get("round") != submission.round:
        refuse("STALE", f"{task.id} is in round {submission.round} by now", f"opsgit task show {task.id}")
    if context.request.get("digest") != submission.digest:
        refuse("DELIVERABLE_CHANGED", f"{submission.deliverable} is not what was submitted in round "
               f"{submission.round} of {task.id}",
               f'opsgit review reject {task.id} --reason "changed after submission"')  # fmt: skip
    return submission


def approve(context: Context, task: Task) -> Task:
    """Sign the last stage: done."""
    _still_good(context, task)
    _all_stands(context, task)
    after = _signed(context, task, len(task.pipeline) - 2)
    return _judged(context, after, "approved", DONE)


def _still_good(context: Context, task: Task) -> None:
    """Each earlier sign-off is of this digest, by somebody who still may, and who never contributed."""
    for mark in _review(task).sign_offs:
        agent = context.snapshot.agent(mark.by)
        held = REVIEW in policy.rights(context.project, agent)
        if not held or not policy.matches(task.pipeline[mark.stage], agent) or mark.by in task.contributors:
            refuse("STAGE_OPEN", f"the sign-off of {mark.by} on {task.id} no longer counts",
                   f'opsgit review reject {task.id} --reason "sign-off void"')  # fmt: skip
        if mark.digest != _submission(task).digest:  # doubled: revising voids every sign-off
            refuse("STAGE_OPEN", f"{mark.by} signed another digest of {task.id}", f"opsgit task show {task.id}")


def _all_stands(context: Context, task: Task) -> None:
    """What was said on the branch was judged by the state of then; what is approved stands on it now.

    An end that grants nothing (rejected, withdrawn, cancelled) takes the words as they were given.
    """
    for said in context.snapshot.said():
        lost = lost_by(context.snapshot, said)
        if lost:
            refuse("WORDS_VOID", f"{said.by} {lost} since its {said.op} in the review of {task.id}",
                   f"opsgit review withdraw {task.id}, or review reject, then a new round")  # fmt: skip


def lost_by(snapshot: Snapshot, said: BranchAction) -> str:
    """What somebody has no more of what those words needed; empty when they stand."""
    agent, row = snapshot.agent(said.by), TASK_ROWS.get(said.op)
    needed = {who.right for who in row.who} if row else set()
    if agent.status != "active":
        return "was removed"
    if None not in needed and not needed & policy.rights(snapshot.project, agent):
        return "lost the right to it"
    return "" if said.key in agent.active_keys else "changed keys"


def reject(context: Context, task: Task) -> Task:
    """Send the task back, with the reason."""
    context.need_note(f"rejecting {task.id}")
    if context.request.get("round") != _submission(task).round:
        refuse("STALE", f"{task.id} is in round {_submission(task).round} by now", f"opsgit task show {task.id}")
    known = dict.fromkeys((*task.rejected, _submission(task).digest))
    return _judged(context, replace(task, rejected=tuple(known)), "rejected", REJECTED)


def withdraw(context: Context, task: Task) -> Task:
    """Take the submission back to work on it."""
    return _judged(context, task, "withdrawn", IN_PROGRESS)


def _judged(context: Context, task: Task, outcome: str, status: str) -> Task:
    verdict = Verdict(outcome=outcome, by=context.me, at=context.at, reason=context.request.note or None)
    return replace(task, status=status, review=replace(_review(task), verdict=verdict))


def _review(task: Task) -> Review:
    return task.review or Review(round=_submission(task).round)


def _submission(task: Task) -> Submission:
    if task.submission is None:  # doubled: in review there is one
        refuse("DELIVERABLE_REQUIRED", f"{task.id} was never submitted", f"opsgit task show {task.id}")
    return task.submission
