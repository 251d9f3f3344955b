"""What each operation of the work itself writes into a task: add, assign, claim, release, start, submit, edit ..."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from opsgit.domain import names, policy, text
from opsgit.domain.context import Context
from opsgit.domain.model import Agent, Comment, Progress, Review, Stage, Submission, Task
from opsgit.domain.next_steps import open_dependencies
from opsgit.domain.refusals import refuse
from opsgit.domain.vocabulary import (
    ASSIGNED,
    BACKLOG,
    CANCELLED,
    DONE,
    IN_PROGRESS,
    IN_REVIEW,
    ORCHESTRATE,
    PRIORITIES,
    WORK,
)

CREATOR_EDITS = frozenset({"title", "description", "tags", "priority"})
UNTIL_START = frozenset({"pipeline", "depends_on"})
COMMENTS_MAX = 200


def add(context: Context) -> Task:
    """A new task, in backlog or assigned; refuses a taken id, bad words, and what only an orchestrator may set."""
    get, task_id = context.request.get, names.check_id(context.request.target)
    _unused(context, task_id)
    default = context.project.pipeline or policy.PIPELINE
    stages = _typed(context, get("pipeline") or default)
    if get("assigned") or get("depends_on") or [stage.name for stage in stages] != list(default):
        context.need_right(ORCHESTRATE)
    task = Task(
        id=task_id,
        title=title(context),
        description=_description(context),
        status=BACKLOG,
        priority=priority(get("priority") or "medium"),
        tags=tags(get("tags") or ()),
        pipeline=stages,
        depends_on=_dependencies(context, task_id, get("depends_on") or ()),
        created=context.at,
        created_by=context.me,
    )
    return assigned_to(context, task, str(get("assigned"))) if get("assigned") else task


def _unused(context: Context, task_id: str) -> None:
    taken = context.snapshot.taken(names.task_path(task_id))
    if taken:
        refuse(
            "ID_TAKEN", f"task {taken.removesuffix('.yaml')} exists", f"opsgit task show {taken.removesuffix('.yaml')}"
        )


def _typed(context: Context, stages: Sequence[str]) -> tuple[Stage, ...]:
    return policy.typed_pipeline(context.project, stages, context.snapshot.find_agent)


def title(context: Context) -> str:
    """The title argument, checked: one line, at most 200 bytes."""
    return context.words("title", text.TITLE_MAX, lines=False)


def _description(context: Context) -> str | None:
    return context.words("description") if context.request.get("description") else None


def priority(word: str) -> str:
    """A priority that exists, else `BAD_VALUE`."""
    if word not in PRIORITIES:
        refuse("BAD_VALUE", f"{word!r} is no priority; there are {', '.join(PRIORITIES)}", "--priority high")
    return word


def tags(words: Sequence[str]) -> tuple[str, ...]:
    """Tags, each checked and once."""
    return tuple(dict.fromkeys(text.check(word, "tag", 50, lines=False) for word in words))


def _dependencies(context: Context, task_id: str, ids: Sequence[str]) -> tuple[str, ...]:
    """The ids, each of a task that exists and that does not lead back to this one."""
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
    """The task assigned to an agent that is active, may work and that the first stage means."""
    agent = context.snapshot.agent(name)
    _may_work(context, agent)
    if not policy.matches(task.pipeline[0], agent):
        refuse("NOT_IN_PIPELINE", f"the pipeline of {task.id} begins with {task.pipeline[0].name}, not {name}",
               f"opsgit task assign {task.id} --to {task.pipeline[0].name}")  # fmt: skip
    return contributed(replace(task, status=ASSIGNED, assigned=name, progress=None), name)


def _may_work(context: Context, agent: Agent) -> None:
    if agent.status != "active":
        refuse("AGENT_REMOVED", f"agent {agent.name} was removed", "opsgit agent list")
    if WORK not in policy.rights(context.project, agent):
        refuse("RIGHT_MISSING", f"{agent.name} is {agent.role} and does not work on tasks", "opsgit agent list")


def contributed(task: Task, name: str) -> Task:
    """The task with `name` among its contributors, who may never judge it."""
    known = task.contributors if name in task.contributors else (*task.contributors, name)
    return replace(task, contributors=known)


def assign(context: Context, task: Task) -> Task:
    """Give the task to somebody; from done it is reopened: that needs a reason and voids the approvals."""
    not_deploying(task)
    name = str(context.request.get("to") or "")
    if task.status in (ASSIGNED, IN_PROGRESS) and name == task.assigned:
        refuse("NOTHING_CHANGES", f"{task.id} is assigned to {name} already", f"opsgit task show {task.id}")
    if task.status == DONE:
        context.need_note(f"reopening {task.id}")
        task = replace(task, review=None, deployment=None)
    return assigned_to(context, task, name)


def claim(context: Context, task: Task) -> Task:
    """Take a task from the backlog for oneself."""
    return assigned_to(context, task, context.me)


def release(context: Context, task: Task) -> Task:
    """Back to the backlog, assigned to nobody."""
    return replace(task, status=BACKLOG, assigned=None, progress=None)


def start(context: Context, task: Task) -> Task:
    """Begin; all that it depends on must be done or deployed."""
    unmet = open_dependencies(task.depends_on, lambda other: context.snapshot.task(other).status)
    if unmet:
        named = ", ".join(f"{other}, which is {context.snapshot.task(other).status}" for other in unmet)
        refuse("DEPENDENCY_OPEN", f"{task.id} depends on {named}", f"opsgit task show {unmet[0]}")
    return contributed(replace(task, status=IN_PROGRESS), context.me)


def submit(context: Context, task: Task) -> Task:
    """Hand in a deliverable for review: a new round, with its digest."""
    previous = task.submission
    submission = submitted(context, (previous.round if previous else 0) + 1)
    not_rejected(task, submission)
    after = replace(
        task, status=IN_REVIEW, submission=submission, review=Review(round=submission.round), deployment=None
    )
    return contributed(after, context.me)


def not_rejected(task: Task, submission: Submission) -> None:
    """Refuse with `DELIVERABLE_UNCHANGED` a digest that a review of this task has rejected."""
    if submission.digest in task.rejected:
        refuse("DELIVERABLE_UNCHANGED", f"a review of {task.id} rejected this very digest",
               "change the deliverable, or give the task up: opsgit task release " + task.id)  # fmt: skip


def submitted(context: Context, number: int) -> Submission:
    """The submission that a request describes: where, digest, repository."""
    get = context.request.get
    if not get("deliverable"):
        refuse("DELIVERABLE_REQUIRED", "a review needs a deliverable", "add --output PATH")
    return Submission(
        round=number,
        deliverable=deliverable(context),
        digest=str(get("digest")),
        repository=context.words("repository", 1000, lines=False) if get("repository") else None,
        at=context.at,
    )


def deliverable(context: Context) -> str:
    """Where the deliverable is: relative to the workspace where the project has one."""
    where = context.words("deliverable", 4000, lines=False)
    inside = not where.startswith("/") and ".." not in where.split("/")
    if context.project.workspace and not where.startswith("commit: ") and not inside:
        refuse("DELIVERABLE_OUTSIDE", f"{where} is not inside the workspace", "put it there and submit again")
    return where


def progress(context: Context, task: Task) -> Task:
    """Say how the work goes."""
    note = Progress(note=context.words("text", text.COMMENT_MAX), at=context.at)
    return contributed(replace(task, progress=note), context.me)


def comment(context: Context, task: Task) -> Task:
    """Append a remark."""
    return replace(task, comments=appended(context, task.comments))


def appended(context: Context, comments: tuple[Comment, ...]) -> tuple[Comment, ...]:
    """The comments with the request's text as the actor's remark behind them."""
    if len(comments) >= COMMENTS_MAX:
        refuse(
            "COMMENTS_FULL",
            f"there are {COMMENTS_MAX} comments already",
            f"an orchestrator, when it is not in review: opsgit task trim {context.request.target} --keep 50",
        )
    return (*comments, Comment(by=context.me, at=context.at, text=context.words("text", text.COMMENT_MAX)))


def trim(context: Context, task: Task) -> Task:
    """Keep only the newest comments; history keeps them all."""
    keep = int(context.request.get("keep") or 0)
    if keep >= len(task.comments):
        refuse("NOTHING_CHANGES", f"{task.id} has {len(task.comments)} comments", f"opsgit task show {task.id}")
    return replace(task, comments=task.comments[len(task.comments) - keep :])


def edit(context: Context, task: Task) -> Task:
    """Change what describes the task; pipeline and depends_on only until it is started."""
    changes = context.request.fields
    creator_only = ORCHESTRATE not in context.rights
    if creator_only and not set(changes) <= CREATOR_EDITS:
        refuse("RIGHT_MISSING", "the creator may edit title, description, tags and priority", "ask an orchestrator")
    if UNTIL_START & set(changes) and task.status not in (BACKLOG, ASSIGNED):
        refuse("ILLEGAL_TRANSITION", f"pipeline and depends_on are fixed once {task.id} was started",
               f'opsgit task release {task.id}')  # fmt: skip
    after = replace(task, **{name: _edited(context, task, name) for name in changes})
    if after == task:  # who edits becomes a contributor, but not for nothing
        refuse("NOTHING_CHANGES", f"{task.id} is like that already", f"opsgit task show {task.id}")
    if after.assigned and not policy.matches(after.pipeline[0], context.snapshot.agent(after.assigned)):
        refuse("NOT_IN_PIPELINE", f"{after.assigned} has the task, and the new pipeline begins with "
               f"{after.pipeline[0].name}", f"opsgit task release {task.id}")  # fmt: skip
    return contributed(after, context.me)


def _edited(context: Context, task: Task, name: str) -> Any:
    value = context.request.get(name)
    if name == "title":
        return title(context)
    if name == "description":
        return _description(context)
    if name == "priority":
        return priority(str(value))
    if name == "tags":
        return tags(value)
    if name == "pipeline":
        return _typed(context, value)
    if name == "depends_on":
        return _dependencies(context, task.id, value)
    refuse("BAD_VALUE", f"{name} is not edited by task.edit", "opsgit task edit --help", name)


def cancel(context: Context, task: Task) -> Task:
    """Give the task up."""
    not_deploying(task)
    return replace(task, status=CANCELLED)


def not_deploying(task: Task) -> None:
    """Refuse with `DEPLOY_RUNNING` while somebody deploys the task."""
    if task.deployment and task.deployment.state == "started":
        refuse("DEPLOY_RUNNING", f"{task.deployment.by} is deploying {task.id}",
               f"wait, or as an orchestrator: opsgit deploy abandon {task.id}")  # fmt: skip
