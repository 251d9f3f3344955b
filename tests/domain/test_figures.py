"""The report's figures against a small history worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest

from opsgit.domain import statistics


def step(
    at: int, path: str, before: str | None, status: str | None, by: str, assigned: str | None = None
) -> dict[str, Any]:
    entry = {"at": at, "path": path, "by": by, "before": before, "status": status, "assigned": assigned}
    return {key: value for key, value in entry.items() if value is not None}


# A: started at 100, rejected at 300, done at 700; B: started 200, done 1200; C: started 300, submitted 400, still there.
HISTORY = [
    step(100, "A", "assigned", "in-progress", "dev", "dev"),
    step(200, "A", "in-progress", "review", "dev", "dev"),
    step(200, "B", "assigned", "in-progress", "dev2", "dev2"),
    step(300, "A", "review", "rejected", "qa", "dev"),
    step(300, "C", "assigned", "in-progress", "dev", "dev"),
    step(400, "A", "rejected", "in-progress", "dev", "dev"),
    step(400, "C", "in-progress", "review", "dev", "dev"),
    step(500, "A", "in-progress", "review", "dev", "dev"),
    step(600, "B", "in-progress", "review", "dev2", "dev2"),
    step(650, "Q", None, None, "dev"),
    {**step(700, "A", "review", "done", "qa", "dev"), "reviewers": ["qa3", "qa"]},
    step(1200, "B", "review", "done", "qa2", "dev2"),
    step(1300, "A", "done", "deployed", "ship", "dev"),
]


def test_all_of_it() -> None:
    found = statistics.figures(HISTORY, 0)
    assert found.transitions == {"in-progress": 4, "review": 4, "rejected": 1, "done": 2, "deployed": 1}
    dev, dev2, qa, qa2 = (found.agents[name] for name in ("dev", "dev2", "qa", "qa2"))
    assert (dev.done, dev.rejected, dev.success, dev.operations) == (1, 1, 0.5, 7)
    assert (dev2.done, dev2.rejected, dev2.success) == (1, 0, 1.0)
    assert (qa.reviews, qa2.reviews, qa.success) == ([100, 200], [600], None)
    qa3, ship = found.agents["qa3"], found.agents["ship"]
    assert (qa.reviewed, qa2.reviewed, qa3.reviewed, ship.deployed) == (2, 1, 1, 1)
    assert [one.completed for one in (dev, dev2, qa, qa2, qa3, ship)] == [1, 1, 2, 1, 1, 1]
    assert found.cycles == [600, 1000]
    assert (statistics.median(found.cycles), statistics.rank(found.cycles)) == (800, 1000)


def test_only_the_time_asked_for_counts_but_beginnings_are_remembered() -> None:
    found = statistics.figures(HISTORY, 650)
    assert found.transitions == {"done": 2, "deployed": 1}
    assert found.cycles == [600, 1000]
    assert (found.agents["dev"].done, found.agents["dev"].rejected, found.agents["dev"].operations) == (1, 0, 1)


@pytest.mark.parametrize(
    ("values", "expected"), [([], None), ([5], 5), ([1, 2], 2), (list(range(1, 21)), 17), ([3, 1, 2], 3)]
)
def test_the_nearest_rank(values: list[int], expected: int | None) -> None:
    assert statistics.rank(values) == expected
