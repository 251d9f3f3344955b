"""Quota windows: when they end, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from opsgit.domain import quotas, times
from opsgit.domain.refusals import Refusal
from opsgit.domain.request import Change
from tests.domain.world import World, replayed


def code(answer: Change | Refusal) -> str | None:
    return answer.code if isinstance(answer, Refusal) else None


@pytest.mark.parametrize(
    ("period", "at", "reset"),
    [
        ("hourly", "2026-03-01T10:00:00Z", "2026-03-01T11:00:00Z"),
        ("hourly", "2026-12-31T23:59:59Z", "2027-01-01T00:00:00Z"),
        ("daily", "2026-02-28T00:00:00Z", "2026-03-01T00:00:00Z"),
        ("weekly", "2026-11-22T18:00:00Z", "2026-11-23T00:00:00Z"),
        ("weekly", "2026-11-23T00:00:00Z", "2026-11-30T00:00:00Z"),
        ("monthly", "2026-12-31T23:00:00Z", "2027-01-01T00:00:00Z"),
        ("monthly", "2028-02-29T12:00:00Z", "2028-03-01T00:00:00Z"),
        ("none", "2026-01-01T00:00:00Z", None),
    ],
)
def test_windows_end_on_utc_boundaries(period: str, at: str, reset: str | None) -> None:
    assert quotas.next_reset(period, at) == reset


def quota(**fields: Any) -> World:
    world = World.peopled()
    world.do("quota.set", "boss", "q", limit=3, period="hourly", **fields)
    return world


def used(world: World) -> int:
    return world.snapshot().quota("q").used


def test_use_is_refused_past_the_limit_and_the_window_rolls_over() -> None:
    world = quota()
    world.do("quota.use", "dev", "q", amount=2)
    answer = world.ask("quota.use", "dev", "q", amount=2)
    assert isinstance(answer, Refusal)
    assert (answer.code, answer.exit) == ("QUOTA_EXCEEDED", 8)
    assert "1 of 3 left" in answer.message and "2023-11-14T23:00:00Z" in answer.message
    world.do("quota.use", "dev", "q", amount=1)
    world.now += 3600
    change = world.ask("quota.use", "dev", "q", amount=3)
    assert isinstance(change, Change)
    assert replayed(world, change).edits == change.edits
    world.apply(change)
    assert used(world) == 3


@pytest.mark.parametrize("amount", [0, -1, "1", 1.5, True, None, 2**60])
def test_only_whole_amounts_are_used(amount: object) -> None:
    assert code(quota().ask("quota.use", "dev", "q", amount=amount)) in ("BAD_VALUE", "QUOTA_EXCEEDED")


def test_only_who_is_named_uses_it() -> None:
    world = quota(agents=["dev"])
    assert code(world.ask("quota.use", "dev2", "q", amount=1)) == "NOT_ON_QUOTA"
    assert code(world.ask("quota.use", "dev", "q", amount=1)) is None
    assert code(world.ask("quota.set", "boss", "r", limit=1, agents=["nobody"])) == "NOT_FOUND"


def test_setting_keeps_what_is_used_also_if_the_period_changes() -> None:
    world = quota()
    world.do("quota.use", "dev", "q", amount=2)
    world.do("quota.set", "boss", "q", limit=5, period="hourly")
    assert used(world) == 2
    before = world.files["quotas/q.yaml"]["reset_at"]
    world.do("quota.set", "boss", "q", limit=5, period="daily")
    assert used(world) == 2 and world.files["quotas/q.yaml"]["reset_at"] > before
    world.do("quota.set", "boss", "q", limit=5, period="hourly")
    assert used(world) == 2, "there and back empties nothing"
    assert code(world.ask("quota.set", "boss", "q", limit=-1)) == "BAD_VALUE"
    assert code(world.ask("quota.set", "dev", "q", limit=9)) == "RIGHT_MISSING"


def test_a_new_quota_may_bring_its_use_and_a_window_that_has_begun() -> None:
    world = World.peopled()
    change = world.do("quota.set", "boss", "q", limit=3, period="daily", used=2, reset_at="2023-11-14T00:00:00Z")
    assert replayed(World.peopled(), change).edits == change.edits
    assert used(world) == 2
    world.do("quota.use", "dev", "q", amount=3)
    assert (used(world), world.snapshot().quota("q").reset_at) == (3, "2023-11-15T00:00:00Z")
    world.do("quota.set", "boss", "q", limit=3, period="daily", agents=["dev"], used=0)
    assert used(world) == 3, "what is used of a quota that is there is counted, not set"


@pytest.mark.parametrize(
    ("period", "reset_at"),
    [("daily", "2023-11-16T00:00:00Z"), ("daily", "2023-11-14T00:00:01Z"), ("none", "2023-11-14T00:00:00Z"), ("daily", "soon")],
)  # fmt: skip
def test_a_window_that_is_none_is_not_brought(period: str, reset_at: str) -> None:
    answer = World.peopled().ask("quota.set", "boss", "q", limit=3, period=period, reset_at=reset_at)
    assert code(answer) == "BAD_VALUE"


@pytest.mark.parametrize("amount", [-1, "1", 1.5, 2**60])
def test_only_whole_use_is_brought(amount: object) -> None:
    assert code(World.peopled().ask("quota.set", "boss", "q", limit=3, period="none", used=amount)) == "BAD_VALUE"


@pytest.mark.parametrize(
    ("name", "period"),
    [("publish_daily", "daily"), ("hourly-api", "hourly"), ("none_at_all", None), ("dailyish", None)],
)
def test_the_period_in_a_name(name: str, period: str | None) -> None:
    assert quotas.period_in_name(name) == period


def test_a_run_of_the_monitor_counts_its_findings() -> None:
    world = World.peopled()
    world.do("metric.set", "eye", "last_check", value=0)
    for value in (-1, 1.5):
        assert code(world.ask("metric.set", "eye", "last_check", value=value)) == "BAD_VALUE"


def test_metrics_are_numbers_and_leave_the_words_of_state_json_alone() -> None:
    world = World.peopled()
    world.do("metric.set", "eye", "downloads", value=3)
    for value in ("3", True, float("nan"), float("inf"), 2**60):
        assert code(world.ask("metric.set", "eye", "downloads", value=value)) == "BAD_VALUE"
    assert code(world.ask("metric.set", "eye", "alerts", value=1)) == "BAD_NAME"
    assert code(world.ask("metric.set", "dev", "downloads", value=1)) == "RIGHT_MISSING"


@pytest.mark.parametrize(("early", "expected"), [(1, "QUOTA_EXCEEDED"), (0, None)])
def test_a_window_ends_at_its_second(early: int, expected: str | None) -> None:
    world = quota()
    world.do("quota.use", "dev", "q", amount=3)
    reset_at = world.snapshot().quota("q").reset_at
    assert reset_at
    world.now = times.seconds(reset_at) - early
    assert code(world.ask("quota.use", "dev", "q", amount=1)) == expected


def test_setting_a_quota_in_a_later_window_forgets_what_was_used_before() -> None:
    world = quota()
    world.do("quota.use", "dev", "q", amount=3)
    world.now += 3600
    world.do("quota.set", "boss", "q", limit=5, period="hourly")
    assert (used(world), world.snapshot().quota("q").reset_at) == (0, "2023-11-15T00:00:00Z")


def test_a_window_that_begins_only_later_counts_anew() -> None:
    world = quota()
    world.now += 30 * 3600
    world.do("quota.use", "dev", "q", amount=3)
    world.now -= 30 * 3600
    world.do("quota.use", "dev", "q", amount=2)
    assert (used(world), world.snapshot().quota("q").reset_at) == (2, "2023-11-14T23:00:00Z")
