"""What the API returns: frozen values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypedDict

from opsgit.operations.transactions import Written


class How(TypedDict, total=False):
    """Arguments of every method that writes.

    `note` is text for the commit's message. With `op_id` the same call is performed once: a repetition answers with the
    first result. `dry_run` decides, and writes nothing.
    """

    note: str
    op_id: str
    dry_run: bool


@dataclass(frozen=True)
class Operation:
    """One operation: its name, its task, agent or other target, the actor, the time (RFC 3339) and what it did.

    `before` and `after` are statuses of a task, None for an operation without a transition. `commit` is the id of its
    commit, None in a dry run and in a batch.
    """

    op: str
    target: str
    by: str
    at: str
    subject: str
    before: str | None
    after: str | None
    commit: str | None


@dataclass(frozen=True)
class Result:
    """The operations that a call made, in order, and what there is to say about them."""

    operations: tuple[Operation, ...]
    notices: tuple[str, ...] = ()

    @property
    def target(self) -> str:
        """The id or name that the first operation is about, such as the id of a new task."""
        return self.operations[0].target

    @property
    def commit(self) -> str | None:
        """The commit of the last operation."""
        return self.operations[-1].commit


def result(written: Iterable[Written], notices: Iterable[str], published: bool) -> Result:
    """Return what operations did.

    :param published: whether their commits are in the ledger.
    """
    return Result(tuple(_operation(one, published) for one in written), tuple(notices))


def _operation(one: Written, published: bool) -> Operation:
    change = one.change
    return Operation(change.request.op, change.request.target, change.request.actor, change.at, change.subject,
                     change.before, change.after, one.id if published else None)  # fmt: skip


def frozen(value: Any) -> Any:
    """Return a value with its mappings read-only and its lists as tuples."""
    if isinstance(value, dict):
        return MappingProxyType({key: frozen(inner) for key, inner in value.items()})
    return tuple(map(frozen, value)) if isinstance(value, list | tuple) and not hasattr(value, "_fields") else value
