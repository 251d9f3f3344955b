"""Tasks and reviews in the API."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Unpack

from opsgit.api.calls import Calls
from opsgit.api.results import How, Result, frozen
from opsgit.domain.model import Task
from opsgit.domain.records import from_record
from opsgit.domain.refusals import refuse
from opsgit.domain.vocabulary import PRIORITIES, STATUSES
from opsgit.operations import (
    deliverables,
    deployments,
    diffs,
    moves,
    queries,
    review_page,
    reviews,
    rounds,
    tasks,
    work,
)
from opsgit.operations.deliverables import Given
from opsgit.operations.next_steps import next_steps
from opsgit.operations.publication import act
from opsgit.operations.queries import Query
from opsgit.operations.session import Session

__all__ = ["Reviews", "Tasks"]


class Tasks:
    """The operations of `opsgit task`. Each raises `Refused` where the command is refused."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def add(
        self,
        title: str,
        *,
        id: str | None = None,
        description: str | None = None,
        priority: str | None = None,
        tags: Sequence[str] | None = None,
        pipeline: str | None = None,
        assign: str | None = None,
        depends_on: Sequence[str] | None = None,
        **how: Unpack[How],
    ) -> Result:
        """Add a task.

        :param id: its id; None takes the next number. `Result.target` is the id.
        :param pipeline: stages, such as `dev→qa→deploy`.
        :param assign: the agent that gets it at once.
        """
        plain = {"description": description, "priority": priority, "pipeline": pipeline, "assigned": assign}
        fields: dict[str, Any] = {**plain, "tags": _tuple(tags), "depends_on": _tuple(depends_on)}
        return self._calls.write(lambda s: tasks.add(s, id, title, **fields), **how)

    def assign(self, task: str, to: str, **how: Unpack[How]) -> Result:
        """Assign a task to an agent."""
        return self._act("task.assign", task, how, to=to)

    def claim(self, task: str, *, lease: str | None = None, **how: Unpack[How]) -> Result:
        """Claim a task from the backlog, perhaps with a lease such as `2h`."""
        return self._act("task.claim", task, how, lease=lease)

    def start(self, task: str, **how: Unpack[How]) -> Result:
        """Start to work on a task."""
        return self._act("task.start", task, how)

    def progress(self, task: str, text: str, **how: Unpack[How]) -> Result:
        """Record how the work goes."""
        return self._act("task.progress", task, how, text=text)

    def submit(
        self,
        task: str,
        output: Path | str,
        *,
        repository: Path | str | None = None,
        attach: bool | None = None,
        **how: Unpack[How],
    ) -> Result:
        """Submit a deliverable for review.

        :param output: a file or folder, or `commit: ID`.
        :param repository: the repository of a commit.
        :param attach: store the files, or only their digest; None: as the policy says.
        """
        given = Given(str(output), str(repository) if repository else None, attach)
        return self._calls.write(lambda s: tasks.submit(s, task, given), **how)

    def edit(
        self,
        task: str,
        *,
        title: str | None = None,
        description: str | None = None,
        priority: str | None = None,
        tags: Sequence[str] | None = None,
        pipeline: str | None = None,
        depends_on: Sequence[str] | None = None,
        **how: Unpack[How],
    ) -> Result:
        """Change what describes a task; what is None stays."""
        from opsgit.domain.policy import split_pipeline

        return self._act("task.edit", task, how, title=title, description=description, priority=priority,
                         tags=_tuple(tags), depends_on=_tuple(depends_on),
                         pipeline=split_pipeline(pipeline) if pipeline else None)  # fmt: skip

    def comment(self, task: str, text: str, **how: Unpack[How]) -> Result:
        """Comment on a task; while it is in review, on its review branch."""
        return self._calls.write(lambda s: tasks.comment(s, task, text), **how)

    def trim(self, task: str, keep: int, **how: Unpack[How]) -> Result:
        """Remove all but the newest comments from a task's file."""
        return self._act("task.trim", task, how, keep=keep)

    def release(self, task: str, **how: Unpack[How]) -> Result:
        """Put a task back into the backlog."""
        return self._act("task.release", task, how)

    def cancel(self, task: str, **how: Unpack[How]) -> Result:
        """Cancel a task."""
        return self._act("task.cancel", task, how)

    def move(self, task: str, to: str, **given: Any) -> Result:
        """Take a task to a status; every gate applies.

        :param given: the options of `opsgit task move` with `_` for `-`, and `note`, `op_id`, `dry_run`.
        """
        how: How = {key: given.pop(key) for key in ("note", "op_id", "dry_run") if key in given}  # type: ignore[assignment]
        odd = set(given) - set(MOVES)
        if odd:
            refuse("UNKNOWN_FIELD", f"a move takes no {min(odd)!r}; there are {', '.join(MOVES)}", "opsgit help api")
        options = {**dict.fromkeys(MOVES), **given}
        return self._calls.write(lambda s: moves.move(s, task, to, **options), **how)

    def deploy(
        self, task: str, *, ref: str | None = None, deliverable: Path | str | None = None, **how: Unpack[How]
    ) -> Result:
        """Deploy a task that is done, with the policy's command.

        :param ref: what is deployed, such as a tag.
        :param deliverable: a copy of the deliverable on this machine.
        """
        local = str(deliverable) if deliverable else None
        return self._calls.write(lambda s: deployments.deploy(s, task, ref, local), **how)

    def rollback(self, task: str, *, alert: str | None = None, **how: Unpack[How]) -> Result:
        """Roll a deployed task back; an observer names an alert."""
        return self._calls.write(lambda s: deployments.rollback(s, task, alert), **how)

    def list(
        self,
        *,
        status: Sequence[str] = (),
        all: bool = False,
        priority: Sequence[str] = (),
        tag: Sequence[str] = (),
        assigned: str | None = None,
        waiting_for: str | None = None,
        blocked: bool = False,
        text: str | None = None,
        updated_since: str | None = None,
        sort: str = "need",
        limit: int | None = None,
    ) -> tuple[Task, ...]:
        """Return the tasks that match, the most urgent first; without `status` and `all` the open ones.

        The arguments are the options of `opsgit task list`.
        """
        if sort not in queries.SORTS:
            raise ValueError(f"sort is one of {', '.join(queries.SORTS)}, not {sort!r}")
        lists = [_tuple(one) or () for one in (status, priority, tag)]
        for given, known in ((lists[0], STATUSES), (lists[1], PRIORITIES)):
            if odd := set(given) - set(known):
                raise ValueError(f"{min(odd)!r} is none of {', '.join(known)}")
        asked = Query(
            lists[0], all, lists[1], lists[2], assigned, waiting_for, blocked, text, updated_since, sort, limit
        )
        found = self._calls.read(lambda s: queries.tasks(s, asked))
        return tuple(from_record(Task, record) for record in found.tasks)

    def show(self, task: str) -> Task:
        """Return a task as it is now; while it is in review, as its review branch has it."""
        return self._calls.read(lambda s: from_record(Task, queries.task(s, task)))

    def history(self, task: str | None = None, limit: int | None = None) -> tuple[Any, ...]:
        """Return the operations on a task, or all, oldest first, as read-only mappings."""
        return tuple(map(frozen, self._calls.read(lambda s: queries.history(s, task, limit))))

    def next(self, limit: int = 20) -> tuple[Any, ...]:
        """Return what the actor should do now: read-only mappings with task, do, command and others."""

        def ask(session: Session) -> Any:
            return next_steps(session, self._named(), limit)

        return tuple(map(frozen, self._calls.read(ask)))

    def take(self, *, lease: str | None = None, **how: Unpack[How]) -> work.Work | None:
        """Put the actor's next task in progress, and return it with all that it needs; None if there is none."""
        found: list[work.Work | None] = []

        def perform(session: Session) -> Any:
            found.append(work.take(session, self._named(), lease))
            return found[0].written if found[0] else []

        self._calls.write(perform, **how)
        return found[0]

    def _named(self) -> str:
        if self._calls.actor is None:
            refuse("IDENTITY_REQUIRED", "who acts?", "opsgit.open(path, actor=NAME)")
        return self._calls.actor

    def _act(self, op: str, task: str, how: How, **fields: Any) -> Result:
        return self._calls.write(lambda s: act(s, op, task, **fields), **how)


MOVES = ("output", "repository", "attach", "deploy_ref", "deliverable", "alert", "assignee")


def _tuple(given: Sequence[str] | None) -> tuple[str, ...] | None:
    if isinstance(given, str):
        raise TypeError(f"a list of texts is wanted, not the text {given!r}")
    return None if given is None else tuple(given)


class Reviews:
    """The operations of `opsgit review`. Each raises `Refused` where the command is refused."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def list(self) -> tuple[Any, ...]:
        """Return the open reviews as read-only mappings."""
        return tuple(map(frozen, self._calls.read(review_page.listed, fetch=True)))

    def show(self, task: str) -> Any:
        """Return one review as a whole, as a read-only mapping, and remember that the actor has seen it."""
        return frozen(self._calls.read(lambda s: review_page.shown(s, task), fetch=True))

    def rounds(self, task: str) -> tuple[rounds.Round, ...]:
        """Return all rounds of a task's review with their words, the oldest first."""
        return tuple(self._calls.read(lambda s: rounds.rounds(s, task)))

    def diff(self, task: str, *, versions: str | None = None, repository: Path | str | None = None) -> tuple[str, ...]:
        """Return the lines of the difference between two versions.

        :param versions: `1..2`, or one version; None: the newest against the one before.
        """
        place = str(repository) if repository else None
        return tuple(self._calls.read(lambda s: diffs.look(s, task, versions, place, False), fetch=True).lines)

    def checkout(self, task: str, folder: Path | str, *, version: str | None = None) -> str:
        """Write the attached files of a submission into a new folder, and return their digest."""
        return self._calls.read(lambda s: diffs.checkout(s, task, Path(folder), version), fetch=True).digest

    def comment(
        self,
        task: str,
        text: str,
        *,
        at: str | None = None,
        reply_to: str | None = None,
        blocking: bool = False,
        **how: Unpack[How],
    ) -> Result:
        """Comment on a review: in general, at a `file:line`, or in a thread."""
        fields = {"text": text, "answers": reply_to, "blocking": blocking or None}
        return self._calls.write(lambda s: reviews.comment(s, task, at, **fields), **how)

    def resolve(self, task: str, thread: str, **how: Unpack[How]) -> Result:
        """Resolve a thread."""
        return self._calls.write(lambda s: act(s, "review.resolve", task, thread=thread), **how)

    def check(
        self,
        task: str,
        name: str,
        status: str,
        *,
        url: str | None = None,
        deliverable: Path | str | None = None,
        **how: Unpack[How],
    ) -> Result:
        """Report the result of a check, `pass` or `fail`, of the version that is in review."""
        local = str(deliverable) if deliverable else None
        return self._calls.write(lambda s: reviews.check(s, task, name, status, url, local), **how)

    def revise(
        self,
        task: str,
        output: Path | str,
        *,
        repository: Path | str | None = None,
        attach: bool | None = None,
        **how: Unpack[How],
    ) -> Result:
        """Submit another version within the same round."""
        given = deliverables.Given(str(output), str(repository) if repository else None, attach)
        return self._calls.write(lambda s: reviews.revise(s, task, given), **how)

    def withdraw(self, task: str, **how: Unpack[How]) -> Result:
        """Withdraw a submission."""
        return self._calls.write(lambda s: act(s, "review.withdraw", task), **how)

    def sign_off(self, task: str, *, deliverable: Path | str | None = None, **how: Unpack[How]) -> Result:
        """Sign off a review stage before the last."""
        return self._verdict("review.sign-off", task, deliverable, how)

    def approve(self, task: str, *, deliverable: Path | str | None = None, **how: Unpack[How]) -> Result:
        """Approve a review as its last stage."""
        return self._verdict("review.approve", task, deliverable, how)

    def reject(self, task: str, reason: str, **how: Unpack[How]) -> Result:
        """Reject a review."""
        return self._verdict("review.reject", task, None, {**how, "note": reason})

    def _verdict(self, op: str, task: str, deliverable: Path | str | None, how: How) -> Result:
        local = str(deliverable) if deliverable else None
        return self._calls.write(lambda s: reviews.verdict(s, op, task, local), **how)
