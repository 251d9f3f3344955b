"""Operations of which the remote did not say whether it took them: kept until a fetch tells."""

from __future__ import annotations

import json
from typing import NamedTuple

from opsgit.domain import names
from opsgit.domain.operation import BRANCH
from opsgit.domain.request import Change
from opsgit.operations import update
from opsgit.operations.session import Session
from opsgit.operations.transactions import Transaction
from opsgit.storage.disk import put
from opsgit.storage.remote import tracked
from opsgit.storage.repository import Repository


class Unconfirmed(NamedTuple):
    """An operation of which it is not known whether it is published: its commit (hex id), subject and branch."""

    commit: str
    subject: str
    ref: str


def note(session: Session, transaction: Transaction) -> None:
    """Keep what a transaction has made, and the remote has not answered for."""
    made = [Unconfirmed(one.id, one.change.subject, _ref(one.change)) for one in transaction.written]
    _save(session.repository, [*kept(session.repository), *made])


def _ref(change: Change) -> str:
    return names.review_ref(change.request.target) if change.on == BRANCH else names.MAIN


def kept(repository: Repository) -> list[Unconfirmed]:
    """Return the operations of which it is not known whether they are published."""
    file = repository.own / "unconfirmed"
    return [Unconfirmed(*json.loads(line)) for line in file.read_text().splitlines()] if file.exists() else []


def settle(repository: Repository) -> list[tuple[Unconfirmed, bool]]:
    """Return each with whether the remote, as just fetched, holds it, and keep none of them any longer."""
    git = repository.git
    found = []
    for one in kept(repository):
        places = (git.ref(tracked(one.ref)), git.ref(update.MAIN))
        found.append((one, any(at and update.is_ancestor(git, one.commit, at) for at in places)))
    if found:
        (repository.own / "unconfirmed").unlink(missing_ok=True)
    return found


def _save(repository: Repository, those: list[Unconfirmed]) -> None:
    put(repository.own / "unconfirmed", "".join(f"{json.dumps(one)}\n" for one in those).encode(), durable=True)
