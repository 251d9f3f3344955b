"""How a method of the API calls an operation: with a session of its own, or with the one of the open batch."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import TypeVar, Unpack

from opsgit.api.results import How, Result, result
from opsgit.domain.refusals import Refused, refuse
from opsgit.operations import batch, repeat, update
from opsgit.operations.batch import Batch
from opsgit.operations.session import Session
from opsgit.operations.transactions import Written
from opsgit.storage.repository import Repository

Value = TypeVar("Value")


@dataclass(eq=False, repr=False)
class Calls:
    """The calls on one repository. `actor` is the agent that acts, None for the natural actor of each operation.

    `online` and `clock` are as in `Session`.
    """

    repository: Repository
    actor: str | None = None
    online: bool | None = None
    clock: Callable[[], float] = time.time
    open_batch: Session | None = field(default=None, init=False)
    closed: bool = field(default=False, init=False)
    thread: int = field(default_factory=threading.get_ident, init=False)

    def close(self) -> None:
        """End the git process and close the index; no call is possible after that."""
        self.closed = True
        self.repository.close()

    def _session(self) -> Session:
        if self.closed:
            raise ValueError("this project is closed")
        if threading.get_ident() != self.thread:
            raise RuntimeError("a project is for the thread that opened it: open another one in this thread")
        named = (("actor", self.actor),) if self.actor else ()
        return Session(self.repository, named, online=self.online, clock=self.clock)

    def write(self, operation: Callable[[Session], list[Written]], **how: Unpack[How]) -> Result:
        """Perform an operation; in a batch it is decided now and published at the end.

        :raises Refused: as the operation.
        """
        odd = set(how) - set(How.__annotations__)
        if odd:
            raise TypeError(f"there is no argument {min(odd)!r}")
        alone = self._session()
        session = self.open_batch or alone
        if self.open_batch and set(how) & {"op_id", "dry_run"}:
            refuse("BATCH_OPEN", "op_id and dry_run belong to a call outside a batch", "leave them out here")
        session.note = how.get("note", "")
        session.op_id = repeat.check(how["op_id"]) if how.get("op_id") else ""
        session.dry_run = how.get("dry_run", False)
        if not self.open_batch:
            update.update(session)
        begun = len(session.notices)
        with session.batch.call() if session.batch else nullcontext():
            written = operation(session)
        return result(written, session.notices[begun:], not (session.dry_run or self.open_batch))

    def read(self, query: Callable[[Session], Value], fetch: bool = False) -> Value:
        """Answer a query about what is published; the operations of an open batch are not.

        :param fetch: bring the clone up to its remote first; a remote that cannot be reached is no error.
        :raises Refused: as the query.
        """
        session = self._session()
        if fetch:
            try:
                update.update(session)
            except Refused as refused:
                if refused.refusal.exit != 9:
                    raise
        return query(session)

    @contextmanager
    def batch(self) -> Iterator[Batch]:
        """Collect the writes of a block and publish them together.

        :raises Refused: as `operations.batch.batch`.
        """
        session = self.open_batch or self._session()
        try:
            with batch.batch(session) as made:
                self.open_batch = session
                yield made
        finally:
            self.open_batch = None
