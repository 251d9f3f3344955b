"""Exceptions: operations that the rules allow, and that an auditor should look at.

One of them is an approval by a *new reviewer*, who was added, edited or given a new key by somebody else at most a day
before. An orchestrator may add reviewers and give them new keys. So it could approve alone what should need two agents,
and no rule can tell that from honest work. An agent that was added or edited within a day after the ledger's first
commit is not reported: that is the founding. A new key from somebody else is reported on that day too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from opsgit.domain import times
from opsgit.domain.standing import APPROVE
from opsgit.domain.vocabulary import ENDED, IMPORTED

DAY = 86_400
FOUNDING = {"agent.add": "was added", "agent.edit": "was edited"}
INTRODUCES = {**FOUNDING, "agent.rotate": "was given a new key"}


class Oddity(NamedTuple):
    """One exception.

    `kind` is one of: new reviewer, imported, ratified, attested, failed deployment, lease taken over, compromised key.
    `by` made the operation, `about` is the task or agent, `what` says what is unusual. `at` is RFC 3339 text, `commit`
    a hex id.
    """

    kind: str
    at: str
    by: str
    about: str
    what: str
    commit: str


class Deed(NamedTuple):
    """An operation that introduces an agent, or an approval.

    `at` is in seconds after the epoch. `about` is the agent or the task. `signers` are the agents that signed off or
    approved, for an approval.
    """

    at: int
    op: str
    by: str
    about: str
    commit: str
    signers: tuple[str, ...] = ()


class Introduction(NamedTuple):
    """When an agent was last added, edited or given a key by somebody else; the operation, and who did it."""

    at: int
    op: str
    by: str


class Reviewers:
    """Finds approvals by new reviewers. The deeds of a ledger are taken in their order.

    :param founded: when the ledger began (seconds after the epoch).
    :param known: by agent, the introductions before the first deed that is taken.
    """

    def __init__(self, founded: int, known: Mapping[str, tuple[int, str, str]]) -> None:
        self.founded = founded
        self.known = {name: Introduction(*one) for name, one in known.items()}

    def take(self, deed: Deed) -> Iterator[Oddity]:
        """Take the next deed, and yield an oddity for each new reviewer that signed it."""
        if deed.op != APPROVE:
            founding = deed.op in FOUNDING and deed.at <= self.founded + DAY
            if deed.by != deed.about and not founding:
                self.known[deed.about] = Introduction(deed.at, deed.op, deed.by)
            return
        for name in dict.fromkeys((*deed.signers, deed.by)):
            new = self.known.get(name)
            if new and deed.at - new.at <= DAY:
                what = f"{name} signed, who {INTRODUCES[new.op]} by {new.by} at {times.text(new.at)}"
                yield Oddity("new reviewer", times.text(deed.at), deed.by, deed.about, what, deed.commit)

    def recent(self, now: int) -> dict[str, tuple[int, str, str]]:
        """Return the introductions of the last day: the next verification needs them."""
        return {name: one for name, one in self.known.items() if now - one.at <= DAY}


def oddities(entries: Iterable[Mapping[str, Any]], founded: int) -> Iterator[Oddity]:
    """Yield the exceptions among operations, in their order.

    :param entries: operations of the ledger as the index has them, oldest first.
    :param founded: when the ledger began (seconds after the epoch).
    """
    held: dict[str, str | None] = {}
    reviewers = Reviewers(founded, {})
    for entry in entries:
        path, op, at = entry["path"], entry["op"], times.text(entry["at"])
        common = {"at": at, "by": entry["by"], "about": entry["what"], "commit": entry["commit"]}
        if op == APPROVE or op in INTRODUCES:
            signers = tuple(entry.get("reviewers", ()))
            about = entry["what"].removeprefix("agent ")
            yield from reviewers.take(Deed(entry["at"], op, entry["by"], about, entry["commit"], signers))
        yield from _alone(entry, common)
        holder = held.get(path)
        if op == "task.claim" and holder and holder != entry["by"]:
            yield Oddity("lease taken over", what=f"from {holder}, whose lease had run out", **common)
        if "status" in entry:
            held[path] = entry.get("assigned") if entry["status"] not in ("backlog", *ENDED) else None


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
