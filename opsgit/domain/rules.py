"""The versions of the rule book: each is a set of operations and gates.

The parent's ops.yaml names the version that decides a commit. On a review branch it is the ops.yaml of the ledger
commit that the message names. A later version replaces entries of an earlier one, in this module only:

    VERSIONS[2] = VERSIONS[1].with_changes(2, gates={"a deliverable is named": stricter})
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from opsgit.domain.catalogue import OPERATIONS
from opsgit.domain.gates import GATES, Gate
from opsgit.domain.operation import Operation
from opsgit.domain.refusals import Refusal, refuse
from opsgit.domain.values import Value, positional
from opsgit.domain.vocabulary import IN_REVIEW

if TYPE_CHECKING:
    from opsgit.domain.model import Project, Task


@positional
class RuleBook(Value):
    """One version of the rule book: its operations and its gates, by name."""

    version: int
    operations: Mapping[str, Operation]
    gates: Mapping[str, Gate]

    def with_changes(
        self, version: int, operations: Mapping[str, Operation] | None = None, gates: Mapping[str, Gate] | None = None
    ) -> RuleBook:
        """Return another version that replaces or adds some operations and gates."""
        return RuleBook(version, {**self.operations, **(operations or {})}, {**self.gates, **(gates or {})})

    def operation(self, name: str) -> Operation:
        """Return the operation of a name.

        :raises Refused: `NO_SUCH_OPERATION`.
        """
        found = self.operations.get(name)
        if found is None:
            refuse("NO_SUCH_OPERATION", f"there is no operation {name!r}", "opsgit help lifecycle")
        return found

    def next(self) -> RuleBook:
        """Return the version after this one.

        :raises Refused: `UNKNOWN_RULES`.
        """
        return version(self.version + 1)

    @cached_property
    def steps(self) -> tuple[Operation, ...]:
        """The operations that can change a task's status: those with source and target statuses."""
        return tuple(one for one in self.operations.values() if one.sources and one.targets)

    @cached_property
    def moves(self) -> dict[tuple[str, str], Operation]:
        """The operation that `task move` selects, by current and wanted status; the first in the catalogue is used."""
        return {
            (source, target): one
            for one in reversed(self.steps)
            for source in one.sources
            for target in one.targets
            if target != source
        }

    def why_not(self, operation: Operation, task: Task) -> Refusal:
        """Return the refusal of an operation that is not possible from the task's status.

        :returns: a refusal with `ALREADY_CLAIMED`, `ALREADY_THERE`, `IN_REVIEW` or `ILLEGAL_TRANSITION`.
        """
        if operation.name == "task.claim" and task.assigned:
            return Refusal("ALREADY_CLAIMED", f"{task.id} was claimed by {task.assigned}", "opsgit task next")
        if task.status in operation.targets:
            whose = f", assigned to {task.assigned}" if task.assigned else ""
            return Refusal("ALREADY_THERE", f"{task.id} is {task.status} already{whose}", f"opsgit task show {task.id}")
        if task.status == IN_REVIEW:
            reviewer = task.pipeline[-2].agent or "REVIEWER"
            hint = f"opsgit review approve {task.id} --as {reviewer}, or review reject, comment, withdraw"
            return Refusal("IN_REVIEW", f"{operation.name} is not possible while {task.id} is in review", hint)
        possible = [one for one in self.steps if task.status in one.sources and one.targets[0] != task.status]
        named = ", ".join(f"{one.name} (to {one.targets[0]})" for one in possible) or "nothing: it has ended"
        why = f"{operation.name} is not possible while {task.id} is {task.status}; from there: {named}"
        waited = [one for one in self.operations.values() if one.advice and one.advice.who(task, bool)] or possible
        hint = waited[-1].command.format(id=task.id) if waited else f"opsgit task show {task.id}"
        return Refusal("ILLEGAL_TRANSITION", why, hint)


VERSIONS: dict[int, RuleBook] = {1: RuleBook(1, OPERATIONS, GATES)}


def version(number: int) -> RuleBook:
    """Return a version of the rule book.

    :raises Refused: `UNKNOWN_RULES` when this program does not have it.
    """
    found = VERSIONS.get(number)
    if found is None:
        known = f"{min(VERSIONS)} to {max(VERSIONS)}" if len(VERSIONS) > 1 else str(max(VERSIONS))
        refuse("UNKNOWN_RULES", f"the ledger asks for version {number} of the rule book; this opsgit knows {known}",
               "pip install --upgrade opsgit")  # fmt: skip
    return found


def in_force(project: Project) -> RuleBook:
    """Return the rule book that decides the commits that follow a state.

    :param project: the project in that state.
    :raises Refused: `UNKNOWN_RULES`.
    """
    return version(project.rules)
