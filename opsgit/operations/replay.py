"""The replay of operations that were made offline, on the ledger that others have written meanwhile."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from opsgit.domain import message, names, rules, text, times
from opsgit.domain.operation import NEW
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

    `there` maps id and agent of the operations that the remote has and this clone lacks to what they are about.
    `dropped` holds the files of operations that were dropped, and `never` those that a dropped operation would have
    made. `ids` maps ids of new tasks and alerts to others, where the number was taken meanwhile.
    """

    transaction: Transaction
    judge: Judge
    there: Mapping[tuple[str, str], str]
    dropped: set[str] = field(default_factory=set)
    never: set[str] = field(default_factory=set)
    ids: dict[str, str] = field(default_factory=dict)

    def all(self, mine: Iterable[dict[str, Any]]) -> list[Fate]:
        """Decide each operation anew, in order.

        :raises Refused: if this machine cannot decide or sign (exit code 9, or a key): nothing is dropped then.
        """
        return [self._one(one) for one in mine]

    def _one(self, one: dict[str, Any]) -> Fate:
        told = Fate(one["commit"], one["subject"], one["by"], DROPPED)
        commit = parse_commit(self.transaction.objects.need(one["commit"], "commit").content)
        said = message.parse(commit.message)
        target = names.place(said.files[0][0]).name if said.files else ""
        if (said.id, commit.name) in self.there:
            self._rename(target, self.there[said.id, commit.name])
            return told._replace(fate=LANDED, why="the remote has it already")
        try:
            change = self.judge.judge(one["commit"])
            blocked = self._blocked(told, change, commit)
            if blocked:
                return blocked
            made = self._perform(change, commit)
        except Refused as refused:
            if _is_ours(refused):
                raise
            paths = {path for path, _ in said.files}
            self.dropped |= paths
            self.never |= paths if self._makes(said.op) else set()
            return told._replace(why=f"{refused.refusal.code}: {refused.refusal.message}")
        new = made.change.request.target
        why = "" if new == change.request.target else f"as {new}: {change.request.target} was taken meanwhile"
        return told._replace(fate=PUBLISHED, commit=made.id, why=why)

    def _makes(self, op: str) -> bool:
        return rules.in_force(self.transaction.snapshot().project).operation(op).finds == NEW

    def _rename(self, old: str, new: str) -> None:
        if old and new and old != new:
            self.ids[old] = new

    def _blocked(self, told: Fate, change: Change, commit: Commit) -> Fate | None:
        """Return the fate of an operation that is not tried.

        It rests on an operation that was dropped, or it ends a review whose newest words its agent has not seen.
        """
        path, task_id = change.edits[0].path, self.ids.get(change.request.target, change.request.target)
        if path in self.never or (change.is_transition and path in self.dropped):
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
            if refused.refusal.code not in ("ID_TAKEN", "BAD_ID") or not _numbered(request):
                raise
        snapshot = self.transaction.snapshot()
        prefix = request.target.rpartition("-")[0]
        new = numbers.next_task(snapshot) if request.op == "task.add" else numbers.next_alert(snapshot, prefix)
        self._rename(change.request.target, new)
        return self.transaction.perform(replace(request, target=new))

    def _renamed(self, request: Request) -> Request:
        """Return the request with the new ids of tasks and alerts whose numbers were taken meanwhile."""
        fields = dict(request.fields)
        if fields.get("depends_on"):
            fields["depends_on"] = tuple(self.ids.get(one, one) for one in fields["depends_on"])
        for name in ("task", "alert"):
            if fields.get(name) in self.ids:
                fields[name] = self.ids[fields[name]]
        about = request.op.startswith(("task.", "review.", "alert."))
        target = self.ids.get(request.target, request.target) if about else request.target
        return replace(request, target=target, fields=fields)


def _is_ours(refused: Refused) -> bool:
    """Return whether this machine failed, and not the operation: its disk, its clock, its keys."""
    code, status = refused.refusal.code, refused.refusal.exit
    return (status == 9 and code != "REVIEW_BRANCH_MISSING") or code in ("KEY_MISSING", "KEY_UNFIT")


def _numbered(request: Request) -> bool:
    """Return whether a request makes a task or an alert with an automatic number."""
    kind = {"task.add": "task", "alert.raise": "alert"}.get(request.op)
    return bool(kind and names.AUTOMATIC[kind].match(request.target))


def _note(change: Change, made: int) -> str:
    """Return the note of an operation that is published later than it was made."""
    when = f"Made offline at {times.text(made)}."
    note = text.tidy(f"{change.request.note}\n\n{when}")
    return note if len(note.encode()) <= text.TEXT_MAX else change.request.note
