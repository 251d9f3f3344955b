"""The effects of operations on the work of a task. Permissions and gates are in the catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from opsgit.domain import leases, policy, standing, text
from opsgit.domain.context import Context
from opsgit.domain.model import Agent, Comment, Progress, Remark, Review, Stage, Submission, Task
from opsgit.domain.refusals import refuse
from opsgit.domain.vocabulary import ASSIGNED, BACKLOG, DONE, PRIORITIES, WORK


def add(context: Context, _: None) -> Task:
    """Return a new task, in the backlog or assigned.

    :raises Refused: `BAD_TEXT`, `BAD_VALUE`, `BAD_PIPELINE`, `DEPENDENCY_CYCLE`; `BAD_ID` or `NOT_FOUND` for a
        dependency; the codes of `assigned_to`.
    """
    get, task_id = context.request.get, context.request.target
    task = Task(
        id=task_id,
        title=_title(context),
        description=_description(context),
        status=BACKLOG,
        priority=_priority(get("priority") or "medium"),
        tags=_tags(get("tags") or ()),
        pipeline=_typed(context, get("pipeline") or context.project.pipeline or policy.PIPELINE),
        depends_on=_dependencies(context, task_id, get("depends_on") or ()),
        created=context.at,
        created_by=context.me,
    )
    return assigned_to(context, task, str(get("assigned"))) if get("assigned") else task


def added_as(context: Context, _: None) -> str:
    """Return the status of a new task."""
    return ASSIGNED if context.request.get("assigned") else BACKLOG


def _typed(context: Context, stages: Sequence[str]) -> tuple[Stage, ...]:
    return policy.typed_pipeline(context.project, stages, context.snapshot.find_agent)


def _title(context: Context) -> str:
    return context.words("title", text.TITLE_MAX, lines=False)


def _description(context: Context) -> str | None:
    return context.words("description") if context.request.get("description") else None


def _priority(word: str) -> str:
    """Return a known priority, or refuse with `BAD_VALUE`."""
    if word not in PRIORITIES:
        refuse("BAD_VALUE", f"{word!r} is no priority; there are {', '.join(PRIORITIES)}", "--priority high")
    return word


def _tags(words: Sequence[str]) -> tuple[str, ...]:
    """Return the tags, checked and without duplicates."""
    return tuple(dict.fromkeys(text.check(word, "tag", 50, lines=False) for word in words))


def _dependencies(context: Context, task_id: str, ids: Sequence[str]) -> tuple[str, ...]:
    """Return the ids without duplicates; each task must exist, and none may depend on this task."""
    for other in ids:
        context.snapshot.task(other)
    seen, ahead = set(), list(ids)
    while ahead:
        here = ahead.pop()
        if here == task_id:
            refuse("DEPENDENCY_CYCLE", f"{task_id} would depend on itself", f"opsgit task show {ids[0]}", "depends_on")
        if here not in seen:
            seen.add(here)
            ahead += context.snapshot.task(here).depends_on
    return tuple(dict.fromkeys(ids))


def assigned_to(context: Context, task: Task, name: str) -> Task:
    """Return the task, assigned to an active agent that has the right to work and fits the first stage.

    :raises Refused: `BAD_NAME`, `NOT_FOUND`, `AGENT_REMOVED`, `RIGHT_MISSING`, `NOT_IN_PIPELINE`.
    """
    agent = context.snapshot.agent(name)
    _may_work(context, agent)
    if not policy.matches(task.pipeline[0], agent):
        refuse("NOT_IN_PIPELINE", f"the pipeline of {task.id} begins with {task.pipeline[0].name}, not {name}",
               f"opsgit task assign {task.id} --to {task.pipeline[0].name}")  # fmt: skip
    return contributed(replace(task, assigned=name, lease=None, progress=None), name)


def _may_work(context: Context, agent: Agent) -> None:
    if agent.status != "active":
        refuse("AGENT_REMOVED", f"agent {agent.name} was removed", "opsgit agent list")
    if WORK not in policy.rights(context.project, agent):
        refuse("RIGHT_MISSING", f"{agent.name} is {agent.role} and does not work on tasks", "opsgit agent list")


def contributed(task: Task, name: str) -> Task:
    """Return the task with `name` among its contributors. A contributor may never review the task."""
    known = task.contributors if name in task.contributors else (*task.contributors, name)
    return replace(task, contributors=known)


def assign(context: Context, task: Task) -> Task:
    """Assign the task to an agent. A done task is reopened: its review and its deployment are dropped from the record.

    :raises Refused: the codes of `assigned_to`.
    """
    if task.status == DONE:
        task = replace(task, review=None, deployment=None)
    return assigned_to(context, task, str(context.request.get("to")))


def claim(context: Context, task: Task) -> Task:
    """Assign a task to the actor, with a lease if the request or the project says so.

    :raises Refused: the codes of `assigned_to` and `leases.granted`.
    """
    return replace(assigned_to(context, task, context.me), lease=leases.granted(context))


def release(_: Context, task: Task) -> Task:
    """Remove the assignee; the task returns to the backlog."""
    return replace(task, assigned=None, lease=None, progress=None)


def start(_: Context, task: Task) -> Task:
    """Start work. Nothing but the status changes: the assignee became a contributor when it was assigned."""
    return task


def submit(context: Context, task: Task) -> Task:
    """Submit a deliverable for review: this begins a new round.

    :raises Refused: `BAD_TEXT`, `DELIVERABLE_OUTSIDE`.
    """
    submission = submitted(context, (task.submission.round if task.submission else 0) + 1)
    review = Review(round=submission.round, comments=_objections(context, task))
    return replace(task, submission=submission, review=review, deployment=None)


def _objections(context: Context, task: Task) -> tuple[Remark, ...]:
    """Return the open blocking threads of the latest review, with their answers: they go on in the next round.

    A thread is open, too, if the agent that resolved it could not do so any more, or may have lost its key.
    """
    said = task.review.comments if task.review else ()
    open_ones = {one.id for one in said if one.blocking and not _is_over(context, one)}
    return tuple(replace(one, resolved=None) for one in said if one.thread in open_ones)


def _is_over(context: Context, thread: Remark) -> bool:
    settled = standing.is_settled(context.snapshot, thread)
    return settled and not standing.suspected(context.snapshot, [thread.resolved.by] if thread.resolved else [])


def submitted(context: Context, number: int, revision: int | None = None) -> Submission:
    """Return the submission that a request describes.

    :param number: the round, from 1.
    :param revision: the number of the revision within the round, from 1; None for the first version.
    :raises Refused: `BAD_TEXT`; `DELIVERABLE_OUTSIDE` when the project has a workspace and the path is not inside it;
        `BAD_VALUE` when the digest is of something else.
    """
    get = context.request.get
    submission = Submission(
        round=number,
        revision=revision,
        deliverable=_deliverable(context),
        digest=context.words("digest", 200, lines=False),
        repository=context.words("repository", 1000, lines=False) if get("repository") else None,
        at=context.at,
    )
    _of_one_thing(submission)
    return submission


def _of_one_thing(submission: Submission) -> None:
    """Refuse a submission whose parts name different things: what a reviewer is shown must be what is deployed."""
    commit = submission.digest.removeprefix("git:")
    if commit == submission.digest:
        fits = submission.repository is None and not submission.deliverable.startswith("commit:")
    else:
        fits = submission.repository is not None and submission.deliverable == f"commit: {commit}"
    if not fits:
        refuse("BAD_VALUE", f"the digest {submission.digest} is not of {submission.deliverable}",
               "opsgit task submit --help", "digest")  # fmt: skip


def _deliverable(context: Context) -> str:
    """Return the deliverable: a path, relative to the workspace if the project has one, or `commit: <id>`."""
    where = context.words("deliverable", 4000, lines=False)
    inside = not where.startswith("/") and ".." not in where.split("/")
    if context.project.workspace and not inside:
        refuse("DELIVERABLE_OUTSIDE", f"{where} is not inside the workspace", "put it there and submit again")
    return where


def progress(context: Context, task: Task) -> Task:
    """Replace the progress note.

    :raises Refused: `BAD_TEXT`.
    """
    note = Progress(note=context.words("text", text.COMMENT_MAX), at=context.at)
    return replace(task, progress=note)


def comment(context: Context, task: Task) -> Task:
    """Add a comment.

    :raises Refused: `BAD_TEXT`.
    """
    return replace(task, comments=(*task.comments, remark(context)))


def remark(context: Context) -> Comment:
    """Return the request's text as a comment by the actor.

    :raises Refused: `BAD_TEXT`.
    """
    return Comment(by=context.me, at=context.at, text=context.words("text", text.COMMENT_MAX))


def trim(context: Context, task: Task) -> Task:
    """Keep only the newest comments of the task and of its latest review; the git history still has all of them."""
    keep = int(context.request.get("keep") or 0)
    review = task.review and replace(task.review, comments=_but_objections(task.review.comments, keep))
    return replace(task, comments=_newest(task.comments, keep), review=review)


def _but_objections(comments: tuple[Remark, ...], keep: int) -> tuple[Remark, ...]:
    """Return the newest comments of a review, and all that begin a blocking thread that is open."""
    stay = {one.id for one in comments if one.blocks}
    rest = [one.id for one in comments if one.id not in stay]
    stay.update(rest[max(0, len(rest) - max(0, keep - len(stay))) :])
    return tuple(one for one in comments if one.id in stay)


def _newest(comments: tuple[Comment, ...], keep: int) -> tuple[Comment, ...]:
    return comments[max(0, len(comments) - keep) :]


def edit(context: Context, task: Task) -> Task:
    """Change title, description, priority, tags, pipeline or dependencies. The editor becomes a contributor.

    :raises Refused: `NOTHING_CHANGES`; `NOT_IN_PIPELINE` when the assignee does not fit the new first stage; the codes
        of `add` for each field.
    """
    after = replace(task, **{name: _edited(context, task, name) for name in context.request.fields})
    if after == task:
        refuse("NOTHING_CHANGES", f"{task.id} is like that already", f"opsgit task show {task.id}")
    if after.assigned and not policy.matches(after.pipeline[0], context.snapshot.agent(after.assigned)):
        refuse("NOT_IN_PIPELINE", f"{after.assigned} has the task, and the new pipeline begins with "
               f"{after.pipeline[0].name}", f"opsgit task release {task.id}")  # fmt: skip
    return contributed(after, context.me)


def _edited(context: Context, task: Task, name: str) -> Any:
    value = context.request.get(name)
    if name == "title":
        return _title(context)
    if name == "description":
        return _description(context)
    if name == "priority":
        return _priority(str(value))
    if name == "tags":
        return _tags(value or ())
    if name == "pipeline":
        return _typed(context, value or ())
    return _dependencies(context, task.id, value or ())


def cancel(_: Context, task: Task) -> Task:
    """Return the task as it is: cancelling changes only the status."""
    return task
