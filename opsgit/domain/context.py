"""A request together with what it is decided by, as gates and effects see it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from opsgit.domain import policy, text
from opsgit.domain.model import Agent, Project
from opsgit.domain.refusals import refuse
from opsgit.domain.request import Request, Snapshot

if TYPE_CHECKING:
    from opsgit.domain.operation import Operation
    from opsgit.domain.rules import RuleBook


@dataclass(frozen=True, repr=False)
class Context:
    """One request before the rule book in force: the state, the operation, who asks, and when (RFC 3339)."""

    snapshot: Snapshot
    request: Request
    actor: Agent
    at: str
    project: Project
    rules: RuleBook
    operation: Operation

    @cached_property
    def rights(self) -> frozenset[str]:
        """What the actor may do."""
        return policy.rights(self.project, self.actor)

    @property
    def me(self) -> str:
        """The actor's name."""
        return self.actor.name

    def words(self, name: str, limit: int = text.TEXT_MAX, lines: bool = True) -> str:
        """A text argument, checked."""
        return text.check(str(self.request.get(name) or ""), name, limit, lines)

    def need_right(self, *rights: str) -> None:
        """Refuse with `RIGHT_MISSING` unless the actor holds one of the rights."""
        if not self.rights & set(rights):
            known = policy.roles(self.project)
            able = [role for role, held in known.items() if set(held) & set(rights)]
            refuse(
                "RIGHT_MISSING",
                f"{self.request.op} needs the right to {' or '.join(rights)}; {self.me} is of role {self.actor.role}",
                f"ask an agent of role {' or '.join(able)}",
            )

    def need_note(self, why: str) -> str:
        """The note, which must say something; refuses with `REASON_REQUIRED`."""
        if not self.request.note:
            refuse("REASON_REQUIRED", f"{why} needs a reason", 'add --reason "..."')
        return self.request.note
