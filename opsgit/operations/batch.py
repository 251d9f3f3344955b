"""Batches: operations that are decided one after the other, and published together or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from opsgit.domain.refusals import Refused, refuse
from opsgit.operations import update
from opsgit.operations.publication import publish
from opsgit.operations.session import Session
from opsgit.operations.transactions import Transaction, Written

Result = TypeVar("Result")


@dataclass(eq=False, repr=False)
class Batch:
    """The operations of a batch so far.

    They are decided at once in `trial`, a transaction that is never published, so that each refusal comes where it
    arises and each operation sees the ones before it. At the end they are decided again under the lock. `written` is
    what was published then. `broken` is the first refusal: with it the batch publishes nothing.
    """

    trial: Transaction
    works: list[Callable[[Transaction], Any]] = field(default_factory=list)
    written: list[Written] = field(default_factory=list)
    broken: Refused | None = None

    def take(self, work: Callable[[Transaction], Result]) -> Result:
        """Decide one more operation and keep it for the end.

        :raises Refused: as `work`; `BATCH_OPEN` after a refusal: nothing of the batch will be published.
        """
        if self.broken:
            first = self.broken.refusal
            refuse("BATCH_OPEN", f"this batch has failed and publishes nothing: {first.code}: {first.message}",
                   "leave the block, and begin another batch")  # fmt: skip
        result = work(self.trial)
        self.works.append(work)
        return result

    @contextmanager
    def call(self) -> Iterator[None]:
        """Make one call of the caller. If anything in it is refused, the batch publishes nothing."""
        try:
            yield
        except Refused as refused:
            self.broken = self.broken or refused
            raise


@contextmanager
def batch(session: Session) -> Iterator[Batch]:
    """Collect the operations of a session, and publish them together when the block ends without an exception.

    :raises Refused: `BATCH_OPEN` if the session has a batch already; the first refusal in the block, also if the block
        caught it; `REF_MOVED` if an id of the batch was taken meanwhile; as `publish`.
    """
    if session.batch:
        refuse("BATCH_OPEN", "a batch is open already, and batches do not nest", "end the first one before the next")
    update.update(session)
    made = session.batch = Batch(session.transaction())
    try:
        yield made
    finally:
        session.batch = None
        made.trial.objects.drop()
    if made.broken:
        raise made.broken

    def work(transaction: Transaction) -> list[Written]:
        for one in made.works:
            one(transaction)
        return transaction.written

    try:
        made.written = publish(session, work) if made.works else []
    except Refused as refused:
        if refused.refusal.code != "ID_TAKEN":
            raise
        why = f"others were faster, and nothing of the batch is published: {refused.refusal.message}"
        refuse("REF_MOVED", why, "the same batch again")


def refuse_in_batch(session: Session, why: str) -> None:
    """Refuse something that cannot wait for the end of a batch.

    :raises Refused: `BATCH_OPEN`.
    """
    if session.batch:
        refuse("BATCH_OPEN", f"not in a batch: {why}", "the same outside the batch")
