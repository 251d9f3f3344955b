"""What every operation works with: the repository, who acts, the note, the clock."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from opsgit.domain import names
from opsgit.domain.refusals import refuse
from opsgit.storage.repository import Repository

if TYPE_CHECKING:  # what only writes need is imported when something is written: lists start twice as fast
    from opsgit.domain.model import Agent
    from opsgit.domain.request import Request, Snapshot
    from opsgit.operations.transactions import Transaction

Natural = Callable[["Snapshot", str], Sequence[str]]


@dataclass(eq=False, repr=False)
class Session:
    """One caller's dealings with one repository.

    `named` are the names that were given for the actor, each with where it was given; `notices` collects what the
    caller should be told beside the data.
    """

    repository: Repository
    named: tuple[tuple[str, str], ...] = ()
    note: str = ""
    dry_run: bool = False
    clock: Callable[[], float] = time.time
    notices: list[str] = field(default_factory=list)

    def look(self, task_id: str | None = None) -> Snapshot:
        """The state now, without the lock; with a task in review, its branch's version."""
        transaction = self.transaction()
        if task_id:
            from opsgit.operations import trust

            trust.judge_review(transaction, task_id)
        return transaction.snapshot(task_id)

    def transaction(self) -> Transaction:
        """The ledger's tip, to decide on."""
        from opsgit.operations.transactions import Transaction

        return Transaction(self.repository, self.clock)

    def request(self, op: str, target: str, natural: Natural | None = None, /, **fields: Any) -> Request:
        """A request by whoever acts, without the arguments that are None.

        :param natural: who acts when nobody is named, where it is not whom the catalogue says.
        """
        from opsgit.domain.request import Request

        task_id = names.check_id(target) if op.startswith(("task.", "review.")) else None
        actor = self.actor_of(op, target, self.look(task_id), natural)
        given = {name: value for name, value in fields.items() if value is not None}
        return Request(op, actor, target, given, self.note)

    def actor_of(self, op: str, target: str, snapshot: Snapshot, natural: Natural | None = None) -> str:
        """Who makes an operation: who is named, else the natural actor that the catalogue has for it."""
        from opsgit.domain import rules

        operation = rules.in_force(snapshot.project).operation(op)
        if not self.named and operation.actor == "nobody":
            self._nobody(self._able(snapshot, op, target), f"{op} is always signed by name")
        return self.actor(snapshot, natural or NATURAL[operation.actor], target)

    def actor(self, snapshot: Snapshot, natural: Natural, target: str = "") -> str:
        """Who acts: the names that were given, which must agree, else the natural actor whose key is here."""
        if self.named:
            return self._agreed()
        candidates = natural(snapshot, target)
        if snapshot.project.identity.explicit or not candidates:
            self._nobody(candidates, "identity.explicit is set" if candidates else "this step is always by name")
        here = [name for name in candidates if self.repository.keys.holds(name)]
        if len(here) != 1:
            self._nobody(here or candidates, "several keys are here" if here else "the key is not on this machine")
        self.notices.append(f"acting as {here[0]}")
        return here[0]

    def _able(self, snapshot: Snapshot, op: str, target: str) -> list[str]:
        """The agents that could take a step now."""
        from opsgit.domain.decide import may

        now = int(self.clock())
        return [a.name for a in snapshot.agents() if may(snapshot, op, a.name, target, now) is None]

    def _agreed(self) -> str:
        agreed = dict.fromkeys(name for _, name in self.named)
        if len(agreed) > 1:
            said = ", ".join(f"{source} says {name}" for source, name in self.named)
            hint = "act in a clone of that agent's own, or leave one out: --as, OPSGIT_AGENT, git config opsgit.agent"
            refuse("IDENTITY_CONFLICT", f"who acts is contradictory: {said}", hint)
        return next(iter(agreed))

    def _nobody(self, candidates: Sequence[str], why: str) -> None:
        could = f" ({' or '.join(candidates)} could)" if candidates else ""
        refuse("IDENTITY_REQUIRED", f"who acts{could}? {why}", f"--as {candidates[0] if candidates else 'NAME'}")


def nobody(snapshot: Snapshot, target: str = "") -> Sequence[str]:
    """No natural actor: a sign-off must be claimed by name."""
    return ()


def with_right(right: str) -> Natural:
    """The agents that hold a right."""

    def find(snapshot: Snapshot, target: str = "") -> Sequence[str]:
        from opsgit.domain import policy

        return [a.name for a in snapshot.agents() if right in policy.rights(snapshot.project, a)]

    return find


orchestrator = with_right("orchestrate")
observer = with_right("observe")


def assignee(snapshot: Snapshot, target: str) -> Sequence[str]:
    """The agent that a task is assigned to; the orchestrators while it is nobody's."""
    name = snapshot.task(target).assigned
    return [name] if name else orchestrator(snapshot, target)


def of_stage(index: int) -> Natural:
    """The agents that a stage of a task's pipeline means (0 works, -1 deploys), else the orchestrators."""

    def find(snapshot: Snapshot, target: str) -> Sequence[str]:
        stage = snapshot.task(target).pipeline[index]
        if stage.agent:
            return [stage.agent]
        return [a.name for a in snapshot.agents() if _fits(snapshot, a, stage.name)] or orchestrator(snapshot, target)

    return find


def _fits(snapshot: Snapshot, agent: Agent, role: str) -> bool:
    from opsgit.domain import policy

    return agent.role == role and bool(policy.rights(snapshot.project, agent))


def user(snapshot: Snapshot, target: str) -> Sequence[str]:
    """Whom a quota names; the orchestrators where it names nobody."""
    return snapshot.quota(target).agents or orchestrator(snapshot, target)


# Who acts when nobody is named, by the word that an operation's record in the catalogue has for it.
NATURAL: dict[str, Natural] = {
    "nobody": nobody,
    "orchestrator": orchestrator,
    "observer": observer,
    "assignee": assignee,
    "first stage": of_stage(0),
    "last stage": of_stage(-1),
    "user": user,
}
