"""Write: decide requests under the lock, publish them together, then refresh what depends on them.

In a clone with a remote, what was decided is pushed before main here moves: nothing is acknowledged that is not there.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from opsgit.domain import names, rules
from opsgit.domain.refusals import Refused, refuse
from opsgit.domain.request import Request
from opsgit.operations import maintenance, refresh, trust, update
from opsgit.operations.session import Session
from opsgit.operations.transactions import Lost, Transaction, Written
from opsgit.storage.ledger import new_id

RACING = 30.0  # seconds for which an operation is decided again after others were faster
PAUSE_MAX = 4.0  # seconds between two tries at most
Result = TypeVar("Result")


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

    :raises Refused: if the rule book refuses one of them; `OP_ID_TAKEN`; as `publish`.
    """
    chosen = next((one for one in requests if one.id), None)
    first = chosen or replace(requests[0], id=new_id())
    rest = requests if chosen else requests[1:]
    unique = [*([] if chosen else [first]), *(one if one is first else replace(one, id=new_id()) for one in rest)]

    def work(transaction: Transaction) -> list[Written]:
        # a push whose answer was lost may have landed: what is tried again is looked for first
        done = _done_before(transaction, first) if session.raced or chosen else None
        return [done] if done else [perform(session, transaction, one) for one in unique]

    return publish(session, work)


def _done_before(transaction: Transaction, request: Request) -> Written | None:
    from opsgit.operations import repeat

    return repeat.performed(transaction, request)


def perform(session: Session, transaction: Transaction, request: Request) -> Written:
    """Perform one request in a transaction, after the review that it is about was judged.

    :raises Refused: `OFFLINE`; as `trust.judge_review` and `Transaction.perform`.
    """
    if session.offline:
        refuse_offline(transaction, request)
    if request.op.startswith(("task.", "review.")):
        trust.judge_review(transaction, request.target, session.notices, fetched=session.updated)
    return transaction.perform(request)


def refuse_offline(transaction: Transaction, request: Request) -> None:
    """Refuse an operation whose promise needs the remote.

    :raises Refused: `OFFLINE`.
    """
    if rules.in_force(transaction.snapshot().project).operation(request.op).online:
        refuse("OFFLINE", f"{request.op} holds only once it is published, and the remote is not to be asked",
               "opsgit sync, then the same with --online")  # fmt: skip


def publish(session: Session, work: Callable[[Transaction], Result]) -> Result:
    """Let a function decide operations in a transaction, and publish them together; in a dry run nothing is published.

    With a remote, whoever loses a race decides again on what the others have published: `work` is called once more.

    :returns: what `work` returned the last time.
    :raises Refused: `BUSY` if the lock is held; the code of the first finding if the ledger has new commits that break
        a rule; `UNFINISHED`; `UNSYNCED`; `REF_MOVED` if others were faster for 30 seconds; as `update.update`,
        `push.push` and `Transaction.publish`.
    """
    if session.batch:
        return session.batch.take(work)
    end, number = time.monotonic() + RACING, 0
    while True:
        number, begun = number + 1, time.monotonic()
        try:
            return _attempt(session, work)
        except Lost as lost:
            session.updated, session.raced = False, True
            if time.monotonic() > end:
                refuse("REF_MOVED", f"others were faster for {RACING:.0f} seconds: {lost}", "try again")
        if number > 1:
            session.say(f"others were faster {number} times; deciding again")
        import random  # only who has lost a race needs it

        pause = min(PAUSE_MAX, (time.monotonic() - begun) * 2**number)
        time.sleep(random.uniform(0, pause))  # noqa: S311 - it spreads load, no secret


def _attempt(session: Session, work: Callable[[Transaction], Result]) -> Result:
    update.update(session)
    repository = session.repository
    with repository.lock():
        update.refuse_unfinished(repository)
        if session.remote and update.diverged(repository):
            refuse("UNSYNCED", "operations that were made here are not published, and the remote has others since",
                   "opsgit sync")  # fmt: skip
        transaction = session.transaction()
        try:
            trust.judge_ledger(repository, transaction.base)
            if not session.dry_run:
                update.show(session, transaction.base)
            result = work(transaction)
            if not session.dry_run and transaction.written:
                finish(session, transaction)
        finally:
            transaction.objects.drop()
    if not session.dry_run and transaction.written:
        _maintain(session)
    return result


def _maintain(session: Session) -> None:
    try:
        maintenance.start_if_due(session.repository)
    except (OSError, Refused) as error:  # the operation is published
        session.notices.append(f"maintenance was not started: {error}")


def finish(session: Session, transaction: Transaction, between: Callable[[], None] = lambda: None) -> None:
    """Publish a transaction at the remote, if there is one, then here.

    :param between: called after the remote has it, and before main here moves.
    :raises Refused: as `push.push` and `Transaction.publish`.
    :raises Lost: if somebody else has published meanwhile.
    """
    transaction.store()
    if session.remote:
        from opsgit.operations import push  # takes 8 ms

        push.push(session, transaction)
    refresh_once = functools.cache(lambda: _refresh(session, transaction))
    try:
        between()
        transaction.publish(afterwards=refresh_once)
    except (OSError, Refused) as error:
        if not session.remote:
            raise
        session.notices.append(f"published, but main here was not moved ({error}): opsgit sync")
        return
    if transaction.unfinished:
        session.notices.append(transaction.unfinished)
    refresh_once()


def _refresh(session: Session, transaction: Transaction) -> None:
    """Record what was judged, and bring up to date what follows the ledger. The operation is published already."""
    heads, tip = names.review_ref(""), transaction.tip
    written = ((ref.removeprefix(heads), new) for ref, (_, new) in transaction.branches.items())
    marks = [trust.review_mark(task_id, new, tip) for task_id, new in written if new]
    try:
        trust.mark(session.repository, tip, *marks)
    except OSError as error:
        session.notices.append(f"not recorded as judged: {error}")
    refresh.after(session, tip)
