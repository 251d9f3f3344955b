"""The gates, one by one: what each refuses, by code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from opsgit.domain import times
from opsgit.domain.refusals import CODES, Refusal
from opsgit.domain.request import Change, ManagedFile
from tests.domain.world import AT, DIGEST, OTHER_DIGEST, World, agent_record, key_of


def code(answer: Change | Refusal) -> str | None:
    return answer.code if isinstance(answer, Refusal) else None


def in_progress() -> World:
    world = World.peopled()
    world.do("task.add", "boss", title="t", assigned="dev")
    world.do("task.start", "dev")
    return world


def in_review(pipeline: list[str] | None = None) -> World:
    world = World.peopled()
    world.do("task.add", "boss", title="t", assigned="dev", pipeline=pipeline)
    world.do("task.start", "dev")
    world.do("task.submit", "dev", deliverable="/d", digest=DIGEST)
    world.do("review.request", "dev", text="please")
    return world


def done() -> World:
    world = in_review()
    world.do("review.approve", "qa", round=1, digest=DIGEST)
    return world


def deployed() -> World:
    world = done()
    world.do("task.deploy-start", "ship", digest=DIGEST, ref="v1")
    world.do("task.deploy-finish", "ship", digest=DIGEST, evidence="attested")
    return world


def test_the_happy_path_names_each_step() -> None:
    world = deployed()
    undone = world.do("task.rollback", "ship", evidence="attested", reverts=world.deployed["T-1"])
    assert undone.subject == "T-1: deployed → rolled-back"
    assert undone.body.startswith("This reverts commit ")
    again = world.do("task.assign", "boss", to="dev2")
    assert again.after == "assigned"
    assert world.task().contributors == ("dev", "dev2")


def test_a_contributor_never_judges_even_with_another_role() -> None:
    world = in_review()
    world.files["agents/dev.yaml"] = agent_record("dev", "reviewer")
    for op, seen in (("review.approve", {"round": 1, "digest": DIGEST}), ("review.reject", {"round": 1})):
        assert code(world.ask(op, "dev", note="n", **seen)) == "SELF_REVIEW"


def test_whoever_was_assigned_once_is_a_contributor() -> None:
    world = World.peopled()
    world.do("task.add", "boss", title="t", assigned="dev")
    world.do("task.assign", "boss", to="dev2")
    assert world.task().contributors == ("dev", "dev2")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"round": 2, "digest": DIGEST}, "STALE"),
        ({"digest": DIGEST}, "STALE"),
        ({"round": 1, "digest": OTHER_DIGEST}, "DELIVERABLE_CHANGED"),
        ({"round": 1}, "DELIVERABLE_CHANGED"),
    ],
)
def test_an_approval_means_one_round_and_digest(fields: Mapping[str, Any], expected: str) -> None:
    assert code(in_review().ask("review.approve", "qa", **fields)) == expected


def test_stages_sign_off_in_order_each_by_another_reviewer() -> None:
    world = in_review(["dev", "qa", "qa2", "ship"])
    seen = {"round": 1, "digest": DIGEST}
    assert code(world.ask("review.approve", "qa2", **seen)) == "STAGE_OPEN"
    assert code(world.ask("review.sign-off", "qa2", **seen)) == "NOT_IN_PIPELINE"
    world.do("review.sign-off", "qa", **seen)
    assert code(world.ask("review.sign-off", "qa2", **seen)) == "STAGES_DONE"
    assert str(code(world.ask("review.approve", "qa", **seen))) in ("NOT_IN_PIPELINE", "ALREADY_SIGNED_OFF")
    assert world.do("review.approve", "qa2", **seen).after == "done"


def test_one_reviewer_does_not_sign_two_stages() -> None:
    world = in_review(["developer", "reviewer", "reviewer", "deployer"])
    world.do("review.sign-off", "qa", round=1, digest=DIGEST)
    assert code(world.ask("review.approve", "qa", round=1, digest=DIGEST)) == "ALREADY_SIGNED_OFF"


def test_revising_voids_the_sign_offs_and_keeps_the_round() -> None:
    world = in_review(["dev", "qa", "qa2", "ship"])
    world.do("review.sign-off", "qa", round=1, digest=DIGEST)
    world.do("review.revise", "dev", deliverable="/d", digest=OTHER_DIGEST)
    assert world.task().review and world.task().review.sign_offs == ()
    assert code(world.ask("review.approve", "qa2", round=1, digest=OTHER_DIGEST)) == "STAGE_OPEN"


def test_rejecting_needs_a_reason_and_the_same_digest_is_not_submitted_again() -> None:
    world = in_review()
    assert code(world.ask("review.reject", "qa", round=1)) == "REASON_REQUIRED"
    world.do("review.reject", "qa", note="broken", round=1)
    world.do("task.start", "dev")
    assert code(world.ask("task.submit", "dev", deliverable="/d", digest=DIGEST)) == "DELIVERABLE_UNCHANGED"
    world.do("task.submit", "dev", deliverable="/d", digest=OTHER_DIGEST)
    assert world.task().submission and world.task().submission.round == 2


def test_the_review_of_a_removed_assignee_is_withdrawn_in_its_place_and_nothing_is_barred() -> None:
    world = in_review()
    assert code(world.ask("review.withdraw", "boss")) == "NOT_ASSIGNEE", "the assignee is here"
    world.do("agent.remove", "boss", "dev")
    assert code(world.ask("review.withdraw", "qa")) in ("NOT_ASSIGNEE", "RIGHT_MISSING")
    assert world.do("review.withdraw", "boss").after == "in-progress"
    world.do("task.assign", "boss", to="dev2")
    world.do("task.start", "dev2")
    assert world.do("task.submit", "dev2", deliverable="/d", digest=DIGEST).after == "review"


def test_a_withdrawn_digest_may_be_submitted_again() -> None:
    world = in_review()
    world.do("review.withdraw", "dev")
    assert world.do("task.submit", "dev", deliverable="/d", digest=DIGEST).after == "review"


def test_reopening_needs_a_reason_and_voids_the_approvals() -> None:
    world = done()
    assert code(world.ask("task.assign", "boss", to="dev")) == "REASON_REQUIRED"
    world.do("task.assign", "boss", note="bug", to="dev")
    assert world.task().review is None


def test_only_the_submitted_digest_is_deployed() -> None:
    assert code(done().ask("task.deploy-start", "ship", digest=OTHER_DIGEST)) == "DELIVERABLE_CHANGED"
    world = done()
    world.do("task.deploy-start", "ship", digest=DIGEST)
    assert (
        code(world.ask("task.deploy-finish", "ship", digest=OTHER_DIGEST, evidence="attested")) == "DELIVERABLE_CHANGED"
    )


def test_one_deployment_at_a_time_finished_by_who_started_it() -> None:
    world = done()
    world.do("task.deploy-start", "ship", digest=DIGEST)
    assert code(world.ask("task.deploy-start", "ship2", digest=DIGEST)) == "DEPLOY_RUNNING"
    assert code(world.ask("task.deploy-finish", "ship2", digest=DIGEST, evidence="attested")) == "NOT_STARTED_BY_YOU"
    assert code(world.ask("task.cancel", "boss")) == "DEPLOY_RUNNING"
    assert code(world.ask("task.assign", "boss", note="n", to="dev")) == "DEPLOY_RUNNING"
    world.do("task.deploy-abandon", "boss")
    world.do("task.deploy-start", "ship2", digest=DIGEST)


def test_a_finish_without_a_start_is_refused() -> None:
    assert code(done().ask("task.deploy-finish", "ship", digest=DIGEST, evidence="attested")) == "NO_DEPLOYMENT"


@pytest.mark.parametrize(
    ("command", "evidence"), [([], "exit 0"), (["x"], "attested"), (["x"], "exit 1"), (["x"], "timeout")]
)
def test_only_the_expected_evidence_deploys(command: list[str], evidence: str) -> None:
    world = done()
    world.files["ops.yaml"] = {**world.files["ops.yaml"], "deploy": {"command": command}}
    world.do("task.deploy-start", "ship", digest=DIGEST)
    failed = world.do("task.deploy-finish", "ship", digest=DIGEST, evidence=evidence)
    assert failed.after == "done"
    assert world.task().deployment and world.task().deployment.state == "failed"


def test_a_rollback_reverts_the_commit_that_deployed() -> None:
    world = deployed()
    assert code(world.ask("task.rollback", "ship", evidence="attested", reverts="f" * 40)) == "WRONG_REVERT"
    assert code(world.ask("task.rollback", "ship", evidence="attested")) == "WRONG_REVERT"
    assert (
        code(world.ask("task.rollback", "ship", evidence="exit 1", reverts=world.deployed["T-1"])) == "ROLLBACK_FAILED"
    )


def rolled_by_alert(world: World, alert: str | None) -> str | None:
    reverts = world.deployed["T-1"]
    return code(world.ask("task.rollback", "eye", evidence="attested", reverts=reverts, alert=alert))


def test_an_observer_rolls_back_by_an_alert_of_somebody_else() -> None:
    world = deployed()
    world.now += 10
    assert rolled_by_alert(world, None) == "ALERT_REQUIRED"
    assert rolled_by_alert(world, "A-1") == "NOT_FOUND"
    world.do("alert.raise", "eye", "A-1", message="m", task="T-1")
    assert rolled_by_alert(world, "A-1") == "ALERT_UNFIT"
    world.do("alert.raise", "eye2", "A-2", message="m")
    assert rolled_by_alert(world, "A-2") == "ALERT_UNFIT"
    world.do("alert.raise", "eye2", "A-3", message="m", task="T-1")
    assert rolled_by_alert(world, "A-3") is None
    world.do("alert.resolve", "eye2", "A-3")
    assert rolled_by_alert(world, "A-3") == "ALERT_UNFIT"


def test_an_alert_from_before_the_deployment_is_no_ground() -> None:
    world = done()
    world.do("alert.raise", "eye2", "A-1", message="m", task="T-1")
    world.now += 10
    world.do("task.deploy-start", "ship", digest=DIGEST)
    world.do("task.deploy-finish", "ship", digest=DIGEST, evidence="attested")
    assert rolled_by_alert(world, "A-1") == "ALERT_UNFIT"


def test_a_task_starts_when_what_it_depends_on_is_done() -> None:
    world = World.peopled()
    world.do("task.add", "boss", "T-0", title="first")
    world.do("task.add", "boss", title="second", depends_on=["T-0"], assigned="dev")
    assert code(world.ask("task.start", "dev")) == "DEPENDENCY_OPEN"
    world.set_task(id="T-0", status="done")
    assert code(world.ask("task.start", "dev")) is None


def test_a_circle_of_dependencies_is_refused() -> None:
    world = World.peopled()
    for task, needs in (("A", []), ("B", ["A"]), ("C", ["B"])):
        world.do("task.add", "boss", task, title=task, depends_on=needs)
    assert code(world.ask("task.edit", "boss", "A", depends_on=["C"])) == "DEPENDENCY_CYCLE"
    assert code(world.ask("task.edit", "boss", "A", depends_on=["A"])) == "DEPENDENCY_CYCLE"
    assert code(world.ask("task.add", "boss", "D", title="d", depends_on=["D"])) == "NOT_FOUND"
    assert code(world.ask("task.edit", "boss", "C", depends_on=["A", "B"])) is None


def test_the_loser_of_a_claim_is_told_who_won() -> None:
    world = World.peopled()
    world.do("task.add", "boss", title="t")
    world.do("task.claim", "dev")
    answer = world.ask("task.claim", "dev2")
    assert isinstance(answer, Refusal)
    assert (answer.code, answer.exit) == ("ALREADY_CLAIMED", 7)
    assert "dev" in answer.message


class TestLeases:
    def claimed(self, **more: str) -> World:
        world = World.peopled()
        world.do("task.add", "boss", title="t")
        world.do("task.claim", "dev", lease="1h", **more)
        return world

    def test_while_it_runs_nobody_else_claims_and_after_it_anyone_may(self) -> None:
        world = self.claimed()
        world.now = times.seconds(world.task().lease.until) - 1
        assert code(world.ask("task.claim", "dev2")) == "ALREADY_CLAIMED"
        world.now += 1
        assert code(world.ask("task.claim", "qa")) == "RIGHT_MISSING"
        taken = world.do("task.claim", "dev2")
        assert (taken.subject, world.task().assigned, world.task().lease) == ("T-1: taken over", "dev2", None)
        assert code(world.ask("task.start", "dev")) == "NOT_ASSIGNEE"

    def test_each_operation_of_the_assignee_renews_it_and_nobody_elses(self) -> None:
        world = self.claimed()
        for op, who, fields in (
            ("task.start", "dev", {}),
            ("task.progress", "dev", {"text": "x"}),
            ("task.comment", "dev", {"text": "x"}),
        ):
            world.now += 1000
            at = world.now
            world.do(op, who, **fields)
            assert times.seconds(world.task().lease.until) == at + 3600
        world.now += 1000
        world.do("task.comment", "qa", text="x")
        assert times.seconds(world.task().lease.until) == at + 3600

    def test_in_progress_it_is_taken_over_too_and_said_as_a_step(self) -> None:
        world = self.claimed()
        world.do("task.start", "dev")
        world.now += 3601
        assert world.do("task.claim", "dev2", lease="2h").subject == "T-1: in-progress → assigned"
        assert world.task().lease.seconds == 7200

    def test_the_project_gives_one(self) -> None:
        world = World.peopled()
        world.files["ops.yaml"] = {**world.files["ops.yaml"], "lease": "30m"}
        world.do("task.add", "boss", title="t")
        world.do("task.claim", "dev")
        assert world.task().lease.seconds == 1800
        world.do("task.release", "dev")
        assert world.task().lease is None
        world.do("task.assign", "boss", to="dev")
        assert world.task().lease is None

    @pytest.mark.parametrize("lease", ["0s", "53w", "soon", "-1h"])
    def test_a_lease_that_is_none_is_refused(self, lease: str) -> None:
        world = World.peopled()
        world.do("task.add", "boss", title="t")
        assert code(world.ask("task.claim", "dev", lease=lease)) == "BAD_VALUE"


@pytest.mark.parametrize(
    "stages",
    [["dev"], ["dev", "ship"], ["qa", "qa2", "ship"], ["dev", "dev2", "ship"], ["dev", "qa", "qa2"], ["dev", "?", "ship"],
     ["boss", "qa", "ship"], ["dev", "qa", "later"], ["dev", "qa", "qa", "ship"], ["developer", *["reviewer"] * 30, "deployer"]],
)  # fmt: skip
def test_a_pipeline_grants_nothing(stages: list[str]) -> None:
    assert code(World.peopled().ask("task.add", "boss", title="t", pipeline=stages)) == "BAD_PIPELINE"


def test_a_pipeline_narrows_who_works_reviews_and_deploys() -> None:
    world = World.peopled()
    pipeline = ["dev", "qa", "ship"]
    assert code(world.ask("task.add", "boss", title="t", pipeline=pipeline, assigned="dev2")) == "NOT_IN_PIPELINE"
    world.do("task.add", "boss", title="t", pipeline=pipeline)
    assert code(world.ask("task.claim", "dev2")) == "NOT_IN_PIPELINE"
    world.do("task.claim", "dev")
    world.do("task.start", "dev")
    world.do("task.submit", "dev", deliverable="/d", digest=DIGEST)
    assert code(world.ask("review.approve", "qa2", round=1, digest=DIGEST)) == "NOT_IN_PIPELINE"
    assert code(world.ask("review.reject", "qa2", note="no", round=1)) == "NOT_IN_PIPELINE"
    world.do("review.approve", "qa", round=1, digest=DIGEST)
    assert code(world.ask("task.deploy-start", "ship2", digest=DIGEST)) == "NOT_IN_PIPELINE"


def test_the_creator_edits_words_while_in_backlog_and_no_pipeline() -> None:
    world = World.peopled()
    world.do("task.add", "qa", title="t")
    world.do("task.edit", "qa", title="better", tags=["x"], priority="high", description="d")
    assert code(world.ask("task.edit", "qa", pipeline=["dev", "qa", "ship"])) == "RIGHT_MISSING"
    assert code(world.ask("task.edit", "dev", title="mine")) == "NOT_CREATOR"
    world.do("task.claim", "dev")
    assert code(world.ask("task.edit", "qa", title="again")) == "NOT_CREATOR"
    world.do("task.start", "dev")
    assert code(world.ask("task.edit", "boss", pipeline=["dev", "qa", "ship"])) == "ILLEGAL_TRANSITION"


def test_a_task_carries_at_most_200_comments() -> None:
    world = World.peopled()
    world.set_task(comments=[{"by": "qa", "at": AT, "text": "x"}] * 200)
    assert code(world.ask("task.comment", "qa", text="one more")) == "COMMENTS_FULL"
    world.do("task.trim", "boss", keep=3)
    world.do("task.comment", "qa", text="one more")
    assert len(world.task().comments) == 4


class TestAgents:
    def add(self, world: World, name: str, **fields: Any) -> str | None:
        given = {"role": "developer", "key": key_of("new"), "proof": "AAAA", "proved": True, **fields}
        return code(world.ask("agent.add", "boss", name, **given))

    def test_a_name_a_key_and_a_role_are_checked(self) -> None:
        world = World.peopled()
        assert self.add(world, "new") is None
        assert self.add(world, "dev") == "ID_TAKEN"
        assert self.add(world, "reviewer") == "ID_TAKEN"
        assert self.add(world, "new", role="wizard") == "UNKNOWN_ROLE"
        assert self.add(world, "new", proved=False) == "BAD_KEY"
        assert self.add(world, "new", key=key_of("dev")) == "KEY_TAKEN"
        assert self.add(world, "new", email="a b@c") == "BAD_VALUE"
        assert self.add(world, "new", email="dev@" + "0" * 32) == "BAD_VALUE"

    def test_a_removed_agent_has_no_rights_and_its_name_never_returns(self) -> None:
        world = World.peopled()
        world.do("agent.remove", "boss", "dev")
        assert self.add(world, "dev") == "ID_TAKEN"
        assert code(world.ask("task.add", "dev", title="t")) == "AGENT_REMOVED"
        assert code(world.ask("agent.remove", "boss", "dev")) == "AGENT_REMOVED"
        assert code(world.ask("task.add", "boss", title="t", assigned="dev")) == "AGENT_REMOVED"

    def test_the_last_orchestrator_stays(self) -> None:
        world = World.peopled()
        assert code(world.ask("agent.remove", "boss", "boss")) == "LAST_ORCHESTRATOR"
        assert code(world.ask("agent.retire-key", "boss", "boss", key=key_of("boss"))) == "LAST_ORCHESTRATOR"

    @pytest.mark.parametrize(
        ("name", "role"), [("dev", "orchestrator"), ("boss", "developer"), ("eye", "orchestrator")]
    )
    def test_nobody_crosses_between_orchestrating_and_implementing(self, name: str, role: str) -> None:
        assert code(World.peopled().ask("agent.edit", "boss", name, role=role)) == "EXCLUSIVE_ROLES"

    def test_keys_are_changed_by_their_agent_or_an_orchestrator(self) -> None:
        world = World.peopled()
        new = {"key": key_of("fresh"), "proof": "AAAA", "proved": True}
        assert code(world.ask("agent.rotate", "qa", "dev", **new)) == "NOT_YOURS"
        world.do("agent.rotate", "dev", "dev", **new)
        assert world.snapshot().agent("dev").active_keys == (key_of("fresh"),)
        assert code(world.ask("agent.rotate", "boss", "dev", **{**new, "key": key_of("dev")})) == "KEY_TAKEN"


class TestProject:
    def set(self, world: World, **keys: Any) -> str | None:
        record = {**world.files["ops.yaml"], **keys}
        return code(world.ask("project.set", "boss", "", record=record, content=b"x"))

    @pytest.mark.parametrize(
        "keys", [{"name": "q"}, {"repository": "1" * 32}, {"created": "2020-01-01T00:00:00Z"}, {"rules": 2}]
    )
    def test_the_identity_is_fixed(self, keys: Mapping[str, Any]) -> None:
        assert self.set(World.peopled(), **keys) == "IDENTITY_FIXED"

    def test_roles(self) -> None:
        world = World.peopled()
        assert self.set(world, roles={"webmaster": ["work"]}) is None
        assert self.set(world, roles={"developer": ["review"]}) == "IDENTITY_FIXED"
        assert self.set(world, roles={"dev": ["work"]}) == "ID_TAKEN"
        assert self.set(world, roles={"lord": ["orchestrate", "work"]}) == "EXCLUSIVE_ROLES"
        world.files["ops.yaml"] = {**world.files["ops.yaml"], "roles": {"webmaster": ["work"]}}
        assert self.set(world, roles={}) == "IDENTITY_FIXED"
        assert self.set(world, roles={"webmaster": ["orchestrate"]}) == "EXCLUSIVE_ROLES"

    def test_the_default_pipeline_is_checked(self) -> None:
        assert self.set(World.peopled(), pipeline=["developer", "deployer"]) == "BAD_PIPELINE"

    def test_the_same_again_is_no_operation(self) -> None:
        assert self.set(World.peopled()) == "NOTHING_CHANGES"


@pytest.mark.parametrize("path", ["tasks/t1/T-1.yaml", "ops.yaml", "x", "gates/../x", "gates/.git/x", "schema//x"])
def test_file_set_writes_managed_files_alone(path: str) -> None:
    assert code(World.peopled().ask("file.set", "boss", "", files={path: ManagedFile(b"x")})) == "WRONG_FILE"


@pytest.mark.parametrize(
    ("status", "expected"), [("in-progress", "SELF_REVIEW"), ("in_progress", "SELF_REVIEW"), ("done", None)]
)
def test_whoever_worked_elsewhere_does_not_judge_here(status: str, expected: str | None) -> None:
    world = World.peopled()
    past = {"status": "assigned", "history": [{"status": status, "by": "qa"}]}
    world.do("task.import", "boss", title="t", assigned="dev", imported=past)
    world.do("task.start", "dev")
    world.do("task.submit", "dev", deliverable="/d", digest=DIGEST)
    assert code(world.ask("review.approve", "qa", round=1, digest=DIGEST)) == expected


def test_trimming_to_more_than_there_is_and_ratifying_twice_change_nothing() -> None:
    world = in_progress()
    for number in range(3):
        world.do("task.comment", "dev", text=f"{number}")
    assert [code(world.ask("task.trim", "boss", keep=keep)) for keep in (3, 4, 5)] == ["NOTHING_CHANGES"] * 3
    world = compromised()
    world.do("agent.ratify", "boss", "dev", commits=["b" * 40])
    assert code(world.ask("agent.ratify", "boss", "dev", commits=["b" * 40])) == "NOTHING_CHANGES"


def test_only_gates_are_executable_and_what_is_there_already_is_not_written() -> None:
    world, gate = World.peopled(), ManagedFile(b"x", executable=True)
    assert code(world.ask("file.set", "boss", "", files={"README.md": gate})) == "WRONG_FILE"
    world.gates["gates/deploy"] = gate
    assert code(world.ask("file.set", "boss", "", files={"gates/deploy": gate, "gates/no": None})) == "NOTHING_CHANGES"
    both = {"gates/deploy": gate, "gates/more": gate}
    written = world.ask("file.set", "boss", "", files=both)
    assert isinstance(written, Change) and [edit.path for edit in written.edits] == ["gates/more"]
    plain = world.ask("file.set", "boss", "", files={"gates/deploy": ManagedFile(b"x")})
    assert isinstance(plain, Change) and [edit.executable for edit in plain.edits] == [False]


@pytest.mark.parametrize(
    ("op", "actor", "target", "fields"),
    [
        ("metric.set", "eye", "m", {"value": 1}),
        ("task.progress", "dev", "T-1", {"text": "half"}),
        ("quota.set", "boss", "q", {"limit": 3}),
        ("agent.edit", "boss", "dev", {"description": "x"}),
        ("agent.compromise", "boss", "dev", {"since": "0" * 40}),
        ("task.edit", "boss", "T-1", {"title": "other"}),
    ],
)
def test_the_same_once_more_in_the_same_second_is_no_operation(op: str, actor: str, target: str, fields: Any) -> None:
    """An empty commit could never be judged: nothing in it says what was done."""
    world = in_progress()
    world.do(op, actor, target, **fields)
    world.now -= 1
    assert code(world.ask(op, actor, target, **fields)) == "NOTHING_CHANGES"


def test_every_code_is_raised_somewhere_and_each_exit_is_known() -> None:
    from opsgit.domain.refusals import EXITS

    assert all(row.exit in EXITS for row in CODES.values())


def review_world() -> World:
    return in_review(["dev", "qa", "qa2", "ship"])


def compromised() -> World:
    world = World.peopled()
    world.do("agent.compromise", "boss", "dev", since="0" * 40)
    return world


def imported() -> World:
    world = World.peopled()
    world.do("task.import", "boss", title="t", assigned="dev", imported={"status": "deployed"})
    return world


def quota() -> World:
    world = World.peopled()
    world.do("quota.set", "boss", "q", limit=3, period="hourly")
    return world


def alerted() -> World:
    world = World.peopled()
    world.do("alert.raise", "eye", "A-1", message="m")
    return world


# The small rules: state, operation, actor, target, arguments, note, code.
SMALL: list[tuple[Any, str, str, str, dict[str, Any], str, str]] = [
    (in_progress, "task.assign", "boss", "T-1", {"to": "dev"}, "", "NOTHING_CHANGES"),
    (in_progress, "task.assign", "boss", "T-1", {"to": "qa"}, "", "RIGHT_MISSING"),
    (in_progress, "task.assign", "boss", "T-1", {"to": "nobody"}, "", "NOT_FOUND"),
    (in_progress, "task.edit", "boss", "T-1", {"status": "done"}, "", "BAD_VALUE"),
    (in_progress, "task.edit", "boss", "T-1", {"priority": "urgent"}, "", "BAD_VALUE"),
    (in_progress, "task.edit", "boss", "T-1", {"tags": [str(number) for number in range(51)]}, "", "SCHEMA"),
    (in_progress, "task.submit", "dev", "T-1", {"digest": DIGEST}, "", "DELIVERABLE_REQUIRED"),
    (in_progress, "task.trim", "boss", "T-1", {"keep": 5}, "", "NOTHING_CHANGES"),
    (in_progress, "task.comment", "dev", "T-1", {"text": "x" * 4001}, "", "BAD_TEXT"),
    (in_progress, "task.comment", "dev", "T-1", {"text": "x"}, "untidy ", "BAD_TEXT"),
    (in_progress, "task.comment", "dev", "T-1", {"text": "x"}, "a\x1bb", "BAD_TEXT"),
    (in_progress, "task.comment", "nobody", "T-1", {"text": "x"}, "", "NOT_FOUND"),
    (in_progress, "task.add", "boss", "T-1", {"title": "t"}, "", "ID_TAKEN"),
    (in_progress, "task.add", "boss", "t-1", {"title": "t"}, "", "ID_TAKEN"),
    (in_progress, "task.add", "boss", "../x", {"title": "t"}, "", "BAD_ID"),
    (review_world, "review.request", "dev", "T-1", {"text": "again"}, "", "NOTHING_CHANGES"),
    (review_world, "review.revise", "dev", "T-1", {"deliverable": "/d", "digest": DIGEST}, "", "NOTHING_CHANGES"),
    (review_world, "review.reject", "qa", "T-1", {"round": 2}, "no", "STALE"),
    (done, "task.deploy-abandon", "boss", "T-1", {}, "", "NO_DEPLOYMENT"),
    (done, "task.deploy-start", "ship", "T-1", {"digest": DIGEST, "command": ("x",)}, "", "STALE"),
    (imported, "task.rollback", "ship", "T-1", {"evidence": "attested"}, "", "NO_DEPLOYMENT"),
    (World.peopled, "task.import", "boss", "T-1", {"title": "t", "imported": {"status": "dancing"}}, "", "BAD_VALUE"),
    (World.peopled, "task.import", "boss", "T-1", {"title": "t", "imported": {"status": "assigned"}}, "", "BAD_VALUE"),
    (World.peopled, "agent.edit", "boss", "dev", {"kind": "agent"}, "", "NOTHING_CHANGES"),
    (World.peopled, "agent.edit", "boss", "dev", {"kind": "robot"}, "", "BAD_VALUE"),
    (World.peopled, "agent.edit", "boss", "dev", {"role": "wizard"}, "", "UNKNOWN_ROLE"),
    (World.peopled, "agent.retire-key", "dev", "dev", {"key": key_of("other")}, "", "NOT_FOUND"),
    (World.peopled, "agent.compromise", "boss", "dev", {"since": "x"}, "", "BAD_VALUE"),
    (World.peopled, "agent.ratify", "boss", "dev", {"commits": ["a" * 40]}, "", "NOTHING_CHANGES"),
    (World.peopled, "agent.compromise", "boss", "boss", {"since": "0" * 40}, "", "LAST_ORCHESTRATOR"),
    (compromised, "agent.compromise", "boss", "dev", {"since": "0" * 40}, "", "NOTHING_CHANGES"),
    (compromised, "agent.ratify", "boss", "dev", {"commits": ["x"]}, "", "BAD_VALUE"),
    (compromised, "agent.ratify", "boss", "dev", {"commits": [f"x..{'0' * 40}"]}, "", "BAD_VALUE"),
    (compromised, "agent.ratify", "boss", "dev", {"commits": [f"..{'0' * 40}"]}, "", "BAD_VALUE"),
    (compromised, "agent.ratify", "boss", "dev", {"commits": ["..".join(3 * ["0" * 40])]}, "", "BAD_VALUE"),
    (quota, "quota.set", "boss", "q", {"limit": 3, "period": "hourly"}, "", "NOTHING_CHANGES"),
    (quota, "quota.set", "boss", "q", {"limit": 3, "period": "yearly"}, "", "BAD_VALUE"),
    (quota, "quota.use", "dev", "none", {"amount": 1}, "", "NOT_FOUND"),
    (alerted, "alert.raise", "eye", "a-1", {"message": "m"}, "", "ID_TAKEN"),
    (alerted, "alert.raise", "eye", "A-2", {"message": "m", "severity": "huge"}, "", "BAD_VALUE"),
    (alerted, "alert.raise", "eye", "A-2", {"message": "m", "task": "T-9"}, "", "NOT_FOUND"),
    (World.peopled, "file.set", "boss", "", {"files": {}}, "", "NOTHING_CHANGES"),
]  # fmt: skip


@pytest.mark.parametrize("row", SMALL, ids=lambda row: f"{row[1]}-{row[6]}")
def test_the_small_rules(row: tuple[Any, str, str, str, dict[str, Any], str, str]) -> None:
    state, op, actor, target, fields, note, expected = row
    assert code(state().ask(op, actor, target, note, **fields)) == expected


def test_a_resolved_alert_and_a_taken_address_stay() -> None:
    world = alerted()
    world.do("alert.resolve", "eye", "A-1")
    assert code(world.ask("alert.resolve", "eye", "A-1")) == "NOTHING_CHANGES"
    world.do("agent.edit", "boss", "dev", email="a@b.c")
    assert code(world.ask("agent.edit", "boss", "dev2", email="a@b.c")) == "ID_TAKEN"
    assert code(world.ask("agent.edit", "boss", "dev2", email="A@B.c")) == "ID_TAKEN", "it looks the same"
    world.do("agent.remove", "boss", "dev2")
    assert code(world.ask("agent.edit", "boss", "dev2", description="x")) == "AGENT_REMOVED"
    assert (
        code(world.ask("agent.rotate", "boss", "dev2", key=key_of("n"), proof="AAAA", proved=True)) == "AGENT_REMOVED"
    )


def test_a_pipeline_that_leaves_the_assignee_out_is_not_edited_in() -> None:
    world = World.peopled()
    world.do("task.add", "boss", title="t", assigned="dev")
    assert code(world.ask("task.edit", "boss", pipeline=["dev2", "qa", "ship"])) == "NOT_IN_PIPELINE"


def test_deliverables_lie_in_the_workspace() -> None:
    world = in_progress()
    world.files["ops.yaml"] = {**world.files["ops.yaml"], "workspace": "/w"}
    for where, expected in (("/d", "DELIVERABLE_OUTSIDE"), ("../d", "DELIVERABLE_OUTSIDE"), ("d", None)):
        assert code(world.ask("task.submit", "dev", deliverable=where, digest=DIGEST)) == expected


def test_a_role_is_named_like_a_role() -> None:
    world = World.peopled()
    record = {**world.files["ops.yaml"], "roles": {"Bad Name": ["work"]}}
    assert code(world.ask("project.set", "boss", "", record=record, content=b"x")) == "BAD_NAME"


def test_a_commit_without_what_its_operation_writes_has_no_request() -> None:
    from opsgit.domain import rebuild
    from opsgit.domain.message import Message
    from opsgit.domain.refusals import Refused
    from opsgit.domain.rules import VERSIONS

    world = in_progress()
    path = "tasks/t1/T-1.yaml"
    for op in ("review.sign-off", "task.comment", "task.deploy-finish", "agent.add", "task.nonsense"):
        said = Message("", "", op, "", "", None, ((path, ""),))
        with pytest.raises(Refused) as caught:
            rebuild.request(VERSIONS[1], said, "dev", {path: None}, {path: world.files[path]})
        assert caught.value.refusal.code == "CONTENT_MISMATCH"


@pytest.mark.parametrize(
    ("imported", "expected"),
    [
        ({"tasks_completed": 20, "last_active": "long ago"}, None),
        ({"tasks_completed": -1}, "BAD_VALUE"),
        ({"tasks_completed": 2**53 + 1}, "BAD_VALUE"),
        ({"last_active": "two\nlines"}, "BAD_TEXT"),
        ({"last_active": "x" * 101}, "BAD_TEXT"),
    ],
)
def test_the_figures_that_an_agent_brings(imported: Mapping[str, Any], expected: str | None) -> None:
    world = World.peopled()
    more = {"role": "developer", "key": key_of("new"), "proof": "AAAA", "proved": True}
    assert code(world.ask("agent.add", "boss", "new", imported=imported, **more)) == expected


def test_a_task_is_claimed_by_who_may_start_its_pipeline() -> None:
    world = World.peopled()
    world.do("task.add", "boss", title="t", pipeline=["dev", "reviewer", "deployer"])
    assert code(world.ask("task.claim", "qa")) == "RIGHT_MISSING"
    assert code(world.ask("task.claim", "dev2")) == "NOT_IN_PIPELINE"
    assert world.do("task.claim", "dev").after == "assigned"


def test_nothing_is_imported_over_a_task() -> None:
    world = in_progress()
    assert code(world.ask("task.import", "boss", title="t", imported={"status": "done"})) == "ID_TAKEN"


def test_a_review_takes_only_so_many_comments() -> None:
    world = in_review()
    path = "tasks/t1/T-1.yaml"
    said = [{"id": f"1-{number}", "by": "qa", "at": AT, "text": "x"} for number in range(1, 200)]
    world.branch[path] = {**world.branch[path], "review": {**world.branch[path]["review"], "comments": said}}
    world.do("review.comment", "qa", text="the last")
    assert code(world.ask("review.comment", "qa", text="one more")) == "COMMENTS_FULL"


def test_a_revision_and_a_sign_off_say_what_they_are_about() -> None:
    world = in_review(["developer", "reviewer", "reviewer", "deployer"])
    assert code(world.ask("review.revise", "dev", deliverable="", digest=OTHER_DIGEST)) == "DELIVERABLE_REQUIRED"
    assert code(world.ask("review.sign-off", "qa", digest=DIGEST)) == "STALE"
    assert code(world.ask("review.sign-off", "qa", digest=DIGEST, round=2)) == "STALE"


def test_a_sign_off_counts_while_its_author_fits_the_stage() -> None:
    world = in_review(["developer", "reviewer", "reviewer", "deployer"])
    world.do("review.sign-off", "qa", round=1, digest=DIGEST)
    world.files["ops.yaml"] = {**world.files["ops.yaml"], "roles": {"auditor": ["review"]}}
    world.files["agents/qa.yaml"] = agent_record("qa", "auditor")
    assert code(world.ask("review.approve", "qa2", round=1, digest=DIGEST)) == "STAGE_OPEN"


def test_a_removed_agent_retires_no_key() -> None:
    world = World.peopled()
    world.do("agent.remove", "boss", "dev")
    assert code(world.ask("agent.retire-key", "boss", "dev", key=key_of("dev"))) == "AGENT_REMOVED"


def test_a_deployment_that_failed_is_not_finished_again() -> None:
    world = done()
    world.do("task.deploy-start", "ship", digest=DIGEST)
    world.do("task.deploy-finish", "ship", digest=DIGEST, evidence="exit 1")
    assert code(world.ask("task.deploy-finish", "ship", digest=DIGEST, evidence="attested")) == "NO_DEPLOYMENT"
    assert code(world.ask("task.deploy-abandon", "boss")) == "NO_DEPLOYMENT"


@pytest.mark.parametrize("text", ["x", "x" * 3900, "a\n" * 1900 + "a"])
def test_who_is_not_party_to_a_task_cannot_fill_it(text: str) -> None:
    world = World.peopled()
    world.do("task.add", "boss", title="t", assigned="dev", pipeline=["dev", "qa", "ship"])
    answers = []
    for number in range(70):
        answer = world.ask("task.comment", ("eye", "eye2", "ship2")[number % 3], text=f"{number} {text}")
        answers.append(code(answer))
        if isinstance(answer, Change):
            world.apply(answer)
    assert answers[-1] == "COMMENTS_FULL"
    assert 2 <= answers.count(None) <= 40
    for name in ("boss", "dev", "qa", "ship"):
        world.do("task.comment", name, text="we go on")
    world.do("task.start", "dev")
    world.do("task.submit", "dev", deliverable="/d", digest=DIGEST)
    world.do("review.request", "dev", text=text)
    world.do("review.comment", "eye", text="the review has a share of its own")
    assert isinstance(world.ask("task.cancel", "boss"), Change)


def test_a_text_leaves_room_for_the_steps_and_these_for_the_end() -> None:
    world = World.peopled()
    world.do("task.add", "boss", title="t", assigned="dev", description="y\n" * 30_000 + "y")
    full = ""
    while full != "FILE_FULL":
        answer = world.ask("task.comment", "dev", text="z" * 3900)
        full = code(answer) or ""
        if isinstance(answer, Change):
            world.apply(answer)
    assert code(world.ask("task.edit", "boss", title="u" * 200)) in (None, "FILE_FULL")
    world.do("task.start", "dev")
    world.do("task.progress", "dev", text="a\n" * 1999 + "a")
    world.do("task.submit", "dev", deliverable="/" + "d" * 3000, digest=DIGEST)
    world.do("review.request", "dev", text="z" * 3900)
    world.do("review.approve", "qa", round=1, digest=DIGEST)


def test_trimming_reaches_the_comments_of_a_review_that_has_ended() -> None:
    world = in_review()
    for number in range(3):
        world.do("review.comment", "qa", text=f"{number}")
    world.do("review.reject", "qa", note="no", round=1)
    world.do("task.comment", "boss", text="alone")
    world.do("task.trim", "boss", keep=2)
    task = world.task()
    assert task.review and [one.text for one in task.review.comments] == ["1", "2"]
    assert [one.text for one in task.comments] == ["alone"]
    assert code(world.ask("task.trim", "boss", keep=2)) == "NOTHING_CHANGES"


@pytest.mark.parametrize(
    ("target", "actor", "expected"),
    [
        ("T-1", "dev", None), ("T-2", "dev", "BAD_ID"), ("t-9", "eye", "BAD_ID"), ("T-999999999", "dev", "BAD_ID"),
        ("T-99999999", "boss", None), ("T-100000000", "boss", "BAD_ID"), (f"T-{'9' * 60}", "boss", "BAD_ID"),
        ("SKILL-7", "dev", None), ("T-07", "dev", None), ("TT-7", "dev", None),
    ],
)  # fmt: skip
def test_automatic_numbers_are_given_out_in_order(target: str, actor: str, expected: str | None) -> None:
    assert code(World.peopled().ask("task.add", actor, target, title="t")) == expected
    if actor == "boss":
        imported = World.peopled().ask("task.import", actor, target, title="t", imported={"status": "done"})
        assert code(imported) == expected


def test_the_number_after_one_that_exists_is_the_next() -> None:
    world = World.peopled()
    world.do("task.add", "boss", "t-41", title="t")
    assert code(world.ask("task.add", "dev", "T-43", title="t")) == "BAD_ID"
    world.do("task.add", "dev", "T-42", title="t")


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("A-1", None), ("A-2", "BAD_ID"), (f"A-{'9' * 62}", "BAD_ID"), ("stale.0123456789-1", None),
        ("stale.0123456789-3", "BAD_ID"), ("fire", None),
    ],
)  # fmt: skip
def test_numbers_of_alerts_are_given_out_in_order(target: str, expected: str | None) -> None:
    assert code(World.peopled().ask("alert.raise", "eye", target, message="m")) == expected


def test_an_orchestrator_without_a_key_does_not_count_as_one_that_is_left() -> None:
    world = World.peopled({"boss": "orchestrator", "boss2": "orchestrator", "dev": "developer"})
    record = world.files["agents/boss2.yaml"]
    world.files["agents/boss2.yaml"] = {**record, "keys": [{**record["keys"][0], "state": "retired"}]}
    assert code(world.ask("agent.remove", "boss", "boss")) == "LAST_ORCHESTRATOR"
    assert code(world.ask("agent.compromise", "boss", "boss", since="0" * 40)) == "LAST_ORCHESTRATOR"
    world.do("agent.remove", "boss", "boss2")


def test_a_new_submission_forgets_the_deployment_that_was_rolled_back() -> None:
    world = deployed()
    world.do("task.rollback", "ship", evidence="attested", reverts=world.deployed["T-1"])
    world.do("task.assign", "boss", to="dev")
    world.do("task.start", "dev")
    assert world.task().deployment
    world.do("task.submit", "dev", deliverable="/d", digest=OTHER_DIGEST)
    assert world.task().deployment is None


def test_a_cancelled_dependency_is_not_met() -> None:
    world = World.peopled()
    world.do("task.add", "boss", title="one")
    world.do("task.add", "boss", "T-2", title="two", assigned="dev", depends_on=["T-1"])
    world.do("task.cancel", "boss")
    assert code(world.ask("task.start", "dev", "T-2")) == "DEPENDENCY_OPEN"


@pytest.mark.parametrize("actor", ["ship", "boss"])
def test_an_alert_that_is_named_for_a_rollback_must_fit_whoever_rolls_back(actor: str) -> None:
    world = deployed()
    world.do("alert.raise", "eye", "A-1", message="about nothing")
    back = {"op": "task.rollback", "evidence": "attested", "reverts": world.deployed["T-1"]}
    assert code(world.ask(**back, actor=actor, alert="A-1")) == "ALERT_UNFIT"
    world.do(**back, actor=actor)


COMMIT = "a" * 40


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"deliverable": "/d", "digest": DIGEST}, None),
        ({"deliverable": f"commit: {COMMIT}", "digest": f"git:{COMMIT}", "repository": "/r"}, None),
        ({"deliverable": "/good", "digest": f"git:{COMMIT}", "repository": "/evil"}, "BAD_VALUE"),
        ({"deliverable": f"commit: {COMMIT}", "digest": DIGEST, "repository": "/r"}, "BAD_VALUE"),
        ({"deliverable": f"commit: {COMMIT}", "digest": f"git:{'b' * 40}", "repository": "/r"}, "BAD_VALUE"),
        ({"deliverable": f"commit: {COMMIT}", "digest": f"git:{COMMIT}"}, "BAD_VALUE"),
        ({"deliverable": "/d", "digest": DIGEST, "repository": "/r"}, "BAD_VALUE"),
    ],
)
def test_what_a_reviewer_is_shown_is_what_the_digest_is_of(fields: dict[str, str], expected: str | None) -> None:
    assert code(in_progress().ask("task.submit", "dev", **fields)) == expected
