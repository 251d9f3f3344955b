"""What an approval rests on: removal, loss of the right and compromise take it; rotation and comments do not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from opsgit.domain.request import Change
from tests.domain.test_gates import code, done, in_review
from tests.domain.world import DIGEST, OTHER_DIGEST, World, key_of

START: dict[str, Any] = {"op": "task.deploy-start", "actor": "ship", "digest": DIGEST}


def now(world: World) -> str:
    """The id of the world's latest commit."""
    return f"{world.count:040x}"


def rotate(world: World, name: str) -> None:
    world.do("agent.rotate", name, name, key=key_of(f"{name} {world.count}"), proof="AAAA", proved=True)


def compromise(world: World, name: str, since: str) -> None:
    world.do("agent.compromise", "boss", name, since=since)


def two_stages() -> World:
    """qa has signed off, and qa2 gives the verdict."""
    world = in_review(["dev", "qa", "qa2", "ship"])
    world.do("review.comment", "eye", text="hm")
    world.do("review.sign-off", "qa", round=1, digest=DIGEST)
    return world


def revised() -> World:
    """dev has revised the submission, and qa gives the verdict."""
    world = in_review()
    world.do("review.comment", "eye", text="hm")
    world.do("review.revise", "dev", deliverable="/d", digest=OTHER_DIGEST)
    return world


LOSSES: dict[str, Callable[[World, str, str], object]] = {
    "removed": lambda world, name, before: world.do("agent.remove", "boss", name),
    "without the right": lambda world, name, before: world.files.update(
        {f"agents/{name}.yaml": {**world.files[f"agents/{name}.yaml"], "role": "observer"}}
    ),
    "compromised before": lambda world, name, before: compromise(world, name, before),
}


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize(
    ("make", "author", "judge", "digest"), [(two_stages, "qa", "qa2", DIGEST), (revised, "dev", "qa", OTHER_DIGEST)]
)
def test_a_sign_off_or_revision_counts_only_while_its_author_may_give_it(
    loss: str, make: Callable[[], World], author: str, judge: str, digest: str
) -> None:
    world = make()
    LOSSES[loss](world, author, f"{0:040x}")
    assert code(world.ask("review.approve", judge, round=1, digest=digest)) == "APPROVAL_VOID"
    assert isinstance(world.ask("review.reject", judge, note="void", round=1), Change)
    assert isinstance(world.ask("task.cancel", "boss"), Change)


@pytest.mark.parametrize(
    ("make", "author", "judge", "digest"), [(two_stages, "qa", "qa2", DIGEST), (revised, "dev", "qa", OTHER_DIGEST)]
)
def test_a_rotation_and_a_compromise_since_then_take_nothing(
    make: Callable[[], World], author: str, judge: str, digest: str
) -> None:
    world = make()
    rotate(world, author)
    compromise(world, author, now(world))
    world.do("review.approve", judge, round=1, digest=digest)


@pytest.mark.parametrize("loss", [*LOSSES, "rotated"])
def test_nobody_vetoes_an_approval_by_a_comment(loss: str) -> None:
    world = two_stages()
    if loss == "rotated":
        rotate(world, "eye")
    else:
        LOSSES[loss](world, "eye", f"{0:040x}")
    world.do("review.approve", "qa2", round=1, digest=DIGEST)


def test_a_sign_off_that_a_revision_voided_does_not_matter_any_more() -> None:
    world = two_stages()
    world.do("review.revise", "dev", deliverable="/d", digest=OTHER_DIGEST)
    world.do("review.sign-off", "qa", round=1, digest=OTHER_DIGEST)
    world.do("agent.remove", "boss", "eye")
    rotate(world, "qa")
    world.do("review.approve", "qa2", round=1, digest=OTHER_DIGEST)


def test_a_stolen_sign_off_that_a_revision_voided_does_not_matter_any_more() -> None:
    world = two_stages()
    world.do("review.revise", "dev", deliverable="/d", digest=OTHER_DIGEST)
    compromise(world, "qa", f"{0:040x}")
    rotate_by_boss(world, "qa")
    world.do("review.sign-off", "qa", round=1, digest=OTHER_DIGEST)
    world.do("review.approve", "qa2", round=1, digest=OTHER_DIGEST)


def test_a_stolen_submission_is_not_approved() -> None:
    world = in_review()
    compromise(world, "dev", f"{0:040x}")
    assert code(world.ask("review.approve", "qa", round=1, digest=DIGEST)) == "APPROVAL_VOID"


def test_a_stolen_submission_does_not_matter_after_a_genuine_revision() -> None:
    world = in_review()
    compromise(world, "dev", f"{0:040x}")
    rotate_by_boss(world, "dev")
    world.do("review.revise", "dev", deliverable="/d", digest=OTHER_DIGEST)
    world.do("review.approve", "qa", round=1, digest=OTHER_DIGEST)
    world.do(**{**START, "digest": OTHER_DIGEST})


def rotate_by_boss(world: World, name: str) -> None:
    world.do("agent.rotate", "boss", name, key=key_of(f"{name} again"), proof="AAAA", proved=True)


def test_a_compromised_approval_deploys_nothing() -> None:
    world = in_review()
    before = now(world)
    world.do("review.approve", "qa", round=1, digest=DIGEST)
    approval = now(world)
    compromise(world, "qa", before)
    assert code(world.ask(**START)) == "APPROVAL_VOID"
    world.do("agent.ratify", "boss", "qa", commits=[approval], undone=True)
    assert code(world.ask(**START)) == "APPROVAL_VOID", "what was undone is not accepted"
    world.do("agent.ratify", "boss", "qa", commits=[approval])
    world.do(**START)


@pytest.mark.parametrize(("since", "until", "opens"), [(0, 9, True), (8, 9, False), (0, 1, False)])
def test_a_range_is_what_lies_after_its_first_commit_up_to_its_last(since: int, until: int, opens: bool) -> None:
    world = in_review()
    assert world.count == 4
    world.do("review.approve", "qa", round=1, digest=DIGEST)
    compromise(world, "qa", f"{1:040x}")
    world.do("agent.ratify", "boss", "qa", commits=[f"{since:040x}..{until:040x}"])
    assert code(world.ask(**START)) == (None if opens else "APPROVAL_VOID")


def test_a_compromise_after_the_approval_takes_nothing() -> None:
    world = done()
    compromise(world, "qa", now(world))
    world.do(**START)


def test_a_compromised_sign_off_deploys_nothing() -> None:
    world = two_stages()
    world.do("review.approve", "qa2", round=1, digest=DIGEST)
    compromise(world, "qa", f"{1:040x}")
    assert code(world.ask(**START)) == "APPROVAL_VOID"


def test_what_was_compromised_while_it_was_deployed_is_no_success_and_a_failure_is_recorded() -> None:
    world = done()
    world.do(**START)
    compromise(world, "qa", f"{1:040x}")
    finish = {"op": "task.deploy-finish", "actor": "ship", "digest": DIGEST}
    assert code(world.ask(**finish, evidence="attested")) == "APPROVAL_VOID"
    world.do(**finish, evidence="changed")


def test_a_deployment_that_a_thief_started_is_not_finished() -> None:
    world = done()
    before = now(world)
    world.do(**START)
    compromise(world, "ship", before)
    rotate_by_boss(world, "ship")
    answer = world.ask("task.deploy-finish", "ship", digest=DIGEST, evidence="attested")
    assert code(answer) == "APPROVAL_VOID"
    world.do("task.deploy-abandon", "boss")
    world.do(**START)


def test_a_task_does_not_start_on_a_compromised_approval() -> None:
    world = done()
    world.do("task.add", "boss", "T-2", title="t", assigned="dev2", depends_on=["T-1"])
    compromise(world, "qa", f"{1:040x}")
    assert code(world.ask("task.start", "dev2", "T-2")) == "DEPENDENCY_OPEN"
    world.do("agent.ratify", "boss", "qa", commits=[f"{1:040x}..{9:040x}"])
    world.do("task.start", "dev2", "T-2")


def test_an_alert_by_a_stolen_key_is_no_ground_for_a_rollback() -> None:
    world = done()
    world.do(**START)
    world.do("task.deploy-finish", "ship", digest=DIGEST, evidence="attested")
    before = now(world)
    world.do("alert.raise", "eye2", "A-1", message="slow", task="T-1")
    back = {"op": "task.rollback", "actor": "eye", "evidence": "attested", "reverts": world.deployed["T-1"]}
    assert isinstance(world.ask(**back, alert="A-1"), Change)
    compromise(world, "eye2", before)
    assert code(world.ask(**back, alert="A-1")) == "ALERT_UNFIT"


def test_a_cut_off_is_on_the_ledger_and_the_earliest_counts() -> None:
    world = done()

    def cuts() -> list[tuple[str, ...]]:
        return [key.since for key in world.snapshot().agent("qa").keys]

    assert code(world.ask("agent.compromise", "boss", "qa", since="f" * 40)) == "NOT_FOUND"
    compromise(world, "qa", f"{3:040x}")
    assert code(world.ask("agent.compromise", "boss", "qa", since=f"{4:040x}")) == "NOTHING_CHANGES"
    compromise(world, "qa", f"{2:040x}")
    assert cuts() == [(f"{2:040x}",)]
    rotate_by_boss(world, "qa")
    compromise(world, "qa", f"{5:040x}")
    assert cuts() == [(f"{2:040x}",), (f"{5:040x}",)]


def test_ratifying_several_keys_is_rebuilt_from_what_each_of_them_got() -> None:
    world = done()
    compromise(world, "qa", f"{1:040x}")
    world.do("agent.ratify", "boss", "qa", commits=["b" * 40])
    rotate_by_boss(world, "qa")
    compromise(world, "qa", f"{2:040x}")
    world.do("agent.ratify", "boss", "qa", commits=["c" * 40, "b" * 40])
    assert [key.ratified for key in world.snapshot().agent("qa").keys] == [("b" * 40, "c" * 40)] * 2


def test_an_agent_keeps_so_many_keys_that_it_can_always_be_declared_compromised() -> None:
    world = World.peopled()
    for number in range(29):
        world.do("agent.rotate", "dev", "dev", key=key_of(f"dev {number}"), proof="A" * 1000, proved=True)
    assert code(world.ask("agent.rotate", "dev", "dev", key=key_of("z"), proof="AAAA", proved=True)) == "FILE_FULL"
    compromise(world, "dev", f"{0:040x}")


def test_an_approval_of_a_stolen_submission_deploys_nothing() -> None:
    world = in_review()
    world.do("review.approve", "qa", round=1, digest=DIGEST)
    world.do("task.add", "boss", "T-2", title="t", assigned="dev2", depends_on=["T-1"])
    compromise(world, "dev", f"{2:040x}")
    assert code(world.ask(**START)) == "APPROVAL_VOID"
    assert code(world.ask("task.start", "dev2", "T-2")) == "DEPENDENCY_OPEN"
