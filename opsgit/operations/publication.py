"""The only way to write: decide requests under the lock, publish them together, then refresh what depends on them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from opsgit.domain import names
from opsgit.domain.refusals import Refused
from opsgit.domain.request import Request
from opsgit.operations import trust
from opsgit.operations.session import Session
from opsgit.operations.transactions import Transaction, Written
from opsgit.storage import checkout
from opsgit.storage.checkout import Checkout


def act(session: Session, op: str, target: str, **fields: Any) -> list[Written]:
    """Decide and publish one operation.

    :param op: the operation's name, such as `task.claim`.
    :param target: the id or name that it is about.
    :param fields: its arguments; those that are None are left out.
    :raises Refused: if the rule book refuses the operation; also as `write` and `Session.request`.
    """
    return write(session, session.request(op, target, **fields))


def write(session: Session, *requests: Request) -> list[Written]:
    """Decide requests in order under the lock, and publish all of them or none.

    :raises Refused: if the rule book refuses one of them; as `batch`.
    """
    with batch(session) as transaction:
        return [_perform(transaction, request) for request in requests]


def _perform(transaction: Transaction, request: Request) -> Written:
    if request.op.startswith(("task.", "review.")):
        trust.judge_review(transaction, request.target)
    return transaction.perform(request)


@contextmanager
def batch(session: Session) -> Iterator[Transaction]:
    """Yield a transaction under the lock. At the end it is published, except in a dry run or after an exception.

    :raises Refused: `BUSY` if the lock is held; the code of the first finding if the ledger has new commits that break
        a rule; as `Transaction.publish`.
    """
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
    """Bring the checkout up to date. It is only a view of the ledger, so a failure is a notice and stops nothing."""
    try:
        shown.repair(tip)
    except (OSError, Refused) as error:
        session.notices.append(f"the checkout could not be brought up to date: {error}")


def _refresh(session: Session, transaction: Transaction) -> None:
    """Bring the list of judged commits, allowed_signers and a small project's state.json up to date.

    The operation is published already, so a failure is only a notice.
    """
    from opsgit.operations import compile

    repository = session.repository
    try:
        heads, tip = names.review_ref(""), transaction.tip
        written = ((ref.removeprefix(heads), new) for ref, (_, new) in transaction.branches.items())
        trust.mark(repository, tip, *(trust.review_mark(task_id, new, tip) for task_id, new in written if new))
        if any(path.startswith("agents/") for path in transaction.files):
            from opsgit.operations import clone_config

            clone_config.write_allowed_signers(repository, session.look())
        compile.refresh_small(session)
    except (OSError, Refused) as error:
        session.notices.append(f"not refreshed: {error}; opsgit compile and opsgit doctor --fix write it anew")
