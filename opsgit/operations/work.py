"""`task next --claim`: put an agent's next task in progress, and return all that the agent needs to work on it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from opsgit.domain import names
from opsgit.domain.decide import may
from opsgit.domain.model import Task
from opsgit.domain.next_steps import steps
from opsgit.domain.records import Record, from_record
from opsgit.domain.request import Request, Snapshot
from opsgit.domain.rules import in_force
from opsgit.domain.vocabulary import ASSIGNED, BACKLOG, IN_PROGRESS, REJECTED
from opsgit.operations import rounds
from opsgit.operations.batch import refuse_in_batch
from opsgit.operations.publication import perform, publish
from opsgit.operations.queries import SORTS, among, blocked, first_then_all
from opsgit.operations.session import Session
from opsgit.operations.transactions import Transaction, Written


class Work(NamedTuple):
    """A task in progress with what its assignee needs.

    `rounds` are those of its reviews, oldest first. `dependencies` has id, title, status and, where they were
    submitted, deliverable, repository, digest and the command that writes the files out. `deliverable` says where it
    must lie and which command submits it. `written` are the operations that put the task in progress: none if it was.
    """

    task: Record
    rounds: Sequence[Record]
    dependencies: Sequence[Record]
    deliverable: dict[str, Any]
    written: list[Written]


def take(session: Session, name: str, lease: str | None = None) -> Work | None:
    """Put the next task of an agent in progress, in one step.

    A task that the agent has in progress comes first, then one that is assigned to it or was rejected, then one that it
    may claim; among these the most urgent. Who loses a race for a claim takes the next task.

    :param name: the agent's name.
    :param lease: a duration for a claim, such as `2h`; None: as the policy says.
    :returns: None if there is no task that the agent could work on now.
    :raises Refused: `NOT_FOUND` if there is no such agent; `BATCH_OPEN` in a batch; as `publish`.
    """
    refuse_in_batch(session, "which task is next is decided when it is taken")
    session.refuse_op_id()
    session.look().agent(name)
    note = session.note

    def work(transaction: Transaction) -> str | None:
        found = _next(session, transaction.snapshot(), name, transaction.now())
        if found is None:
            return None
        task_id, ops = found
        for op in ops:
            fields = {"lease": lease} if lease and op == "task.claim" else {}
            perform(session, transaction, Request(op, name, task_id, fields, note))
        written[:] = transaction.written
        return task_id

    written: list[Written] = []
    task_id = publish(session, work)
    return _described(session, task_id, written) if task_id else None


def _next(session: Session, snapshot: Snapshot, name: str, now: int) -> tuple[str, tuple[str, ...]] | None:
    """Return the id of the agent's next task and the operations that put it in progress."""
    held = next(_free(session, "assigned = ?", (name,), (IN_PROGRESS,)), None)
    if held:
        return held.id, ()
    for task in _free(session, "assigned = ?", (name,), (REJECTED, ASSIGNED)):
        if may(snapshot, "task.start", name, task.id, now) is None:
            return task.id, ("task.start",)
    for task in _claimable(session, snapshot, name, now):
        return task.id, ("task.claim", *(() if task.status == IN_PROGRESS else ("task.start",)))
    return None


def _claimable(session: Session, snapshot: Snapshot, name: str, now: int) -> Iterator[Task]:
    """Yield tasks that the agent may claim: from the backlog, then those of agents whose lease ran out."""
    agent, book = snapshot.agent(name), in_force(snapshot.project)
    for task in _free(session, "assigned IS NULL", (), (BACKLOG,)):
        if any(step.op == "task.claim" for step in steps(snapshot, book, agent, task, now)):
            yield task
    for task in _free(session, "json_extract(record, '$.lease') IS NOT NULL", (), (IN_PROGRESS, ASSIGNED)):
        if task.pipeline[0].name in (name, agent.role) and may(snapshot, "task.claim", name, task.id, now) is None:
            yield task


def _free(session: Session, where: str, values: tuple[str, ...], statuses: tuple[str, ...]) -> Iterator[Task]:
    """Yield the tasks of a condition and of some statuses that no dependency blocks, the most urgent first."""
    index = session.index()
    fits, given = among("status", statuses)
    for record in first_then_all(index, f"kind = 'task' AND {where} AND {fits}", (*values, *given), SORTS["priority"]):
        if not blocked(index, record):
            yield from_record(Task, record)


def _described(session: Session, task_id: str, written: list[Written]) -> Work:
    snapshot = session.look()
    made = written[-1].change.edits[0].record if written else None
    task = made or snapshot.record(names.task_path(task_id)) or {}
    inputs = [_input(session, snapshot.task(one)) for one in task.get("depends_on", ())]
    told = [one._asdict() for one in rounds.rounds(session, task_id)]
    return Work(dict(task), told, inputs, _expected(snapshot, task_id), written)


def _input(session: Session, task: Task) -> dict[str, Any]:
    told: dict[str, Any] = {"id": task.id, "title": task.title, "status": task.status}
    if task.submission:
        found = {"deliverable": task.submission.deliverable, "repository": task.submission.repository}
        told |= {name: value for name, value in found.items() if value}
        told["digest"] = task.submission.digest
        if session.repository.git.ref(names.attachment_ref(task.id, task.submission.version)):
            told["command"] = f"opsgit review checkout {task.id} DIR"
    return told


def _expected(snapshot: Snapshot, task_id: str) -> dict[str, Any]:
    """Return where the deliverable must lie, if the policy says so, and the command that submits it."""
    submit = in_force(snapshot.project).operation("task.submit")
    place = {"workspace": snapshot.project.workspace} if snapshot.project.workspace else {}
    return {**place, "command": submit.command.format(id=task_id)}
