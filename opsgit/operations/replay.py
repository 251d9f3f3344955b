"""The replay of operations that were made offline, on the ledger that others have written meanwhile."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from opsgit.domain import message, names, text, times
from opsgit.domain.refusals import Refused
from opsgit.domain.request import Change, Request
from opsgit.operations import numbers, update
from opsgit.operations.transactions import Transaction, Written
from opsgit.storage.objects import Commit, parse_commit
from opsgit.storage.remote import tracked
from opsgit.verification.replay import Judge

PUBLISHED, DROPPED, WAITING, LANDED, LOST = "published", "dropped", "waiting", "landed", "not taken"
BAD = (DROPPED, WAITING, LOST)


class Fate(NamedTuple):
    """What became of one operation: its old commit (hex id), subject, agent, fate, reason, and its new commit."""

    was: str
    subject: str
    by: str
    fate: str
    why: str = ""
    commit: str = ""


@dataclass(eq=False, repr=False)
class Replay:
    """One replay of local operations on the remote's ledger.

    `there` holds id and agent of the operations that the remote has and this clone lacks. `dropped` holds the files of
    operations that were dropped. `ids` maps ids of new tasks to others, where the number was taken meanwhile.
    """

    transaction: Transaction
    judge: Judge
    there: set[tuple[str, str]]
    dropped: set[str] = field(default_factory=set)
    ids: dict[str, str] = field(default_factory=dict)

    def all(self, mine: Iterable[dict[str, Any]]) -> list[Fate]:
        """Decide each operation anew, in order."""
        return [self._one(one) for one in mine]

    def _one(self, one: dict[str, Any]) -> Fate:
        told = Fate(one["commit"], one["subject"], one["by"], DROPPED)
        commit = parse_commit(self.transaction.objects.need(one["commit"], "commit").content)
        said = message.parse(commit.message)
        if (said.id, commit.name) in self.there:
            return told._replace(fate=LANDED, why="the remote has it already")
        try:
            change = self.judge.judge(one["commit"])
            blocked = self._blocked(told, change, commit)
            if blocked:
                return blocked
            made = self._perform(change, commit)
        except Refused as refused:
            self.dropped |= {path for path, _ in said.files}
            return told._replace(why=f"{refused.refusal.code}: {refused.refusal.message}")
        new = made.change.request.target
        why = "" if new == change.request.target else f"as {new}: {change.request.target} was taken meanwhile"
        return told._replace(fate=PUBLISHED, commit=made.id, why=why)

    def _blocked(self, told: Fate, change: Change, commit: Commit) -> Fate | None:
        """Return the fate of an operation that is not tried: it rests on a dropped one, or is an unseeing verdict."""
        path, task_id = change.edits[0].path, change.request.target
        if change.is_transition and path in self.dropped:
            return told._replace(why="it rests on an operation that was dropped")
        git = self.transaction.repository.git
        now = git.ref(tracked(names.review_ref(task_id))) if len(commit.parents) > 1 else None
        if now is None or update.is_ancestor(git, now, commit.parents[1]):
            return None
        self.dropped.add(path)
        why = f"the review of {task_id} has new words: opsgit task show {task_id}, then decide again"
        return told._replace(fate=WAITING, why=why)

    def _perform(self, change: Change, commit: Commit) -> Written:
        request = replace(self._renamed(change.request), note=_note(change, commit.time))
        try:
            return self.transaction.perform(request)
        except Refused as refused:
            if refused.refusal.code != "ID_TAKEN" or not _numbered(request):
                raise
        new = numbers.next_task(self.transaction.snapshot())
        self.ids[request.target] = new
        return self.transaction.perform(replace(request, target=new))

    def _renamed(self, request: Request) -> Request:
        """Return the request with the new ids of tasks whose numbers were taken meanwhile."""
        if not request.op.startswith(("task.", "review.")):
            return request
        fields = dict(request.fields)
        if fields.get("depends_on"):
            fields["depends_on"] = tuple(self.ids.get(one, one) for one in fields["depends_on"])
        return replace(request, target=self.ids.get(request.target, request.target), fields=fields)


def _numbered(request: Request) -> bool:
    """Return whether a request adds a task with an automatic number."""
    return request.op == "task.add" and bool(names.AUTOMATIC["task"].match(request.target))


def _note(change: Change, made: int) -> str:
    """Return the note of an operation that is published later than it was made."""
    when = f"Made offline at {times.text(made)}."
    note = text.tidy(f"{change.request.note}\n\n{when}")
    return note if len(note) <= text.TEXT_MAX else change.request.note
