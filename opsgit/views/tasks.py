"""Tasks as text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from opsgit.domain.model import Task
from opsgit.domain.records import Record, from_record
from opsgit.views import reviews, terminal


def page(record: Record, blocked: Sequence[str] = (), rounds: Sequence[Record] = ()) -> Iterator[str]:
    """Yield the lines that describe one task in full.

    :param record: the task's record.
    :param blocked: the ids of the tasks that block it.
    :param rounds: the rounds of its review: number, submission, review and ended of each.
    """
    task = from_record(Task, record)
    yield f"{task.id}  {task.title}"
    yield f"status: {task.status}   priority: {task.priority}   assigned: {task.assigned or 'nobody'}"
    yield f"pipeline: {' → '.join(stage.name for stage in task.pipeline)}"
    for name, words in (("tags", task.tags), ("depends on", task.depends_on), ("contributors", task.contributors)):
        if words:
            yield f"{name}: {', '.join(words)}"
    if blocked:
        yield f"blocked by: {', '.join(blocked)}"
    yield f"created: {task.created} by {task.created_by}"
    if task.imported:
        yield f"imported (unproven): was {task.imported.status}, with {len(task.imported.history)} entries of history"
    yield from _work(task)
    if task.description:
        yield from ("", *terminal.quoted(task.description))
    for comment in task.comments:
        yield from ("", f"{comment.by}, {comment.at}:", *terminal.quoted(comment.text))
    for one in rounds:
        yield from ("", *reviews.round_(one))


def work(
    record: Record, rounds: Sequence[Record], dependencies: Sequence[Record], deliverable: Mapping[str, str]
) -> Iterator[str]:
    """Yield the lines that describe a task to the agent that works on it.

    :param dependencies: id, title, status, and where they are known deliverable and command, of each dependency.
    :param deliverable: the command that submits it, and the workspace if there is one.
    """
    yield from page(record, (), rounds)
    for one in dependencies:
        yield ""
        place = one.get("deliverable", "nothing submitted")
        yield f"depends on {one['id']}  {one['title']}  ({one['status']}): {place}"
        if "command" in one:
            yield f"  its files: {one['command']}"
    yield ""
    if "workspace" in deliverable:
        yield f"the deliverable must lie in {deliverable['workspace']}"
    yield f"when it is done: {deliverable['command']}"


def _work(task: Task) -> Iterator[str]:
    if task.progress:
        yield f"progress: {task.progress.note}  ({task.progress.at})"
    if task.submission:
        place = f"  in {task.submission.repository}" if task.submission.repository else ""
        yield f"round {task.submission.version}: {task.submission.deliverable}{place}  {task.submission.digest}"
    for mark in task.review.sign_offs if task.review else ():
        yield f"signed off: stage {mark.stage} by {mark.by}  {mark.at}"
    if task.review and task.review.verdict:
        verdict = task.review.verdict
        yield f"{verdict.outcome} by {verdict.by}" + (f": {verdict.reason}" if verdict.reason else "")
    if task.deployment:
        deployed = task.deployment
        by, how = deployed.by, deployed.evidence or "running"
        if deployed.rollback:
            by, how = deployed.rollback.by, f"{deployed.rollback.evidence}; deployed by {deployed.by}"
        yield f"deployment: {deployed.state} by {by}  {deployed.ref or ''}  ({how})"
