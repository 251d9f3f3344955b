"""The ledger's operations, read from git's log."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from opsgit.domain import audit, message, vocabulary
from opsgit.domain.records import Record
from opsgit.domain.values import Value, positional
from opsgit.storage.git import Git

DEPLOY_FINISH = "task.deploy-finish"
_FORMAT = "--format=%x1e%H%x1f%P%x1f%an%x1f%ct%x1f%B%x1f"


@positional
class Logged(Value):
    """One ledger commit in git's log.

    `time` is in seconds after the epoch. `files` maps each changed path to the hex id of its blob, or to None if the
    file was removed.
    """

    id: str
    parents: tuple[str, ...]
    agent: str
    time: int
    message: str
    files: Mapping[str, str | None]


def raw_entries(git: Git, tip: str, old: str | None) -> Iterator[Logged]:
    """Yield the ledger's commits up to a tip, oldest first.

    :param tip: hex id of the last commit.
    :param old: hex id of a commit; only the commits after it are listed. None lists all.
    :raises Refused: `TOOL_FAILED` if git cannot read the history.
    """
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
    for part in git.stream("log", *shape, _FORMAT, span, end=b"\x1e"):
        if not part:  # before the first mark
            continue
        commit, parents, agent, time, text, raw = part.decode().split("\x1f", 5)
        yield Logged(commit, tuple(parents.split()), agent, int(time), text, _files(raw))


def _files(raw: str) -> dict[str, str | None]:
    parts = [part for part in raw.split("\0") if part.strip()]
    pairs = zip(parts[0::2], parts[1::2], strict=False)
    return {path: None if head.endswith("D") else head.split(" ")[3] for head, path in pairs}


def summary(entry: Logged, record: Callable[[str, str], Record]) -> dict[str, Any]:
    """Return the history entry of a ledger commit.

    :param record: returns the record for a path and the hex id of its blob.
    :returns: as `summarize`, and blob: the hex id of the file that was written.
    :raises Refused: `MESSAGE_MISMATCH` if the commit's message is not one of opsgit's.
    """
    said = message.parse(entry.message)
    path = said.files[0][0] if said.files else ""
    blob = entry.files.get(path)
    told = " → " in said.subject or said.op == DEPLOY_FINISH
    found = record(path, blob) if told and blob else {}
    return {**summarize(entry.id, entry.time, entry.agent, said, found), **({"blob": blob} if blob else {})}


def summarize(commit: str, at: int, agent: str, said: message.Message, record: Record) -> dict[str, Any]:
    """Return the history entry of an operation.

    :param commit: hex id of the commit.
    :param at: seconds after the epoch.
    :param record: the record that the operation wrote; only transitions of tasks need it.
    :returns: commit, at, by, op, path and what; also status, before, note, assigned, reviewers, signers
        (`audit.signers`), keys, output, ref and evidence where they apply.
    """
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
        "keys": step.removeprefix("set ") if said.op == audit.SET_POLICY else None,
        **(_details(before, status, record) if status else _failed(record) if said.op == DEPLOY_FINISH else {}),
    }
    return {name: value for name, value in happened.items() if value is not None}


def _details(before: str, status: str, record: Record) -> dict[str, Any]:
    assigned = {"assigned": record.get("assigned")}
    if before == vocabulary.IN_REVIEW:
        marks = record.get("review", {}).get("sign_offs", ())
        approved = status == vocabulary.DONE
        return {**assigned, "reviewers": [mark["by"] for mark in marks] or None,
                "signers": (approved and list(map(list, audit.signers(record)))) or None}  # fmt: skip
    if status == vocabulary.IN_REVIEW:
        return {**assigned, "output": record.get("submission", {}).get("deliverable")}
    if status == vocabulary.DEPLOYED:
        return {**assigned, **{name: record.get("deployment", {}).get(name) for name in ("ref", "evidence")}}
    return assigned


def _failed(record: Record) -> dict[str, Any]:
    """Return the evidence of a deployment that ended and moved no task."""
    return {"evidence": record.get("deployment", {}).get("evidence")}


def operations(git: Git, tip: str, path: str, op: str) -> Iterator[str]:
    """Yield the hex ids of the ledger commits up to a tip that perform one operation on one file, newest first.

    :param op: the operation's name, such as `task.deploy-finish`.
    :raises Refused: `TOOL_FAILED` if git cannot read the history; `MESSAGE_MISMATCH` for a message that is not
        opsgit's.
    """
    out = git.run("log", "--first-parent", "--format=%H%x1f%B%x1e", tip, "--", path).decode()
    for part in out.split("\x1e")[:-1]:
        commit, _, text = part.strip("\n").partition("\x1f")
        if message.parse(text).op == op:
            yield commit
