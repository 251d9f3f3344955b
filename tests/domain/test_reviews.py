"""Threads, checks and numbers of reviewers: what an approval needs beside the sign-offs of the stages."""

from __future__ import annotations

from typing import Any

import pytest

from opsgit.domain.model import Task
from opsgit.domain.next_steps import steps
from opsgit.domain.request import Change
from opsgit.domain.rules import VERSIONS
from tests.domain.test_gates import code, in_review
from tests.domain.test_laws import outcome
from tests.domain.test_standing import compromise, rotate
from tests.domain.world import DIGEST, OTHER_DIGEST, PROJECT, World, replayed

SEEN: dict[str, Any] = {"round": 1, "digest": DIGEST}


def policy(world: World, **fields: Any) -> None:
    world.files["ops.yaml"] = {**PROJECT, **fields}


def objection(world: World, by: str = "qa") -> str:
    """A blocking comment; returns its id."""
    world.do("review.comment", by, text="no", blocking=True, file="a.py", line=3)
    return str(talk(world.task())[-1].id)


def talk(task: Task) -> Any:
    assert task.review
    return task.review.comments


def test_comments_are_numbered_within_their_round() -> None:
    world = in_review()
    for text in ("one", "two"):
        world.do("review.comment", "eye", text=text)
    assert [one.id for one in talk(world.task())] == ["1-1", "1-2"]
    world.do("review.withdraw", "dev")
    world.do("task.submit", "dev", deliverable="/d", digest=OTHER_DIGEST)
    world.do("review.comment", "eye", text="three")
    assert [one.id for one in talk(world.task())] == ["2-1"]


def test_a_comment_has_its_place_in_the_version_that_it_is_about() -> None:
    world = in_review()
    change = world.ask("review.comment", "qa", text="here", file="src/a.py", line=7)
    assert isinstance(change, Change) and outcome(replayed(world, change)) == outcome(change)
    world.apply(change)
    place = talk(world.task())[0].place
    assert (place.file, place.line, place.digest) == ("src/a.py", 7, DIGEST)


@pytest.mark.parametrize(
    "place", [{"line": 3}, {"file": "/a"}, {"file": "a/../b"}, {"file": "a", "line": 0}, {"file": "a\nb"}]
)
def test_a_place_that_is_none_is_refused(place: dict[str, Any]) -> None:
    assert code(in_review().ask("review.comment", "qa", text="here", **place)) in ("BAD_VALUE", "BAD_TEXT")


def test_an_open_blocking_thread_refuses_an_approval_and_not_a_rejection() -> None:
    world = in_review()
    name = objection(world)
    assert code(world.ask("review.approve", "qa2", **SEEN)) == "THREAD_OPEN"
    assert code(world.ask("review.approve", "qa", **SEEN)) == "THREAD_OPEN", "one's own objection counts too"
    assert isinstance(world.ask("review.reject", "qa2", note="no", round=1), Change)
    world.do("review.resolve", "qa", thread=name)
    world.do("review.approve", "qa2", **SEEN)


def test_a_plain_comment_blocks_nothing() -> None:
    world = in_review()
    world.do("review.comment", "qa", text="nice")
    world.do("review.approve", "qa", **SEEN)


@pytest.mark.parametrize(("name", "why"), [("dev", "SELF_REVIEW"), ("eye", "RIGHT_MISSING"), ("boss", "RIGHT_MISSING")])
def test_only_who_could_judge_blocks(name: str, why: str) -> None:
    assert code(in_review().ask("review.comment", name, text="no", blocking=True)) == why


def test_who_resolves_a_thread() -> None:
    world = in_review()
    name = objection(world)
    for other in ("dev", "eye", "boss"):
        assert code(world.ask("review.resolve", other, thread=name)) == "NOT_YOUR_THREAD"
    change = world.do("review.resolve", "qa2", thread=name)
    assert change.subject == "T-1: resolve"
    assert talk(world.task())[0].resolved.by == "qa2"
    assert code(world.ask("review.resolve", "qa2", thread=name)) == "NOTHING_CHANGES"
    world.do("review.comment", "dev", text="a question")
    world.do("review.resolve", "dev", thread="1-2")


def test_an_author_of_a_thread_that_worked_since_does_not_end_the_objection() -> None:
    world = in_review()
    name = objection(world)
    path = "tasks/t1/T-1.yaml"
    world.branch[path] = {**world.branch[path], "contributors": ["dev", "qa"]}
    assert code(world.ask("review.resolve", "qa", thread=name)) == "NOT_YOUR_THREAD"


def test_a_reviewer_that_lost_the_right_may_take_the_own_objection_back() -> None:
    world = in_review()
    name = objection(world)
    world.files["agents/qa.yaml"] = {**world.files["agents/qa.yaml"], "role": "observer"}
    world.do("review.resolve", "qa", thread=name)


def test_an_answer_belongs_to_a_thread_and_blocks_nothing() -> None:
    world = in_review()
    name = objection(world)
    world.do("review.comment", "dev", text="because", answers=name)
    assert code(world.ask("review.comment", "dev", text="x", answers="1-2")) == "NOT_FOUND"
    assert code(world.ask("review.comment", "dev", text="x", answers="1-9")) == "NOT_FOUND"
    assert code(world.ask("review.comment", "qa", text="x", answers=name, blocking=True)) == "BAD_VALUE"
    assert code(world.ask("review.resolve", "qa", thread="1-2")) == "NOT_FOUND"


def test_an_open_objection_goes_on_in_the_next_round() -> None:
    world = in_review()
    name, other = objection(world), objection(world)
    world.do("review.comment", "eye", text="nice")
    world.do("review.resolve", "qa", thread=other)
    world.do("review.reject", "qa", note="no", round=1)
    world.do("task.start", "dev")
    world.do("task.submit", "dev", deliverable="/d", digest=OTHER_DIGEST)
    assert [one.id for one in talk(world.task())] == [name]
    seen = {"round": 2, "digest": OTHER_DIGEST}
    assert code(world.ask("review.approve", "qa2", **seen)) == "THREAD_OPEN"
    world.do("review.comment", "dev", text="mended", answers=name)
    assert [one.id for one in talk(world.task())] == [name, "2-1"]
    world.do("review.resolve", "qa2", thread=name)
    world.do("review.approve", "qa", **seen)


@pytest.mark.parametrize("loss", ["removed", "compromised"])
def test_who_resolved_must_still_be_able_to(loss: str) -> None:
    """Somebody else resolves the thread anew."""
    world = in_review()
    name = objection(world, "qa2")
    world.do("review.resolve", "qa2", thread=name)
    if loss == "removed":
        world.do("agent.remove", "boss", "qa2")
    else:
        compromise(world, "qa2", f"{0:040x}")
    assert code(world.ask("review.approve", "qa", **SEEN)) == "APPROVAL_VOID"
    world.do("review.resolve", "qa", thread=name)
    world.do("review.approve", "qa", **SEEN)


def test_a_revision_keeps_the_threads_and_what_resolved_them_counts() -> None:
    world = in_review()
    name = objection(world, "qa2")
    world.do("review.resolve", "qa2", thread=name)
    world.do("review.revise", "dev", deliverable="/d", digest=OTHER_DIGEST)
    rotate(world, "qa2")
    seen = {"round": 1, "digest": OTHER_DIGEST}
    assert isinstance(world.ask("review.approve", "qa", **seen), Change)
    world.do("agent.remove", "boss", "qa2")
    assert code(world.ask("review.approve", "qa", **seen)) == "APPROVAL_VOID"


def test_a_verdict_is_on_the_revision_that_was_seen() -> None:
    world = in_review()
    world.do("review.revise", "dev", deliverable="/d", digest=OTHER_DIGEST)
    for op in ("review.approve", "review.reject"):
        assert code(world.ask(op, "qa", note="n", round=1, revision=None)) == "STALE"
    change = world.ask("review.approve", "qa", round=1, revision=1, digest=OTHER_DIGEST)
    assert isinstance(change, Change) and outcome(replayed(world, change)) == outcome(change)


# --- numbers of reviewers ------------------------------------------------------------------------------------------


def test_a_stage_wants_several_reviewers() -> None:
    world = in_review(["developer", "reviewer*2", "deployer"])
    assert code(world.ask("review.approve", "qa", **SEEN)) == "STAGE_OPEN"
    world.do("review.sign-off", "qa", **SEEN)
    assert code(world.ask("review.approve", "qa", **SEEN)) == "ALREADY_SIGNED_OFF"
    assert code(world.ask("review.sign-off", "qa2", **SEEN)) == "STAGES_DONE"
    world.do("review.approve", "qa2", **SEEN)


def test_a_stage_before_the_last_wants_several_reviewers() -> None:
    world = in_review(["developer", "reviewer*2", "reviewer", "deployer"])
    world.files["agents/qa3.yaml"] = {**world.files["agents/qa2.yaml"], "name": "qa3"}
    world.do("review.sign-off", "qa", **SEEN)
    assert code(world.ask("review.sign-off", "qa", **SEEN)) == "ALREADY_SIGNED_OFF"
    world.do("review.sign-off", "qa2", **SEEN)
    assert code(world.ask("review.sign-off", "qa3", **SEEN)) == "STAGES_DONE"
    world.do("review.approve", "qa3", **SEEN)


def test_any_reviewer_rejects_whatever_stage_is_open() -> None:
    world = in_review(["developer", "qa", "qa2", "deployer"])
    world.do("review.reject", "qa2", note="no", round=1)


def test_the_policy_gives_the_number_where_a_stage_has_none() -> None:
    world = World.peopled()
    policy(world, review={"approvals": 2})
    for target, stages, number in (
        ("A", None, 2),
        ("B", ["developer", "reviewer*1", "deployer"], None),
        ("C", ["developer", "qa", "deployer"], None),
        ("D", ["developer", "reviewer*3", "deployer"], 3),
    ):
        change = world.ask("task.add", "boss", target, title="t", pipeline=stages)
        assert isinstance(change, Change) and outcome(replayed(world, change)) == outcome(change)
        world.apply(change)
        assert world.task(target).pipeline[1].count == number


def test_a_pipeline_that_is_the_default_in_other_words_needs_no_right() -> None:
    world = World.peopled()
    assert isinstance(
        world.ask("task.add", "dev", "A", title="t", pipeline=["developer", "reviewer*1", "deployer"]), Change
    )
    fewer = ["developer", "reviewer*2", "deployer"]
    assert code(world.ask("task.add", "dev", "B", title="t", pipeline=fewer)) == "RIGHT_MISSING"


@pytest.mark.parametrize("stage", ["reviewer*0", "reviewer*21", "reviewer*x", "reviewer*", "reviewer*02", "qa*2", "*2"])
def test_a_number_that_is_none_is_refused(stage: str) -> None:
    world = World.peopled()
    assert (
        code(world.ask("task.add", "boss", "A", title="t", pipeline=["developer", stage, "deployer"])) == "BAD_PIPELINE"
    )


@pytest.mark.parametrize("stages", [["developer*2", "reviewer", "deployer"], ["developer", "reviewer", "deployer*2"]])
def test_only_review_stages_have_a_number(stages: list[str]) -> None:
    assert code(World.peopled().ask("task.add", "boss", "A", title="t", pipeline=stages)) == "BAD_PIPELINE"


# --- checks --------------------------------------------------------------------------------------------------------


def test_a_check_of_the_policy_must_have_passed() -> None:
    world = in_review()
    policy(world, review={"checks": ["tests"]})
    assert code(world.ask("review.approve", "qa", **SEEN)) == "CHECK_MISSING"
    change = world.do("review.check", "eye", name="tests", status="fail", url="https://example.org/1", **SEEN)
    assert change.subject == "T-1: check"
    assert code(world.ask("review.approve", "qa", **SEEN)) == "CHECK_MISSING"
    again = world.ask("review.check", "eye", name="tests", status="pass", **SEEN)
    assert isinstance(again, Change) and outcome(replayed(world, again)) == outcome(again)
    world.apply(again)
    world.do("review.approve", "qa", **SEEN)


@pytest.mark.parametrize(
    ("by", "fields", "why"),
    [
        ("dev2", {}, "RIGHT_MISSING"),
        ("ship", {}, "RIGHT_MISSING"),
        ("eye", {"digest": OTHER_DIGEST}, "DELIVERABLE_CHANGED"),
        ("eye", {"round": 2}, "STALE"),
        ("eye", {"status": "maybe"}, "BAD_VALUE"),
        ("eye", {"name": "No Name"}, "BAD_NAME"),
    ],
)
def test_a_check_that_does_not_count_is_refused(by: str, fields: dict[str, Any], why: str) -> None:
    asked = {"name": "tests", "status": "pass", **SEEN, **fields}
    assert code(in_review().ask("review.check", by, **asked)) == why


def test_nobody_reports_the_checks_of_the_own_work() -> None:
    world = in_review()
    policy(world, roles={"builder": ["work", "review"]})
    world.files["agents/dev.yaml"] = {**world.files["agents/dev.yaml"], "role": "builder"}
    assert code(world.ask("review.check", "dev", name="tests", status="pass", **SEEN)) == "SELF_REVIEW"


def test_a_check_is_of_one_version() -> None:
    world = in_review()
    policy(world, review={"checks": ["tests"]})
    world.do("review.check", "eye", name="tests", status="pass", **SEEN)
    world.do("review.revise", "dev", deliverable="/d", digest=OTHER_DIGEST)
    assert code(world.ask("review.approve", "qa", round=1, digest=OTHER_DIGEST)) == "CHECK_MISSING"
    world.do("review.withdraw", "dev")
    world.do("task.submit", "dev", deliverable="/d", digest=DIGEST)
    assert code(world.ask("review.approve", "qa", round=2, digest=DIGEST)) == "CHECK_MISSING", "not of a later round"


def test_who_reported_a_needed_check_must_still_be_able_to() -> None:
    world = in_review()
    policy(world, review={"checks": ["tests"]})
    world.do("review.check", "eye2", name="lint", status="pass", **SEEN)
    world.do("review.check", "eye", name="tests", status="pass", **SEEN)
    world.do("agent.remove", "boss", "eye2")
    assert isinstance(world.ask("review.approve", "qa", **SEEN), Change), "nobody needs the check lint"
    world.do("agent.remove", "boss", "eye")
    assert code(world.ask("review.approve", "qa", **SEEN)) == "APPROVAL_VOID"


def test_a_review_has_so_many_checks() -> None:
    world = in_review()
    for number in range(50):
        world.do("review.check", "eye", name=f"c{number}", status="pass", **SEEN)
    assert code(world.ask("review.check", "eye", name="one-more", status="pass", **SEEN)) == "BAD_VALUE"
    world.do("review.check", "eye", name="c7", status="fail", **SEEN)


# --- what waits ----------------------------------------------------------------------------------------------------


def told(world: World, name: str) -> list[tuple[str, str]]:
    task = world.task()
    found = steps(world.snapshot(task.id), VERSIONS[1], world.snapshot().agent(name), task, world.now)
    return [(one.op, one.act) for one in found]


def test_a_review_waits_for_its_reviewer_also_while_it_cannot_be_approved() -> None:
    world = in_review()
    assert told(world, "qa") == [("review.approve", "review")]
    objection(world)
    assert told(world, "qa")[0][0] == "review.reject" and "blocking threads" in told(world, "qa")[0][1]
    world.do("review.resolve", "qa", thread="1-1")
    policy(world, review={"checks": ["tests"]})
    assert told(world, "qa")[0][0] == "review.reject" and "the check tests" in told(world, "qa")[0][1]


def test_who_has_signed_off_has_nothing_more_to_review() -> None:
    world = in_review(["developer", "reviewer*2", "deployer"])
    world.do("review.sign-off", "qa", **SEEN)
    objection(world, "qa2")
    assert told(world, "qa") == [] and told(world, "qa2") != []


def test_the_answers_of_an_open_objection_go_on_too() -> None:
    world = in_review()
    name = objection(world)
    world.do("review.comment", "dev", text="because", answers=name)
    world.do("review.comment", "eye", text="other", answers=None)
    world.do("review.withdraw", "dev")
    world.do("task.submit", "dev", deliverable="/d", digest=OTHER_DIGEST)
    assert [one.text for one in talk(world.task())] == ["no", "because"]
    assert code(world.ask("review.comment", "dev", text="x", answers="1-3")) == "NOT_FOUND"


# --- ways around an objection --------------------------------------------------------------------------------------


def test_who_lost_the_right_to_review_has_resolved_nothing() -> None:
    world = in_review()
    name = objection(world, "qa2")
    world.do("review.resolve", "qa2", thread=name)
    world.files["agents/qa2.yaml"] = {**world.files["agents/qa2.yaml"], "role": "observer"}
    assert isinstance(world.ask("review.approve", "qa", **SEEN), Change), "its own objection it may take back"
    other = objection(world, "qa")
    world.files["agents/qa2.yaml"] = {**world.files["agents/qa2.yaml"], "role": "reviewer"}
    world.do("review.resolve", "qa2", thread=other)
    world.files["agents/qa2.yaml"] = {**world.files["agents/qa2.yaml"], "role": "observer"}
    assert code(world.ask("review.approve", "qa", **SEEN)) == "APPROVAL_VOID"
    world.do("review.resolve", "qa", thread=other)
    world.do("review.approve", "qa", **SEEN)


@pytest.mark.parametrize("loss", ["removed", "compromised", "role"])
def test_a_new_round_does_not_settle_what_a_thief_resolved(loss: str) -> None:
    world = in_review()
    name = objection(world)
    world.do("review.resolve", "qa2", thread=name)
    if loss == "removed":
        world.do("agent.remove", "boss", "qa2")
    elif loss == "compromised":
        compromise(world, "qa2", f"{0:040x}")
    else:
        world.files["agents/qa2.yaml"] = {**world.files["agents/qa2.yaml"], "role": "observer"}
    world.do("review.withdraw", "dev")
    change = world.ask("task.submit", "dev", deliverable="/d", digest=DIGEST)
    assert isinstance(change, Change) and outcome(replayed(world, change)) == outcome(change)
    world.apply(change)
    assert [(one.id, one.resolved) for one in talk(world.task())] == [(name, None)]
    assert code(world.ask("review.approve", "qa", round=2, digest=DIGEST)) == "THREAD_OPEN"


@pytest.mark.parametrize("keep", [0, 1, 2, 3, 9])
def test_trimming_keeps_open_objections(keep: int) -> None:
    world = in_review()
    world.do("review.comment", "eye", text="one")
    name = objection(world)
    for text in ("two", "three"):
        world.do("review.comment", "eye", text=text)
    world.do("review.withdraw", "dev")
    for text in ("a", "b"):
        world.do("task.comment", "eye", text=text)
    change = world.ask("task.trim", "boss", keep=keep)
    if not isinstance(change, Change):
        assert keep == 9 and code(change) == "NOTHING_CHANGES"
        return
    assert outcome(replayed(world, change)) == outcome(change)
    world.apply(change)
    left = [one.id for one in talk(world.task())]
    assert name in left and len(left) == max(1, keep) and len(world.task().comments) == min(2, keep)


def test_the_author_does_not_fill_the_review() -> None:
    world = in_review()
    said = [{"id": f"1-{number}", "by": "dev", "at": world.task().created, "text": "x"} for number in range(1, 151)]
    path = "tasks/t1/T-1.yaml"
    world.branch[path] = {**world.branch[path], "review": {**world.branch[path]["review"], "comments": said}}
    assert code(world.ask("review.comment", "dev", text="more")) == "COMMENTS_FULL"
    assert isinstance(world.ask("review.comment", "qa", text="no", blocking=True), Change)


def test_checks_that_nobody_needs_do_not_keep_out_the_one_that_is() -> None:
    world = in_review()
    policy(world, review={"checks": ["tests"]})
    for number in range(50):
        world.do("review.check", "eye", name=f"junk-{number}", status="pass", **SEEN)
    assert code(world.ask("review.check", "eye", name="junk-more", status="pass", **SEEN)) == "BAD_VALUE"
    world.do("review.check", "qa2", name="tests", status="pass", **SEEN)
    world.do("review.approve", "qa", **SEEN)


@pytest.mark.parametrize("what", ["a resolution", "a check"])
def test_an_approval_that_rests_on_a_thief_deploys_nothing(what: str) -> None:
    world = in_review()
    policy(world, review={"checks": ["tests"]})
    thief = "qa2" if what == "a resolution" else "eye"
    name = objection(world, "qa2")
    world.do("review.resolve", "qa2", thread=name)
    world.do("review.check", "eye", name="tests", status="pass", **SEEN)
    world.do("review.approve", "qa", **SEEN)
    assert isinstance(world.ask("task.deploy-start", "ship", digest=DIGEST), Change)
    compromise(world, thief, f"{0:040x}")
    assert code(world.ask("task.deploy-start", "ship", digest=DIGEST)) == "APPROVAL_VOID"
