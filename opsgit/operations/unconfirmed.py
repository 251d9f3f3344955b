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
from opsgit.storage.disk import put, sync_folder
from opsgit.storage.remote import tracked
from opsgit.storage.repository import Repository


class Unconfirmed(NamedTuple):
    """An operation of which it is not known whether it is published: its commit (hex id), subject, branch and id."""

    commit: str
    subject: str
    ref: str
    id: str


def note(session: Session, transaction: Transaction) -> None:
    """Keep what a transaction has made, and the remote has not answered for."""
    changes = ((one.id, one.change) for one in transaction.written)
    made = [Unconfirmed(commit, change.subject, _ref(change), change.request.id) for commit, change in changes]
    _save(session.repository, [*kept(session.repository), *made])


def _ref(change: Change) -> str:
    return names.review_ref(change.request.target) if change.on == BRANCH else names.MAIN


def kept(repository: Repository) -> list[Unconfirmed]:
    """Return the operations of which it is not known whether they are published."""
    file = repository.own / "unconfirmed"
    return [Unconfirmed(*json.loads(line)) for line in file.read_text().splitlines()] if file.exists() else []


def settled(repository: Repository) -> list[tuple[Unconfirmed, bool]]:
    """Return each entry and whether the remote, as just fetched, has it."""
    git = repository.git
    found = []
    for one in kept(repository):
        places = (git.ref(tracked(one.ref)), git.ref(update.MAIN))
        found.append((one, any(at and update.is_ancestor(git, one.commit, at) for at in places)))
    return found


def drop(repository: Repository) -> None:
    """Forget all entries, after they were told."""
    (repository.own / "unconfirmed").unlink(missing_ok=True)


def _save(repository: Repository, those: list[Unconfirmed]) -> None:
    put(repository.own / "unconfirmed", "".join(f"{json.dumps(one)}\n" for one in those).encode(), durable=True)
    sync_folder(repository.own)
