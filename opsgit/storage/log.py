"""The ledger read back from git's log."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from opsgit.domain import message, vocabulary
from opsgit.domain.records import Record
from opsgit.storage.git import Git

_FORMAT = "--format=%x1e%H%x1f%P%x1f%an%x1f%ct%x1f%B%x1f"


@dataclass(frozen=True, repr=False)
class Logged:
    """One ledger commit as git logs it: `time` in seconds; `files` the blob at each changed path, None if gone."""

    id: str
    parents: tuple[str, ...]
    agent: str
    time: int
    message: str
    files: Mapping[str, str | None]


def raw_entries(git: Git, tip: str, old: str | None) -> Iterator[Logged]:
    """The ledger's commits up to a tip, behind an old one where that is given, oldest first."""
    span = f"{old}..{tip}" if old else tip
    shape = (
        "--first-parent",
        "--reverse",
        "--raw",
        "--no-abbrev",
        "--no-renames",
        "--diff-merges=first-parent",
        "--root",
        "-z",
    )
    out = git.run("log", *shape, _FORMAT, span).decode()
    for part in out.split("\x1e")[1:]:
        commit, parents, agent, time, text, raw = part.split("\x1f", 5)
        yield Logged(commit, tuple(parents.split()), agent, int(time), text, _files(raw))


def _files(raw: str) -> dict[str, str | None]:
    parts = [part for part in raw.split("\0") if part.strip()]
    pairs = zip(parts[0::2], parts[1::2], strict=False)
    return {path: None if head.endswith("D") else head.split(" ")[3] for head, path in pairs}


def summary(entry: Logged, record: Callable[[str, str], Record]) -> dict[str, Any]:
    """What history says of an operation: commit, at, by, op, path, what, and more where there is more.

    :param record: gives the record of a path and blob.
    """
    said = message.parse(entry.message)
    path = said.files[0][0] if said.files else ""
    blob = entry.files.get(path)
    moved = " → " in said.subject
    found = record(path, blob) if moved and blob else {}
    return summarize(entry.id, entry.time, entry.agent, said, found)


def summarize(commit: str, at: int, agent: str, said: message.Message, record: Record) -> dict[str, Any]:
    """The same, of what is at hand."""
    what, _, step = said.subject.partition(": ")
    path = said.files[0][0] if said.files else ""
    before, _, status = step.partition(" → ") if path.startswith("tasks/") else ("", "", "")
    happened = {
        "commit": commit,
        "at": at,
        "by": agent,
        "op": said.op,
        "path": path,
        "what": what,
        "status": status or None,
        "before": before if status else None,
        "note": said.note or None,
        **(_details(before, status, record) if status else {}),
    }
    return {name: value for name, value in happened.items() if value is not None}


def _details(before: str, status: str, record: Record) -> dict[str, Any]:
    assigned = {"assigned": record.get("assigned")}
    if before == vocabulary.IN_REVIEW:
        marks = record.get("review", {}).get("sign_offs", ())
        return {**assigned, "reviewers": [mark["by"] for mark in marks] or None}
    if status == vocabulary.IN_REVIEW:
        return {**assigned, "output": record.get("submission", {}).get("deliverable")}
    if status == vocabulary.DEPLOYED:
        return {**assigned, **{name: record.get("deployment", {}).get(name) for name in ("ref", "evidence")}}
    return assigned


def operations(git: Git, tip: str, path: str, op: str) -> Iterator[str]:
    """The ledger commits up to a tip that are one operation on one file, newest first."""
    out = git.run("log", "--first-parent", "--format=%H%x1f%B%x1e", tip, "--", path).decode()
    for part in out.split("\x1e")[:-1]:
        commit, _, text = part.strip("\n").partition("\x1f")
        if message.parse(text).op == op:
            yield commit
