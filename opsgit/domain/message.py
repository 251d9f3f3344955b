"""The message of a commit: generated from a change, read back from a log, compared to the byte."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from opsgit.domain import names
from opsgit.domain.model import Value
from opsgit.domain.refusals import refuse
from opsgit.domain.request import Change, Edit

REVERTS = re.compile(rf"This reverts commit ({names.COMMIT_ID})\.\Z")
DISGUISE = re.compile(r"^( *opsgit-)", re.IGNORECASE | re.MULTILINE)
DISGUISED = re.compile(r"^ ( *opsgit-)", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, repr=False)
class Message(Value):
    """A message taken apart. `ledger` is the commit by whose policy a branch commit is judged."""

    subject: str
    note: str
    op: str
    repository: str
    ref: str
    ledger: str | None
    files: tuple[tuple[str, str], ...]
    reverts: str | None = None


def generate(change: Change, repository: str, ref: str, ledger: str | None = None) -> str:
    """The message of a change: subject, note, and trailers in this order, each once but Opsgit-File.

    :param repository: the project's repository id.
    :param ref: the full name of the branch that the commit is for.
    :param ledger: on a review branch, the ledger commit by which it is judged.
    """
    trailers = [f"Opsgit-Op: {change.request.op}", f"Opsgit-Repo: {repository} {ref}"]
    if ledger:
        trailers.append(f"Opsgit-Ledger: {ledger}")
    trailers += [f"Opsgit-File: {edit.path} sha256:{_digest(edit)}" for edit in change.edits]
    parts = [change.subject, change.body, hide(change.request.note), "\n".join(trailers)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _digest(edit: Edit) -> str:
    """The SHA-256 (hex) of a file that is written, `-` for one that is removed."""
    return "-" if edit.content is None else hashlib.sha256(edit.content).hexdigest()


def hide(note: str) -> str:
    """The note with a space before each line that would read as one of our trailers."""
    return DISGUISE.sub(r" \1", note)


def parse(message: str) -> Message:
    """Take a message apart; refuses one without our trailers with `MESSAGE_MISMATCH`.

    It is not a proof of anything: the proof is to generate the message again and to compare.
    """
    paragraphs = message.removesuffix("\n").split("\n\n")
    found: dict[str, list[str]] = {}
    for line in paragraphs[-1].split("\n"):
        name, _, value = line.partition(": ")
        found.setdefault(name, []).append(value)
    op, place = found.get("Opsgit-Op", [""])[0], found.get("Opsgit-Repo", [""])[0].split(" ")
    if len(paragraphs) < 2 or not op or len(place) != 2:
        refuse("MESSAGE_MISMATCH", "the message has no opsgit trailers", "opsgit help format")
    ledger = found.get("Opsgit-Ledger", [None])[0]
    if ledger is not None and not names.COMMIT.match(ledger):
        refuse("MESSAGE_MISMATCH", f"{ledger!r} is no commit id", "opsgit help format")
    body = paragraphs[1:-1]
    reverts = REVERTS.match(body[0]) if body and op == "task.rollback" else None
    note = "\n\n".join(body[1:] if reverts else body)
    return Message(
        subject=paragraphs[0],
        note=DISGUISED.sub(r"\1", note),
        op=op,
        repository=place[0],
        ref=place[1],
        ledger=ledger,
        files=tuple(_file(value) for value in found.get("Opsgit-File", [])),
        reverts=reverts[1] if reverts else None,
    )


def _file(value: str) -> tuple[str, str]:
    path, _, digest = value.rpartition(" sha256:")
    return path, digest
