"""The context of a decision: a request with everything that gates and effects need to decide it."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from opsgit.domain import policy, text
from opsgit.domain.model import Agent, Project
from opsgit.domain.refusals import refuse
from opsgit.domain.request import Request, Snapshot
from opsgit.domain.values import Value, positional

if TYPE_CHECKING:
    from opsgit.domain.operation import Operation
    from opsgit.domain.rules import RuleBook


@positional
class Context(Value):
    """One request together with the state, the rule book in force, the operation, the actor, and the time.

    `at` is the time of the commit as RFC 3339 text.
    """

    snapshot: Snapshot
    request: Request
    actor: Agent
    at: str
    project: Project
    rules: RuleBook
    operation: Operation

    @cached_property
    def rights(self) -> frozenset[str]:
        """The rights that the actor holds."""
        return policy.rights(self.project, self.actor)

    @property
    def me(self) -> str:
        """The actor's name."""
        return self.actor.name

    def words(self, name: str, limit: int = text.TEXT_MAX, lines: bool = True) -> str:
        """Return a text argument after `text.check`; a missing argument counts as empty.

        :param limit: the maximum length in bytes of UTF-8.
        :param lines: whether newlines and tabs are allowed.
        :raises Refused: `BAD_TEXT`.
        """
        return text.check(str(self.request.get(name) or ""), name, limit, lines)

    def need_right(self, *rights: str) -> None:
        """Refuse unless the actor holds at least one of the rights.

        :raises Refused: `RIGHT_MISSING`.
        """
        if not self.rights & set(rights):
            known = policy.roles(self.project)
            able = [role for role, held in known.items() if set(held) & set(rights)]
            refuse(
                "RIGHT_MISSING",
                f"{self.request.op} needs the right to {' or '.join(rights)}; {self.me} is of role {self.actor.role}",
                f"ask an agent of role {' or '.join(able)}",
            )

    def need_note(self, why: str) -> str:
        """Return the request's note, which must not be empty.

        :param why: the step that needs the reason, for the message.
        :raises Refused: `REASON_REQUIRED`.
        """
        if not self.request.note:
            refuse("REASON_REQUIRED", f"{why} needs a reason", 'add --reason "..."')
        return self.request.note
