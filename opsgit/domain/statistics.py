"""The figures of a report, worked out from transitions and nothing else.

Definitions: a task is *done* when a review approves it, *rejected* when one rejects it; both count for the agent that
had it assigned. The success rate is done / (done + rejected). A review takes from the submission to its verdict and
counts for who gave the verdict. *Completed* is what an agent finished in its role: work that was approved, reviews that
it signed off or gave the verdict on, deployments that it made; nothing that happens later takes any of it away. A cycle
runs from the first start of work to done. The 85 % figure is the nearest rank: the smallest value that at least 85 % do
not exceed. Times are in seconds.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from opsgit.domain.vocabulary import DEPLOYED, DONE, IN_PROGRESS, IN_REVIEW, REJECTED

# An operation: by, at (seconds), path; a transition also has before, status, assigned; a verdict has reviewers (who
# signed off).
Entry = Mapping[str, Any]


@dataclass(eq=False, repr=False)
class Performance:
    """What one agent did in the time of a report; durations in seconds."""

    done: int = 0
    rejected: int = 0
    reviews: list[int] = field(default_factory=list)
    reviewed: int = 0
    deployed: int = 0
    operations: int = 0

    @property
    def completed(self) -> int:
        """What the agent finished in its role: approved work, reviews, deployments."""
        return self.done + self.reviewed + self.deployed

    @property
    def success(self) -> float | None:
        """done / (done + rejected), or None without either."""
        judged = self.done + self.rejected
        return self.done / judged if judged else None


@dataclass(eq=False, repr=False)
class Figures:
    """What happened in the time of a report."""

    transitions: Counter[str] = field(default_factory=Counter)
    agents: dict[str, Performance] = field(default_factory=lambda: defaultdict(Performance))
    cycles: list[int] = field(default_factory=list)


def figures(entries: Iterable[Entry], since: int) -> Figures:
    """The figures of all that happened at or after `since` (seconds); earlier entries only say when work began.

    :param entries: all operations of the ledger, oldest first.
    """
    found, begun, handed_in = Figures(), dict[str, int](), dict[str, int]()
    for entry in entries:
        path, at, status = entry["path"], entry["at"], entry.get("status")
        if status == IN_PROGRESS:
            begun.setdefault(path, at)
        if status == IN_REVIEW:
            handed_in[path] = at
        if at >= since:
            _count(found, entry, begun.get(path), handed_in.get(path))
        if status == DONE:
            begun.pop(path, None)
    return found


def _count(found: Figures, entry: Entry, begun: int | None, handed_in: int | None) -> None:
    status, before = entry.get("status"), entry.get("before")
    found.agents[entry["by"]].operations += 1
    if status and before != "imported":
        found.transitions[status] += 1
    if before == IN_REVIEW and status in (DONE, REJECTED):
        if entry.get("assigned"):
            worker = found.agents[entry["assigned"]]
            worker.done += status == DONE
            worker.rejected += status == REJECTED
        for name in {entry["by"], *entry.get("reviewers", ())}:
            found.agents[name].reviewed += 1
        if handed_in is not None:
            found.agents[entry["by"]].reviews.append(entry["at"] - handed_in)
        if status == DONE and begun is not None:
            found.cycles.append(entry["at"] - begun)
    if status == DEPLOYED and before == DONE:
        found.agents[entry["by"]].deployed += 1


def median(values: Sequence[int]) -> float | None:
    """The median, or None of nothing."""
    import statistics  # costs 8 ms, and every write works out figures

    return statistics.median(values) if values else None


def rank(values: Sequence[int], share: float = 0.85) -> int | None:
    """The nearest-rank percentile, or None of nothing."""
    return sorted(values)[math.ceil(share * len(values)) - 1] if values else None
