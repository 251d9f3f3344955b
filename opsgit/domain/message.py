"""The message of a commit: generated from a change, and parsed from the history."""

from __future__ import annotations

import re

from opsgit.domain import names
from opsgit.domain.refusals import refuse
from opsgit.domain.request import Change, Edit
from opsgit.domain.values import Value, positional

REVERTS = re.compile(rf"This reverts commit ({names.COMMIT_ID})\.\Z")
ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")
DISGUISE = re.compile(r"^( *opsgit-)", re.IGNORECASE | re.MULTILINE)
DISGUISED = re.compile(r"^ ( *opsgit-)", re.IGNORECASE | re.MULTILINE)


@positional
class Message(Value):
    """The parts of a parsed message.

    `ref` is the full name of the branch that the commit was made for. `ledger` is the ledger commit by which a commit
    on a review branch is decided (None on the ledger). `files` holds pairs of a path and a SHA-256 in hex (`-` for a
    removed file). `reverts` is the id of the commit that a rollback reverts. `id` is the operation's own id: it makes
    each commit unique.
    """

    subject: str
    note: str
    op: str
    repository: str
    ref: str
    ledger: str | None
    files: tuple[tuple[str, str], ...]
    reverts: str | None = None
    id: str = ""


def generate(change: Change, repository: str, ref: str, ledger: str | None = None) -> str:
    """Return the message of a change: subject, body, note and trailers.

    The trailers are Opsgit-Op, Opsgit-Repo, Opsgit-Ledger (review branches only), Opsgit-Id and one Opsgit-File per
    file, in this order.

    :param repository: the project's repository id.
    :param ref: the full name of the branch that the commit is for.
    :param ledger: on a review branch, the id of the ledger commit by which it is decided.
    """
    trailers = [f"Opsgit-Op: {change.request.op}", f"Opsgit-Repo: {repository} {ref}"]
    if ledger:
        trailers.append(f"Opsgit-Ledger: {ledger}")
    trailers.append(f"Opsgit-Id: {change.request.id}")
    trailers += [f"Opsgit-File: {edit.path} sha256:{_digest(edit)}" for edit in change.edits]
    parts = [change.subject, change.body, hide(change.request.note), "\n".join(trailers)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _digest(edit: Edit) -> str:
    """Return the SHA-256 (hex) of a file that is written, or `-` for a file that is removed."""
    import hashlib  # takes 8 ms, and commands that only read need none

    return "-" if edit.content is None else hashlib.sha256(edit.content).hexdigest()


def hide(note: str) -> str:
    """Return the note with one space before each line that looks like an opsgit trailer."""
    return DISGUISE.sub(r" \1", note)


def parse(message: str) -> Message:
    """Return the parts of a message.

    It proves nothing by itself: a verifier generates the message again and compares.

    :raises Refused: `MESSAGE_MISMATCH` when the opsgit trailers are missing or malformed.
    """
    paragraphs = message.removesuffix("\n").split("\n\n")
    found: dict[str, list[str]] = {}
    for line in paragraphs[-1].split("\n"):
        name, _, value = line.partition(": ")
        found.setdefault(name, []).append(value)
    op, place = found.get("Opsgit-Op", [""])[0], found.get("Opsgit-Repo", [""])[0].split(" ")
    if len(paragraphs) < 2 or not op or len(place) != 2:
        refuse("MESSAGE_MISMATCH", "the message has no opsgit trailers", "opsgit help format")
    op_id = found.get("Opsgit-Id", [""])[0]
    if not ID.match(op_id):
        refuse("MESSAGE_MISMATCH", f"{op_id!r} is no id of an operation", "opsgit help format")
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
        id=op_id,
    )


def _file(value: str) -> tuple[str, str]:
    path, _, digest = value.rpartition(" sha256:")
    return path, digest
