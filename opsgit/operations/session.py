"""What every operation works with: the repository, who acts, the note, and the one way to write."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from opsgit.domain import names
from opsgit.domain.refusals import Refused, refuse
from opsgit.storage.disk import put
from opsgit.storage.repository import Repository

if TYPE_CHECKING:  # what only writes need is imported when something is written: lists start twice as fast
    from opsgit.domain.findings import Finding
    from opsgit.domain.model import Agent
    from opsgit.domain.request import Request, Snapshot
    from opsgit.storage.checkout import Checkout
    from opsgit.storage.ledger import Transaction, Written

REVIEWS_KEPT = 1000
Natural = Callable[["Snapshot"], Sequence[str]]


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
            self._trust_review(transaction, task_id)
        return transaction.snapshot(task_id)

    def transaction(self) -> Transaction:
        """The ledger's tip, to decide on."""
        from opsgit.storage.ledger import Transaction

        return Transaction(self.repository, self.clock)

    def request(self, op: str, target: str, natural: Natural, **fields: Any) -> Request:
        """A request by whoever acts, without the arguments that are None."""
        from opsgit.domain.request import Request

        task_id = names.check_id(target) if op.startswith(("task.", "review.")) else None
        actor = self.actor(self.look(task_id), natural)
        given = {name: value for name, value in fields.items() if value is not None}
        return Request(op, actor, target, given, self.note)

    def write(self, *requests: Request) -> list[Written]:
        """Decide the requests one after the other under the lock, and publish them all, or none."""
        with self.batch() as transaction:
            return [self._perform(transaction, request) for request in requests]

    def _perform(self, transaction: Transaction, request: Request) -> Written:
        if request.op.startswith(("task.", "review.")):
            self._trust_review(transaction, request.target)
        return transaction.perform(request)

    @contextmanager
    def batch(self) -> Iterator[Transaction]:
        """A transaction under the lock, published at the end unless this is a dry run or something was raised."""
        from opsgit.storage import checkout

        with self.repository.lock():
            transaction = self.transaction()
            self.trust(transaction.base)
            shown = checkout.of(self.repository, transaction.objects)
            if shown and not self.dry_run:
                self._mend(shown, transaction.base)
            yield transaction
            if not self.dry_run:
                transaction.publish()
                self._refresh(transaction)
        if transaction.unfinished:
            self.notices.append(transaction.unfinished)

    def trust(self, tip: str) -> None:
        """Judge what is new on the ledger since this clone last looked: nothing is built on or shown that was not.

        Refuses with the code of the first finding.
        """
        known = self._judged()
        if tip in known:
            return
        from opsgit.verification.verifier import Verifier

        start = known[0] if known else None
        self._refuse(Verifier(self.repository).since(tip, start), f"git reset --hard {(start or 'COMMIT')[:10]}")
        self._mark(tip)

    def _trust_review(self, transaction: Transaction, task_id: str) -> None:
        """The same for an open review, which may have come from a remote."""
        branch = transaction.reviewed(task_id) if names.ID.match(task_id) else None
        if branch is None or branch in self._judged() or transaction.written:
            return
        from opsgit.verification.verifier import Verifier

        hint = f"git update-ref -d refs/remotes/origin/review/{task_id}, if it is not yours"
        self._refuse(Verifier(self.repository).review(task_id, branch, transaction.tip), hint)
        self._mark(transaction.base, branch)

    def _refuse(self, findings: Sequence[Finding], hint: str) -> None:
        if findings:
            first = findings[0]
            why = f"what is here does not hold: {first.commit[:10]}: {first.message}"
            refuse(first.code, why, f"opsgit verify shows all; to go back: {hint}", first.path)

    def _judged(self) -> list[str]:
        """What was judged here: the ledger's tip, then tips of reviews."""
        mark = self.repository.own / "verified"
        return mark.read_text(errors="replace").split() if mark.exists() else []

    def _mark(self, tip: str, *reviews: str) -> None:
        """Remember, in the git folder, how far the ledger was judged here, and the newest reviews that were."""
        if os.access(self.repository.folder, os.W_OK):
            self.repository.own.mkdir(exist_ok=True)
            kept = dict.fromkeys((*reviews, *self._judged()[1:]))
            put(self.repository.own / "verified", "\n".join([tip, *list(kept)[:REVIEWS_KEPT], ""]).encode())

    def _mend(self, shown: Checkout, tip: str) -> None:
        """Mend the checkout; it is only a view, so that it cannot be mended is told and stops nothing."""
        try:
            shown.repair(tip)
        except (OSError, Refused) as error:
            self.notices.append(f"the checkout could not be brought up to date: {error}")

    def _refresh(self, transaction: Transaction) -> None:
        """Bring mark, allowed_signers and a small project's state.json up to date.

        It is published already: that something else cannot be done is only told.
        """
        from opsgit.operations import compile

        try:
            self._mark(transaction.tip, *(new for _, new in transaction.branches.values() if new))
            if any(path.startswith("agents/") for path in transaction.files):
                from opsgit.operations import init

                init.write_allowed_signers(self.repository, self.look())
            compile.refresh_small(self)
        except (OSError, Refused) as error:
            self.notices.append(f"not refreshed: {error}; opsgit compile and opsgit doctor --fix write it anew")

    def actor(self, snapshot: Snapshot, natural: Natural) -> str:
        """Who acts: the names that were given, which must agree, else the natural actor whose key is here."""
        if self.named:
            return self._agreed()
        candidates = natural(snapshot)
        if snapshot.project.identity.explicit or not candidates:
            self._nobody(candidates, "identity.explicit is set" if candidates else "nobody acts by nature here")
        here = [name for name in candidates if self.repository.keys.holds(name)]
        if len(here) != 1:
            self._nobody(here or candidates, "several keys are here" if here else "the key is not on this machine")
        self.notices.append(f"acting as {here[0]}")
        return here[0]

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


def nobody(_: Snapshot) -> Sequence[str]:
    """No natural actor: a sign-off must be claimed by name."""
    return ()


def orchestrator(snapshot: Snapshot) -> Sequence[str]:
    """The agents that may orchestrate."""
    from opsgit.domain import policy
    from opsgit.domain.vocabulary import ORCHESTRATE

    return [a.name for a in snapshot.agents() if ORCHESTRATE in policy.rights(snapshot.project, a)]


def assignee(task_id: str) -> Natural:
    """The agent that a task is assigned to; the orchestrators while it is nobody's."""

    def find(snapshot: Snapshot) -> Sequence[str]:
        name = snapshot.task(task_id).assigned
        return [name] if name else orchestrator(snapshot)

    return find


def of_stage(task_id: str, index: int) -> Natural:
    """The agents that a stage of a task's pipeline means (0 works, -1 deploys)."""

    def find(snapshot: Snapshot) -> Sequence[str]:
        stage = snapshot.task(task_id).pipeline[index]
        return [stage.agent] if stage.agent else [a.name for a in snapshot.agents() if _fits(snapshot, a, stage.name)]

    return find


def _fits(snapshot: Snapshot, agent: Agent, role: str) -> bool:
    from opsgit.domain import policy

    return agent.role == role and bool(policy.rights(snapshot.project, agent))
