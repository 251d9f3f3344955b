"""The figures of a report, computed from the operations of the ledger alone.

- A task is *done* when a review approves it and *rejected* when a review rejects it. Both count for the assignee.
- The success rate is done / (done + rejected).
- The time of a review runs from the submission to the verdict. It counts for the author of the verdict.
- *Completed* counts an agent's approved tasks, its deployments, and the reviews in which it signed off or gave the
  verdict, if they ended with an approval or a rejection. Later operations do not reduce it.
- A cycle runs from the first start of work to done. The start of what was imported in progress is not known.
- The 85th percentile is the nearest rank: the smallest value such that at least 85 % of the values are not larger.

All times are in seconds.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from opsgit.domain.vocabulary import DEPLOYED, DONE, IMPORTED, IN_PROGRESS, IN_REVIEW, REJECTED

# One operation: by, at (seconds after the epoch), path. A transition also has before, status and assigned; a verdict
# has reviewers (the agents that signed off).
Entry = Mapping[str, Any]


@dataclass(eq=False, repr=False)
class Performance:
    """The figures of one agent in the period of a report. `reviews` holds durations in seconds."""

    done: int = 0
    rejected: int = 0
    reviews: list[int] = field(default_factory=list)
    reviewed: int = 0
    deployed: int = 0
    operations: int = 0

    @property
    def completed(self) -> int:
        """The number of approved tasks, reviews and deployments."""
        return self.done + self.reviewed + self.deployed

    @property
    def success(self) -> float | None:
        """done / (done + rejected), or None when both are 0."""
        judged = self.done + self.rejected
        return self.done / judged if judged else None


@dataclass(eq=False, repr=False)
class Figures:
    """The figures of the period of a report: transitions by status, figures by agent, and cycle times in seconds."""

    transitions: Counter[str] = field(default_factory=Counter)
    agents: dict[str, Performance] = field(default_factory=lambda: defaultdict(Performance))
    cycles: list[int] = field(default_factory=list)


def figures(entries: Iterable[Entry], since: int) -> Figures:
    """Return the figures of all operations from a time on. Earlier operations only tell when work and reviews began.

    :param entries: all operations of the ledger, oldest first.
    :param since: seconds after the epoch.
    """
    found, begun, handed_in = Figures(), dict[str, int](), dict[str, int]()
    for entry in entries:
        path, at, status = entry["path"], entry["at"], entry.get("status")
        if status == IN_PROGRESS and entry.get("before") != IMPORTED:
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
    if status and before != IMPORTED:
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
    """Return the median, or None for no values."""
    import statistics  # takes 8 ms to import, and every write computes figures but needs no median

    return statistics.median(values) if values else None


def rank(values: Sequence[int], share: float = 0.85) -> int | None:
    """Return the nearest-rank percentile, or None for no values.

    :param share: the percentile as a fraction greater than 0 and at most 1.
    """
    return sorted(values)[math.ceil(share * len(values)) - 1] if values else None
