"""Exceptions: operations that the rules allow, and that an auditor should look at.

An orchestrator may add reviewers, give them new keys, give rights to roles, ask for fewer approvals, and set the time
of the ledger back. So it could approve alone what should need two agents, and no rule can tell that from honest work.
It is visible. verify gives notice of:

- approvals by new reviewers: somebody else added, edited or gave a new key to them at most a day before they signed;
- changes of the policy on roles and reviews;
- resets of the clock.

Agents and policies that were set within a day after the ledger's first commit are its founding, and are not reported. A
new key from somebody else is reported on that day too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from opsgit.domain import times
from opsgit.domain.operation import RESET_CLOCK
from opsgit.domain.standing import APPROVE
from opsgit.domain.times import DAY
from opsgit.domain.vocabulary import ENDED, IMPORTED

SET_POLICY = "project.set"
ON_REVIEWS = ("roles", "review")  # the parts of the policy that say who may approve, and what an approval needs
FOUNDING = {"agent.add": "was added", "agent.edit": "was edited"}
INTRODUCES = {**FOUNDING, "agent.rotate": "was given a new key"}
LOOKED_AT = frozenset({APPROVE, SET_POLICY, RESET_CLOCK, *INTRODUCES})
Signer = tuple[str, int]  # an agent, and when it signed (seconds after the epoch)


class Oddity(NamedTuple):
    """One exception.

    `kind` is one of: new reviewer, policy changed, clock reset, imported, ratified, attested, failed deployment, lease
    taken over, compromised key. `by` made the operation, `about` is the task or agent, `what` says what is unusual.
    `at` is RFC 3339 text, `commit` a hex id.
    """

    kind: str
    at: str
    by: str
    about: str
    what: str
    commit: str


class Deed(NamedTuple):
    """An operation that `Watch` looks at.

    `at` is in seconds after the epoch. `about` is the agent or the task, or the keys of the policy that were set,
    separated by commas. `signers` are those on whom an approval rests.
    """

    at: int
    op: str
    by: str
    about: str
    commit: str
    signers: tuple[Signer, ...] = ()


class Introduction(NamedTuple):
    """When an agent was last added, edited or given a key by somebody else; the operation, and who did it."""

    at: int
    op: str
    by: str


def signers(task: Mapping[str, Any]) -> Iterator[Signer]:
    """Yield on whom the approval of a task rests: who signed off, reported a check, or resolved a blocking thread.

    :param task: the record of the task.
    """
    review = task.get("review", {})
    resolved = [one["resolved"] for one in review.get("comments", ()) if one.get("blocking") and "resolved" in one]
    for one in (*review.get("sign_offs", ()), *review.get("checks", ()), *resolved):
        yield one["by"], times.seconds(one["at"])


class Watch:
    """Finds the exceptions of which verify gives notice. The deeds of a ledger are taken in their order.

    :param founded: when the ledger began (seconds after the epoch); None: its founding is over.
    :param known: by agent, the introductions before the first deed that is taken.
    """

    def __init__(self, founded: int | None, known: Mapping[str, tuple[int, str, str]]) -> None:
        self.founded = founded
        self.known = {name: Introduction(*one) for name, one in known.items()}

    def take(self, deed: Deed) -> Iterator[Oddity]:
        """Take the next deed, and yield its exceptions."""
        founding = self.founded is not None and deed.at <= self.founded + DAY
        if deed.op in INTRODUCES:
            if deed.by != deed.about and not (founding and deed.op in FOUNDING):
                self.known[deed.about] = Introduction(deed.at, deed.op, deed.by)
        elif deed.op == RESET_CLOCK:
            self.founded = None
            self.known = {name: one._replace(at=deed.at) for name, one in self.known.items()}  # times begin anew
            yield _oddity("clock reset", deed, "times before and after it cannot be compared")
        elif deed.op == SET_POLICY:
            keys = [key for key in deed.about.split(", ") if key.partition(".")[0] in ON_REVIEWS]
            if keys and not founding:
                yield _oddity("policy changed", deed._replace(about="project"), f"set {', '.join(keys)}")
        else:
            yield from self._approved(deed)

    def _approved(self, deed: Deed) -> Iterator[Oddity]:
        signed = (*deed.signers, (deed.by, deed.at))
        new = {name: self.known[name] for name, at in signed if name in self.known and at - self.known[name].at <= DAY}
        for name, one in new.items():
            what = f"{name} signed, who {INTRODUCES[one.op]} by {one.by} at {times.text(one.at)}"
            yield _oddity("new reviewer", deed, what)

    def recent(self, now: int) -> dict[str, tuple[int, str, str]]:
        """Return the introductions of the last day: the next verification needs them.

        :param now: the time of the ledger's newest commit.
        """
        return {name: one for name, one in self.known.items() if now - one.at <= DAY}


def _oddity(kind: str, deed: Deed, what: str) -> Oddity:
    return Oddity(kind, times.text(deed.at), deed.by, deed.about, what, deed.commit)


def oddities(entries: Iterable[Mapping[str, Any]], founded: int | None) -> Iterator[Oddity]:
    """Yield the exceptions among operations, in their order.

    :param entries: operations of the ledger as the index has them, oldest first.
    :param founded: as in `Watch`.
    """
    held: dict[str, str | None] = {}
    watch = Watch(founded, {})
    for entry in entries:
        path, op, at = entry["path"], entry["op"], times.text(entry["at"])
        common = {"at": at, "by": entry["by"], "about": entry["what"], "commit": entry["commit"]}
        if op in LOOKED_AT:
            yield from watch.take(_deed(entry))
        yield from _alone(entry, common)
        holder = held.get(path)
        if op == "task.claim" and holder and holder != entry["by"]:
            yield Oddity("lease taken over", what=f"from {holder}, whose lease had run out", **common)
        if "status" in entry:
            held[path] = entry.get("assigned") if entry["status"] not in ("backlog", *ENDED) else None


def _deed(entry: Mapping[str, Any]) -> Deed:
    about = entry.get("keys") or entry["what"].removeprefix("agent ")
    rests_on = tuple((name, at) for name, at in entry.get("signers", ()))
    return Deed(entry["at"], entry["op"], entry["by"], about, entry["commit"], rests_on)


def _alone(entry: Mapping[str, Any], common: Mapping[str, str]) -> Iterator[Oddity]:
    """Yield the exceptions that follow from one operation, whatever came before it."""
    op, note = entry["op"], f": {entry['note']}" if "note" in entry else ""
    if entry.get("before") == IMPORTED:
        yield Oddity("imported", what=f"came as {entry['status']} from another tracker, unproven", **common)
    if op == "agent.ratify":
        yield Oddity("ratified", what=f"commits of a compromised key were accepted{note}", **common)
    if op == "agent.compromise":
        yield Oddity("compromised key", what="a key was compromised: what it signed since is void", **common)
    if entry.get("evidence") == "attested":
        yield Oddity("attested", what="no deploy command is set: the deployer's word alone", **common)
    elif op == "task.deploy-finish" and "status" not in entry:
        yield Oddity("failed deployment", what=str(entry.get("evidence") or "no evidence"), **common)
