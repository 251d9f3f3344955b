"""The figures of flow and delivery, against a small history that was worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest

from opsgit.domain import flow
from opsgit.domain.flow import WEEK, Age, Cycle, Day, Measure
from opsgit.domain.times import DAY
from opsgit.domain.vocabulary import STATUSES

MONDAY = 20_000 * DAY - (20_000 * DAY - flow.MONDAY) % WEEK  # some Monday, 00:00 UTC


def at(days: float, path: str, before: str, status: str) -> dict[str, Any]:
    return {"at": MONDAY + int(days * DAY), "path": path, "before": before, "status": status}


# Monday: a and b are made, a is started. Tuesday noon: a is done. Wednesday: b is started; it is rejected on Thursday,
# started again on Friday, and waits in review since Saturday. a is deployed on Thursday, and rolled back on Saturday.
HISTORY = [
    at(0.0, "a", "new", "assigned"), at(0.25, "b", "new", "backlog"), at(0.5, "a", "assigned", "in-progress"),
    at(1.0, "a", "in-progress", "review"), at(1.5, "a", "review", "done"), at(2.0, "b", "backlog", "assigned"),
    at(2.0, "b", "assigned", "in-progress"), at(2.5, "b", "in-progress", "review"), at(3.0, "a", "done", "deployed"),
    at(3.5, "b", "review", "rejected"), at(4.0, "b", "rejected", "in-progress"), at(5.0, "a", "deployed", "rolled-back"),
    at(5.5, "b", "in-progress", "review"),
]  # fmt: skip
NOISE = {"at": MONDAY + DAY, "path": "a", "op": "task.comment"}
END = MONDAY + 6 * DAY + 10


def counts(**given: int) -> dict[str, int]:
    named = {name.replace("_", "-"): number for name, number in given.items()}
    return {status: named.get(status, 0) for status in STATUSES}


def test_the_cumulative_flow() -> None:
    found = flow.flow([HISTORY[0], NOISE, *HISTORY[1:]], END)
    assert found.days == [
        Day(MONDAY, counts(backlog=1, in_progress=1)),
        Day(MONDAY + DAY, counts(backlog=1, done=1)),
        Day(MONDAY + 2 * DAY, counts(review=1, done=1)),
        Day(MONDAY + 3 * DAY, counts(rejected=1, deployed=1)),
        Day(MONDAY + 4 * DAY, counts(in_progress=1, deployed=1)),
        Day(MONDAY + 5 * DAY, counts(review=1, rolled_back=1)),
        Day(MONDAY + 6 * DAY, counts(review=1, rolled_back=1)),
    ]


def test_cycles_ages_and_waits() -> None:
    found = flow.flow(HISTORY, END)
    assert found.cycles == [Cycle("a", MONDAY + int(1.5 * DAY), DAY)]
    assert found.ages == [Age("b", "review", 4 * DAY + 10)], "a rejection does not begin the work anew"
    assert {status: sum(waits) / DAY for status, waits in found.waits.items()} == {
        "assigned": 0.5, "in-progress": 0.5 + 0.5 + 1.5, "review": 0.5 + 1.0, "done": 1.5, "backlog": 1.75,
        "rejected": 0.5, "deployed": 2.0,
    }  # fmt: skip
    late = flow.flow(HISTORY, END, since=MONDAY + 5 * DAY)
    assert late.cycles == []
    assert dict(late.waits) == {"deployed": [2 * DAY], "in-progress": [int(1.5 * DAY)]}


def test_nothing_happened() -> None:
    for entries in ([], [NOISE]):
        found = flow.flow(entries, END)
        assert (found.days, found.cycles, found.ages, dict(found.waits)) == ([], [], [], {})


def test_weeks_begin_on_monday() -> None:
    ended = [Cycle("a", MONDAY - 1, 5), Cycle("b", MONDAY, 5), Cycle("c", MONDAY + WEEK - 1, 5)]
    assert flow.throughput(ended, MONDAY - 8 * DAY, MONDAY + WEEK) == [
        (MONDAY - 2 * WEEK, 0), (MONDAY - WEEK, 1), (MONDAY, 2), (MONDAY + WEEK, 0),
    ]  # fmt: skip


def deployments(number: int, rolled_back: int) -> list[dict[str, Any]]:
    """Each task is started, deployed two days later, and some are rolled back half a day after that."""
    found = []
    for one in range(number):
        path = f"t{one}"
        found += [at(0, path, "assigned", "in-progress"), at(2, path, "done", "deployed")]
        found += [at(2.5, path, "deployed", "rolled-back")] if one < rolled_back else []
    return sorted(found, key=lambda entry: entry["at"])


def test_delivery() -> None:
    told = flow.delivery(
        deployments(10, 5), {"t0": [MONDAY + int(2.25 * DAY)], "t1": [MONDAY]}, MONDAY, MONDAY + 2 * WEEK
    )
    assert told.frequency == Measure(5.0, 10)
    assert told.lead == Measure(2 * DAY, 10)
    assert told.failures == Measure(0.5, 10)
    assert told.restore == Measure(DAY / 2, 5), "the alert before the deployment does not count"
    assert flow.delivery(
        deployments(5, 5), {f"t{n}": [MONDAY + int(2.4 * DAY)] for n in range(5)}, MONDAY, END
    ).restore == (Measure(int(0.1 * DAY), 5))


@pytest.mark.parametrize("number", [0, 1, 4])
def test_few_cases_give_no_figure(number: int) -> None:
    told = flow.delivery(deployments(number, number), {}, MONDAY, END)
    assert [(one.value, one.cases) for one in told] == [(None, number)] * 4


def test_the_period_of_delivery() -> None:
    """Deployments of the period count as failed whenever they were rolled back; rollbacks count when they were made."""
    late = [*deployments(5, 0), *(at(20, f"t{one}", "deployed", "rolled-back") for one in range(5))]
    first = flow.delivery(late, {}, MONDAY, MONDAY + 10 * DAY)
    assert (first.frequency.cases, first.failures, first.restore.cases) == (5, Measure(1.0, 5), 0)
    second = flow.delivery(late, {}, MONDAY + 10 * DAY, MONDAY + 21 * DAY)
    assert (second.frequency.cases, second.failures.cases, second.restore) == (0, 0, Measure(18 * DAY, 5))


def test_what_was_imported_is_no_start_and_no_deployment() -> None:
    brought = [at(1, "i", "imported", "deployed"), at(2, "i", "deployed", "rolled-back"),
               at(1, "p", "imported", "in-progress"), at(3, "p", "in-progress", "review"), at(4, "p", "review", "done"),
               at(5, "p", "done", "deployed")]  # fmt: skip
    told = flow.delivery(brought, {}, MONDAY, END)
    assert (told.restore.cases, told.lead.cases, told.frequency.cases) == (0, 0, 1)
    assert flow.flow(brought, END).cycles == []


def test_a_young_project_is_at_least_a_week_old() -> None:
    assert flow.delivery(deployments(7, 0), {}, MONDAY - 11 * WEEK, MONDAY + 3 * DAY).frequency == Measure(7.0, 7)
    assert flow.delivery(deployments(7, 0), {}, MONDAY - 11 * WEEK, MONDAY + 2 * WEEK).frequency == Measure(3.5, 7)
