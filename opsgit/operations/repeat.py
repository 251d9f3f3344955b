"""Operation ids that the caller chooses: the same request with the same id is performed once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from opsgit.domain import message, names, times
from opsgit.domain.refusals import Refused, refuse
from opsgit.domain.request import Change, Request
from opsgit.operations.transactions import Transaction, Written
from opsgit.storage.repository import Repository
from opsgit.verification.replay import Judge

MADE_OFFLINE = re.compile(r"(\n\n|\A)Made offline at [0-9TZ:-]+\.\Z")  # what `replay` adds to a note
DURATION = re.compile("[0-9]{1,6}[smhdw]\\Z")


def check(op_id: str) -> str:
    """Return an operation id that may stand in a message.

    :raises Refused: `BAD_ID`.
    """
    if not message.ID.match(op_id):
        refuse("BAD_ID", f"{op_id!r} is no operation id: letters, digits, . _ -, at most 64", "--op-id run-7", "op-id")
    return op_id


def find(repository: Repository, op_id: str, agents: tuple[str, ...]) -> tuple[str, Change] | None:
    """Return the operation that one of some agents has performed under an id, or None.

    The ledger and the review branches, here and as last fetched, are searched.

    :returns: the commit (hex id) and its change.
    """
    places = (names.MAIN, "--glob=refs/heads/review/*", "--glob=refs/remotes/*/main", "--glob=refs/remotes/*/review/*")
    words = ("--fixed-strings", f"--grep=Opsgit-Id: {op_id}", "--format=%H%x1f%an%x1f%B%x1e")
    out = repository.git.run("log", *words, *places).decode("utf-8", "replace")
    for part in filter(str.strip, out.split("\x1e")):
        commit, agent, body = part.strip("\n").split("\x1f", 2)
        if agent in agents and _id_of(body) == op_id:
            try:
                return commit, Judge(repository.objects(), repository.index).judge(commit)
            except Refused:  # somebody else's commit that only says so
                continue
    return None


def _id_of(body: str) -> str:
    try:
        return message.parse(body).id
    except Refused:  # a commit that is not opsgit's holds no operation
        return ""


def performed(transaction: Transaction, request: Request) -> Written | None:
    """Return the result of a request that was performed before under the id that the caller chose.

    :raises Refused: `OP_ID_TAKEN` if the agent has performed another request under that id.
    """
    found = find(transaction.repository, request.id, (request.actor,)) if request.id else None
    if found is None:
        return None
    commit, change = found
    if not _same(request, change.request):
        said = f"{request.actor} has used the operation id {request.id} for {change.subject} ({commit[:10]})"
        refuse("OP_ID_TAKEN", said, f"opsgit history, and another --op-id for {request.op}")
    return Written(commit, change)


def _same(asked: Request, done: Request) -> bool:
    """Return whether two requests ask for the same. Arguments that the commit does not store are not compared."""
    note = MADE_OFFLINE.sub("", done.note)
    head = (asked.op, asked.actor, asked.target, asked.note) == (done.op, done.actor, done.target, note)
    return head and all(_plain(done.fields, name) in (None, _value(value)) for name, value in asked.fields.items())


def _plain(fields: Mapping[str, Any], name: str) -> Any:
    return _value(fields.get(name))


def _value(value: Any) -> Any:
    if isinstance(value, str) and DURATION.match(value):
        return times.duration(value)
    return tuple(value) if isinstance(value, list | tuple) else value


def known(repository: Repository, op_id: str, named: tuple[str, ...]) -> Change | None:
    """Return what was done under an operation id by a named agent, or by one whose key is here; None if nothing was.

    It is for commands that choose the operation or the number themselves: a repetition must choose the same.
    """
    if not op_id:
        return None
    held = named or tuple(path.name for path in repository.keys.folder.glob("*") if names.NAME.match(path.name))
    found = find(repository, op_id, held)
    return found[1] if found else None
