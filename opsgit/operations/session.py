"""What every operation needs: the repository, the actor, the note and the clock."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from opsgit.domain import names
from opsgit.domain.refusals import refuse
from opsgit.domain.vocabulary import IN_REVIEW
from opsgit.storage.repository import Repository

if TYPE_CHECKING:  # modules that only writes need are imported late, so that lists start faster
    from opsgit.domain.model import Agent
    from opsgit.domain.request import Change, Request, Snapshot
    from opsgit.operations.batch import Batch
    from opsgit.operations.transactions import Transaction
    from opsgit.storage.attachment import Files
    from opsgit.storage.index import Index
    from opsgit.storage.remote import Progress, Remote

Natural = Callable[["Snapshot", str], Sequence[str]]


@dataclass(eq=False, repr=False)
class Session:
    """One caller's use of one repository.

    `named` has the names that were given for the actor, each with its source, such as `--as`. `clock` returns seconds
    after the epoch. `notices` collects messages for the caller beside the data; `say` tells what cannot wait until the
    end. `online` says whether the remote is asked; None: as `opsgit.sync` in the clone's configuration says. `updated`
    is whether this session has already fetched. `op_id` is the id that the caller chose for its first request.
    `attachments` holds the files of deliverables by digest. `raced` is whether a push of this session has failed: what
    it held may have landed. `batch` collects operations that are to be published together. `past` is the index
    of the state that a session which only reads looks at; None: the present one.
    """

    repository: Repository
    named: tuple[tuple[str, str], ...] = ()
    note: str = ""
    dry_run: bool = False
    clock: Callable[[], float] = time.time
    notices: list[str] = field(default_factory=list)
    online: bool | None = None
    say: Callable[[str], None] = lambda _: None
    progress: Progress | None = None
    op_id: str = ""
    updated: bool = False
    attachments: dict[str, Files | str] = field(default_factory=dict)
    raced: bool = False
    batch: Batch | None = None
    past: Index | None = None

    @property
    def at(self) -> str:
        """The hex id of the ledger commit whose state the session looks at; empty: it looks at the tip."""
        return (self.past.tip() or "") if self.past else ""

    @cached_property
    def url(self) -> str | None:
        """The URL of the clone's remote `origin`, or None."""
        config = self.repository.folder / "config"
        if not config.is_file() or b'[remote "origin"]' not in config.read_bytes():
            return None  # this saves a git process
        return self.repository.git.setting("remote.origin.url")

    @property
    def remote(self) -> Remote | None:
        """The remote through which writes go, or None: there is none, or it is not to be asked."""
        if self.url is None or self._manual:
            return None
        from opsgit.storage.remote import Remote

        return Remote(self.repository.folder, self.url, self.progress, self.repository.lead)

    @property
    def offline(self) -> bool:
        """Whether there is a remote that is not to be asked."""
        return self.url is not None and self._manual

    @property
    def _manual(self) -> bool:
        return self._set_to_manual if self.online is None else not self.online

    @cached_property
    def _set_to_manual(self) -> bool:
        return self.repository.git.setting("opsgit.sync") == "manual"

    def index(self) -> Index:
        """Return the index after bringing it to the ledger's tip; new commits are judged first.

        A session that looks at the past has an index of its own.

        :raises Refused: the code of the first finding if a new commit breaks a rule.
        """
        if self.past:
            return self.past
        repository = self.repository
        # Writers move main before the index. So the index is asked first, and is never found ahead of main.
        while (at := repository.index.tip()) != (tip := repository.tip()):
            from opsgit.operations import trust
            from opsgit.storage import reader

            trust.judge_ledger(repository, tip)
            reader.advance_index(repository.objects(), repository.index, at, tip)
        return repository.index

    def look(self, task_id: str | None = None) -> Snapshot:
        """Return the present state, read without the lock. What is new on the ledger is judged before it is shown.

        :param task_id: a task; while it is in review, its review branch is judged and its version of the task is used.
        :raises Refused: as `trust.judge_ledger` and `trust.judge_review`.
        """
        if not self.batch:
            index = self.index()
            record = index.at(names.task_path(task_id)) if task_id and not self.at else None
            if (record or {}).get("status") != IN_REVIEW:
                from opsgit.domain.request import Snapshot
                from opsgit.storage.index_reader import IndexReader

                return Snapshot(IndexReader(self.repository, index, index.tip() or ""))
        from opsgit.operations import trust

        transaction = self.transaction()
        trust.judge_ledger(self.repository, transaction.base)
        if task_id:
            trust.judge_review(transaction, task_id, self.notices, fetched=self.updated)
        return transaction.snapshot(task_id)

    def now(self) -> int:
        """Return the time by which steps are decided: the clock's, but not before the ledger's last operation."""
        return max(int(self.clock()), self.index().newest())

    def transaction(self) -> Transaction:
        """Return a transaction at the ledger's tip; in a batch, the one that its operations were decided in."""
        if self.batch:
            return self.batch.trial
        from opsgit.operations.transactions import Transaction

        return Transaction(self.repository, self.clock, attachments=self.attachments)

    def request(self, op: str, target: str, natural: Natural | None = None, /, **fields: Any) -> Request:
        """Return a request by the actor; arguments that are None are left out.

        :param natural: finds the natural actor, if it is not the one that the catalogue names.
        :raises Refused: `BAD_ID` for the id of a task; as `actor_of`.
        """
        from opsgit.domain.request import Request

        task_id = names.check_id(target) if op.startswith(("task.", "review.")) else None
        actor = self.actor_of(op, target, self.look(task_id), natural)
        given = {name: value for name, value in fields.items() if value is not None}
        return Request(op, actor, target, given, self.note, self.op_id)

    def repeated(self) -> Change | None:
        """Return what was done before under the operation id that the caller chose, or None."""
        if not self.op_id:
            return None
        from opsgit.operations import repeat

        return repeat.known(self.repository, self.op_id, tuple(name for _, name in self.named))

    def refuse_op_id(self) -> None:
        """Refuse an operation id for a command that may perform several operations.

        :raises Refused: `BAD_VALUE`.
        """
        if self.op_id:
            refuse("BAD_VALUE", "an operation id is for one operation, and this command may make several",
                   "the same without --op-id: what is there already is not made again", "op-id")  # fmt: skip

    def actor_of(self, op: str, target: str, snapshot: Snapshot, natural: Natural | None = None) -> str:
        """Return the actor of an operation: the named one, else the natural actor that the catalogue gives for it.

        :param natural: finds the natural actors, if they are not those of the catalogue.
        :raises Refused: as `actor`; `NO_SUCH_OPERATION`.
        """
        from opsgit.domain import rules

        operation = rules.in_force(snapshot.project).operation(op)
        if not self.named and operation.actor == "nobody":
            self._nobody(self._able(snapshot, op, target), f"{op} is always signed by name")
        return self.actor(snapshot, natural or NATURAL[operation.actor], target)

    def actor(self, snapshot: Snapshot, natural: Natural, target: str = "") -> str:
        """Return the actor: the named one, else the only natural actor whose key is on this machine.

        :param natural: finds the natural actors.
        :param target: the id or name that the operation is about.
        :raises Refused: `IDENTITY_CONFLICT` if different agents are named; `IDENTITY_REQUIRED` if none is named and
            there is not exactly one natural actor, or the policy sets `identity.explicit`.
        """
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
        """Return the agents that could perform an operation now."""
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
        name = candidates[0] if len(candidates) == 1 else "NAME"
        refuse("IDENTITY_REQUIRED", f"who acts{could}? {why}", f"--as {name}")


def nobody(snapshot: Snapshot, target: str = "") -> Sequence[str]:
    """Return no natural actor, for operations whose actor must always be named."""
    return ()


def with_right(right: str) -> Natural:
    """Return a function that finds the agents with a right."""

    def find(snapshot: Snapshot, target: str = "") -> Sequence[str]:
        from opsgit.domain import policy

        return [a.name for a in snapshot.agents() if right in policy.rights(snapshot.project, a)]

    return find


orchestrator = with_right("orchestrate")
observer = with_right("observe")


def assignee(snapshot: Snapshot, target: str) -> Sequence[str]:
    """Return the agent that a task is assigned to, or the orchestrators if it is assigned to nobody."""
    name = snapshot.task(target).assigned
    return [name] if name else orchestrator(snapshot, target)


def of_stage(index: int) -> Natural:
    """Return a function that finds the agents of one stage of a task's pipeline; without any, the orchestrators.

    :param index: the position of the stage: 0 is the first, -1 the last.
    """

    def find(snapshot: Snapshot, target: str) -> Sequence[str]:
        stage = snapshot.task(target).pipeline[index]
        if stage.agent:
            return [stage.agent]
        return [a.name for a in snapshot.agents() if _fits(snapshot, a, stage.name)] or orchestrator(snapshot, target)

    return find


def _fits(snapshot: Snapshot, agent: Agent, role: str) -> bool:
    from opsgit.domain import policy

    return agent.role == role and bool(policy.rights(snapshot.project, agent))


def whoever(snapshot: Snapshot, target: str) -> Sequence[str]:
    """Return all active agents: words are those of whoever is here, if that is clear."""
    return [one.name for one in snapshot.agents() if one.status == "active"]


def user(snapshot: Snapshot, target: str) -> Sequence[str]:
    """Return the agents that may use a quota, or the orchestrators if everybody may."""
    return snapshot.quota(target).agents or orchestrator(snapshot, target)


# How to find the natural actor, by the value of `actor` in the operation's record in the catalogue.
NATURAL: dict[str, Natural] = {
    "nobody": nobody,
    "orchestrator": orchestrator,
    "observer": observer,
    "assignee": assignee,
    "first stage": of_stage(0),
    "last stage": of_stage(-1),
    "user": user,
    "whoever": whoever,
}
