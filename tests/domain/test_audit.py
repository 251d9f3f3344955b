"""What an auditor looks at: approvals by reviewers whom somebody else introduced shortly before."""

from __future__ import annotations

import pytest

from opsgit.domain.audit import Deed, Oddity, Watch, signers
from opsgit.domain.times import DAY

FOUNDED, LATER = 1_000_000, 1_000_000 + 10 * DAY


def told(
    *deeds: Deed, known: dict[str, tuple[int, str, str]] | None = None, founded: int | None = FOUNDED
) -> list[Oddity]:
    watch = Watch(founded, known or {})
    return [one for deed in deeds for one in watch.take(deed)]


def introduced(op: str, at: int, by: str = "boss", name: str = "qa") -> Deed:
    return Deed(at, op, by, name, "a" * 40)


def approved(at: int, *names: str, by: str = "qa", signed: int | None = None) -> Deed:
    when = at if signed is None else signed
    return Deed(at, "review.approve", by, "T-1", "b" * 40, tuple((name, when) for name in names))


def reset(at: int) -> Deed:
    return Deed(at, "project.reset-clock", "boss", "project", "c" * 40)


def policy(at: int, keys: str) -> Deed:
    return Deed(at, "project.set", "boss", keys, "d" * 40)


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
    watch = Watch(FOUNDED, {"old": (LATER - DAY - 1, "agent.add", "boss")})
    assert not list(watch.take(introduced("agent.rotate", LATER)))
    assert watch.recent(LATER) == {"qa": (LATER, "agent.rotate", "boss")}
    assert told(approved(LATER + 1), known=watch.recent(LATER))


def test_each_counts_at_the_time_when_it_signed() -> None:
    new = introduced("agent.add", LATER, name="evil")
    assert told(new, approved(LATER + 5 * DAY, "evil", signed=LATER + 60)), "an approval that waits hides nothing"
    assert not told(new, approved(LATER + 5 * DAY, "evil", signed=LATER + 2 * DAY))


def test_a_reset_of_the_clock_is_told_and_ends_the_founding() -> None:
    (one,) = told(reset(LATER))
    assert (one.kind, one.commit) == ("clock reset", "c" * 40)
    back = FOUNDED + 60
    kinds = [one.kind for one in told(reset(back), introduced("agent.add", back), approved(back + 60))]
    assert kinds == ["clock reset", "new reviewer"]
    assert told(introduced("agent.add", back), approved(back), founded=None)
    late = [introduced("agent.add", LATER), reset(LATER - 5 * DAY), approved(LATER - 4 * DAY)]
    assert [one.kind for one in told(*late)] == ["clock reset", "new reviewer"]


def test_a_policy_on_who_may_approve_is_told() -> None:
    (one,) = told(policy(LATER, "board, review.approvals, roles.web"))
    assert (one.kind, one.about, one.what) == ("policy changed", "project", "set review.approvals, roles.web")
    assert not told(policy(LATER, "deploy.command"), policy(FOUNDED + DAY, "review.checks"))


def test_on_whom_an_approval_rests() -> None:
    at = "1970-01-01T00:00:07Z"
    review = {
        "sign_offs": [{"by": "qa", "at": at}],
        "checks": [{"by": "ci", "at": at, "name": "tests"}],
        "comments": [{"by": "eye", "blocking": True, "resolved": {"by": "lead", "at": at}}, {"by": "dev"},
                     {"by": "eye", "resolved": {"by": "nobody", "at": at}}, {"by": "eye", "blocking": True}],
    }  # fmt: skip
    assert list(signers({"review": review})) == [("qa", 7), ("ci", 7), ("lead", 7)]
    assert list(signers({})) == []
