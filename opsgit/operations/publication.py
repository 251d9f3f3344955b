"""The one way to write: requests are decided under the lock and published together, then what was compiled follows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from opsgit.domain.refusals import Refused
from opsgit.domain.request import Request
from opsgit.operations import trust
from opsgit.operations.session import Session
from opsgit.operations.transactions import Transaction, Written
from opsgit.storage import checkout
from opsgit.storage.checkout import Checkout


def act(session: Session, op: str, target: str, **fields: Any) -> list[Written]:
    """Ask for one operation and publish it.

    :param fields: its arguments; those that are None are left out.
    """
    return write(session, session.request(op, target, **fields))


def write(session: Session, *requests: Request) -> list[Written]:
    """Decide the requests one after the other under the lock, and publish them all, or none."""
    with batch(session) as transaction:
        return [_perform(transaction, request) for request in requests]


def _perform(transaction: Transaction, request: Request) -> Written:
    if request.op.startswith(("task.", "review.")):
        trust.judge_review(transaction, request.target)
    return transaction.perform(request)


@contextmanager
def batch(session: Session) -> Iterator[Transaction]:
    """A transaction under the lock, published at the end unless this is a dry run or something was raised."""
    repository = session.repository
    with repository.lock():
        transaction = session.transaction()
        trust.judge_ledger(repository, transaction.base)
        shown = checkout.of(repository, transaction.objects)
        if shown and not session.dry_run:
            _mend(session, shown, transaction.base)
        yield transaction
        if not session.dry_run:
            transaction.publish()
            _refresh(session, transaction)
    if transaction.unfinished:
        session.notices.append(transaction.unfinished)


def _mend(session: Session, shown: Checkout, tip: str) -> None:
    """Mend the checkout; it is only a view, so that it cannot be mended is told and stops nothing."""
    try:
        shown.repair(tip)
    except (OSError, Refused) as error:
        session.notices.append(f"the checkout could not be brought up to date: {error}")


def _refresh(session: Session, transaction: Transaction) -> None:
    """Bring mark, allowed_signers and a small project's state.json up to date.

    It is published already: that something else cannot be done is only told.
    """
    from opsgit.operations import compile

    repository = session.repository
    try:
        trust.mark(repository, transaction.tip, *(new for _, new in transaction.branches.values() if new))
        if any(path.startswith("agents/") for path in transaction.files):
            from opsgit.operations import clone_config

            clone_config.write_allowed_signers(repository, session.look())
        compile.refresh_small(session)
    except (OSError, Refused) as error:
        session.notices.append(f"not refreshed: {error}; opsgit compile and opsgit doctor --fix write it anew")
