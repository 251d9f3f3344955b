"""The checker itself: it finds each fault that is put into a history on purpose."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.history.checker import LOCAL, OK, REFUSED, UNKNOWN, Call, Entry, History, check


def honest() -> History:
    """A history in which all promises were kept."""
    calls = [
        Call("a-1", "a", "task.claim", "T", 0, 1, OK),
        Call("b-1", "b", "task.claim", "T", 0, 2, REFUSED, "ALREADY_CLAIMED"),
        Call("a-2", "a", "task.release", "T", 3, 4, OK),
        Call("b-2", "b", "task.claim", "T", 5, 6, OK),
        Call("a-3", "a", "quota.use", "q", 7, 8, OK),
        Call("b-3", "b", "quota.use", "q", 7, 8, REFUSED, "QUOTA_EXCEEDED"),
        Call("a-4", "a", "task.comment", "T", 9, outcome=UNKNOWN),
        Call("b-4", "b", "task.comment", "T", 9, 10, LOCAL),
        Call("b-5", "b", "task.comment", "T", 9, 10, LOCAL, dropped=True),
    ]
    steps = [("a-1", "a", "task.claim", "T"), ("a-2", "a", "task.release", "T"), ("b-2", "b", "task.claim", "T"),
             ("a-3", "a", "quota.use", "q"), ("b-4", "b", "task.comment", "T"), ("x", "ship", "task.deploy-start", "D")]  # fmt: skip
    ledger = [Entry(place, *step) for place, step in enumerate(steps)]
    ledger[3].amount = 1
    ledger[5].ref = "r-1"
    return History(calls, ledger, ["r-1"], {"q": 1})


def test_an_honest_history_has_no_fault() -> None:
    assert check(honest()) == []


def lost(history: History) -> None:
    del history.ledger[2]


def twice(history: History) -> None:
    history.ledger.append(Entry(6, "a-3", "a", "metric.set", "q"))


def refused_and_done(history: History) -> None:
    history.ledger.append(Entry(6, "b-1", "b", "task.comment", "T"))


def unknown_twice(history: History) -> None:
    history.ledger += [Entry(6, "a-4", "a", "task.comment", "T"), Entry(7, "a-4", "a", "task.comment", "T")]


def offline_lost(history: History) -> None:
    del history.ledger[4]


def dropped_and_there(history: History) -> None:
    history.ledger.append(Entry(6, "b-5", "b", "task.comment", "T"))


def stale(history: History) -> None:
    history.ledger[0].place, history.ledger[3].place = 3, 0
    history.ledger.sort(key=lambda entry: entry.place)


def double_claim(history: History) -> None:
    history.calls[2].outcome = REFUSED
    del history.ledger[1]


def quota_spent_twice(history: History) -> None:
    history.calls[5].outcome = OK
    history.ledger.append(Entry(6, "b-3", "b", "quota.use", "q", 1))


def run_without_a_start(history: History) -> None:
    history.runs.append("r-2")


def run_twice(history: History) -> None:
    history.runs.append("r-1")


FAULTS: dict[Callable[[History], None], str] = {
    lost: "0 times on the ledger", twice: "2 times on the ledger", refused_and_done: "refused, and on the ledger",
    unknown_twice: "2 times on the ledger", offline_lost: "made offline, synced, and 0 times", dropped_and_there: "made offline, dropped, and 1 times",
    stale: "stands before", double_claim: "is claimed by b while a has it", quota_spent_twice: "2 of 1 of q", run_without_a_start: "r-2",
    run_twice: "ran 2 times",
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_each_fault_is_found(fault: Callable[[History], None]) -> None:
    history = honest()
    fault(history)
    assert any(FAULTS[fault] in wrong for wrong in check(history)), check(history)
