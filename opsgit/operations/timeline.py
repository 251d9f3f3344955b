"""The operations on one task with all that proves them: commit, signing key, and what changed in the task's file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from opsgit.domain import message, names, times, vocabulary
from opsgit.operations.session import Session
from opsgit.storage import signed, sshsig
from opsgit.storage.git import Object
from opsgit.storage.objects import Commit, Objects, parse_commit

SHOWN_MAX = 600  # characters of a field's old and new text
FIELD = re.compile(r"^([a-z_]+):", re.MULTILINE)


class Change(NamedTuple):
    """A field of a task's file before and after an operation, as text; empty where it is not there."""

    field: str
    before: str
    after: str


@dataclass(frozen=True)
class Event:
    """One operation. `at` is RFC 3339 text; `key` is the fingerprint of the key that signed it.

    `blob` is the hex id of the task's file after it. `status` and `before` are those of a transition. `words` are the
    note, the comment or the like. `branch` is whether it was made on the review branch.
    """

    at: str
    by: str
    op: str
    commit: str
    key: str
    changes: tuple[Change, ...]
    blob: str
    status: str = ""
    before: str = ""
    words: str = ""
    evidence: str = ""
    branch: bool = False


def events(session: Session, task_id: str) -> list[Event]:
    """Return the operations on a task, oldest first, those on its review branches in their place.

    :raises Refused: as `rounds.ends`; the code of the first finding if the review branch breaks a rule.
    """
    path = names.task_path(task_id)
    reading = _Reading(session, session.repository.objects(), path)
    entries = session.index().log("path = ?", (path,))
    reading.objects.read([entry[name] for entry in entries for name in ("commit", "blob") if name in entry])
    for entry in entries:
        reading.entry(entry)
    if reading.status == vocabulary.IN_REVIEW:
        session.look(task_id)  # judges the branch before it is shown
        tip = None if session.at else session.transaction().reviewed(task_id)
        reading.branch(tip)
    return reading.found


class _Reading:
    """A walk over the ledger's operations on one file."""

    def __init__(self, session: Session, objects: Objects, path: str) -> None:
        self.session, self.objects, self.path = session, objects, path
        self.fields: dict[str, str] = {}  # of the file, after the last operation
        self.status = ""
        self.found: list[Event] = []

    def entry(self, entry: Mapping[str, Any]) -> None:
        """Take an operation on the ledger, after those of the review that it ends."""
        commit = parse_commit(self.objects.need(entry["commit"], "commit").content)
        if entry.get("before") == vocabulary.IN_REVIEW and len(commit.parents) > 1:
            self.branch(commit.parents[1])
        blob = entry.get("blob")
        told = {name: entry.get(name) or "" for name in ("status", "before", "evidence")}
        words = entry.get("note") or entry.get("output") or entry.get("ref") or ""
        file = self.objects.need(blob, "blob") if blob else None
        self._add(entry["commit"], commit, entry["op"], file, words=words, **told)
        self.status = entry.get("status") or self.status

    def branch(self, tip: str | None) -> None:
        """Take the operations of a review branch."""
        for commit_id, op, commit in reversed(list(signed.commits(self.objects, tip))) if tip else ():
            file = self.objects.git.get(f"{commit_id}:{self.path}")  # git walks the trees faster than we do
            words = message.parse(commit.message).note
            self._add(commit_id, commit, op, file, words=words, branch=True)

    def _add(self, commit_id: str, commit: Commit, op: str, file: Object | None, **told: Any) -> None:
        before, self.fields = self.fields, _fields(file.content.decode("utf-8", "replace")) if file else {}
        changed, key = tuple(changes(before, self.fields)), sshsig.signer(commit.signature)
        blob = file.id if file else ""
        self.found.append(Event(times.text(commit.time), commit.name, op, commit_id, key, changed, blob, **told))


def changes(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[Change]:
    """Yield the fields of a file that differ, in the order of the newer text."""
    for name in dict.fromkeys([*new, *old]):
        if old.get(name, "") != new.get(name, ""):
            yield Change(name, _short(old.get(name, "")), _short(new.get(name, "")))


def _fields(text: str) -> dict[str, str]:
    """Return the text of each field of a file in canonical form: there, only names of fields begin a line."""
    starts = list(FIELD.finditer(text))
    ends = [*(one.start() for one in starts[1:]), len(text)]
    return {one[1]: text[one.end() : end].strip("\n") for one, end in zip(starts, ends, strict=False)}


def _short(text: str) -> str:
    shown = text.strip() if "\n" not in text.strip() else text
    return shown if len(shown) <= SHOWN_MAX else f"{shown[:SHOWN_MAX]}…"
