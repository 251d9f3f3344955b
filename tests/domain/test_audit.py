"""What an auditor looks at: approvals by reviewers whom somebody else introduced shortly before."""

from __future__ import annotations

import pytest

from opsgit.domain.audit import DAY, Deed, Oddity, Reviewers

FOUNDED, LATER = 1_000_000, 1_000_000 + 10 * DAY


def told(*deeds: Deed, known: dict[str, tuple[int, str, str]] | None = None) -> list[Oddity]:
    reviewers = Reviewers(FOUNDED, known or {})
    return [one for deed in deeds for one in reviewers.take(deed)]


def introduced(op: str, at: int, by: str = "boss", name: str = "qa") -> Deed:
    return Deed(at, op, by, name, "a" * 40)


def approved(at: int, *signers: str, by: str = "qa") -> Deed:
    return Deed(at, "review.approve", by, "T-1", "b" * 40, signers)


@pytest.mark.parametrize("op", ["agent.add", "agent.edit", "agent.rotate"])
def test_an_approval_by_a_new_reviewer_is_told(op: str) -> None:
    (one,) = told(introduced(op, LATER), approved(LATER + DAY))
    assert (one.kind, one.by, one.about, one.commit) == ("new reviewer", "qa", "T-1", "b" * 40)
    assert "by boss at 1970-01-22T13:46:40Z" in one.what
    assert not told(introduced(op, LATER), approved(LATER + DAY + 1)), "a day is over"
    assert told(introduced(op, LATER), approved(LATER - 5)), "the clock was reset"


def test_one_that_only_signed_off_is_told_too_and_each_once() -> None:
    deeds = introduced("agent.add", LATER, name="qa2"), approved(LATER, "qa2", "qa"), approved(LATER, "qa", by="qa2")
    assert [one.what.split()[0] for one in told(*deeds)] == ["qa2", "qa2"]


def test_whoever_changes_a_key_of_its_own_is_not_new() -> None:
    assert not told(introduced("agent.rotate", LATER, by="qa"), approved(LATER))
    assert told(introduced("agent.add", LATER), introduced("agent.rotate", LATER, by="qa"), approved(LATER))


def test_the_founding_is_nothing_odd_but_a_new_key_always_is() -> None:
    first = FOUNDED + DAY
    assert not told(introduced("agent.add", first), introduced("agent.edit", first), approved(first))
    assert told(introduced("agent.rotate", first), approved(first))
    assert told(introduced("agent.add", first + 1), approved(first + 1))


def test_what_was_seen_before_is_known() -> None:
    reviewers = Reviewers(FOUNDED, {"old": (LATER - DAY - 1, "agent.add", "boss")})
    assert not list(reviewers.take(introduced("agent.rotate", LATER)))
    assert reviewers.recent(LATER) == {"qa": (LATER, "agent.rotate", "boss")}
    assert told(approved(LATER + 1), known=reviewers.recent(LATER))
