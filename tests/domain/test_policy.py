"""Roles, rights and pipelines: who holds what, and which pipelines and roles are refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from opsgit.domain import policy
from opsgit.domain.model import Agent, Project, Stage
from opsgit.domain.records import from_record
from opsgit.domain.refusals import Refused
from tests.domain.world import PROJECT

PLAIN = from_record(Project, PROJECT)
OWN = replace(PLAIN, roles={"lead": ("work", "review"), "all": ("work", "review", "deploy"), "idle": ()})
AGENTS = {"dev": "developer", "dev2": "developer", "qa": "reviewer", "qa2": "reviewer", "ship": "deployer",
          "boss": "orchestrator", "ada": "all", "lea": "lead", "gone": "nothing"}  # fmt: skip


def agent(name: str, status: str = "active") -> Agent:
    return Agent(name=name, role=AGENTS[name], kind="agent", status=status)


def find(name: str) -> Agent | None:
    return agent(name, "removed" if name == "gone" else "active") if name in AGENTS else None


def typed(stages: Sequence[str], project: Project = OWN) -> tuple[Stage, ...]:
    return policy.typed_pipeline(project, stages, find)


def bad_pipeline(stages: Sequence[str], project: Project = OWN) -> str:
    with pytest.raises(Refused) as caught:
        typed(stages, project)
    assert (caught.value.refusal.code, caught.value.refusal.where) == ("BAD_PIPELINE", "pipeline")
    return caught.value.refusal.message


def role_code(**roles: tuple[str, ...]) -> tuple[str, str]:
    with pytest.raises(Refused) as caught:
        policy.check_roles(replace(PLAIN, roles=roles))
    return caught.value.refusal.code, caught.value.refusal.where


def test_each_built_in_role_holds_one_right() -> None:
    assert list(policy.ROLES.values()) == [
        ("orchestrate",),
        ("work",),
        ("review",),
        ("deploy",),
        ("observe",),
    ]
    assert {right for held in policy.ROLES.values() for right in held} == {
        "orchestrate",
        "work",
        "review",
        "deploy",
        "observe",
    }
    assert policy.rights(PLAIN, agent("dev")) == {"work"}
    assert policy.rights(PLAIN, agent("boss")) == {"orchestrate"}


def test_a_role_of_the_project_holds_what_the_project_says() -> None:
    assert policy.rights(OWN, agent("lea")) == {"work", "review"}
    assert policy.roles(OWN)["idle"] == ()
    assert policy.rights(PLAIN, agent("lea")) == frozenset(), "a role that was taken away gives nothing"


def test_who_was_removed_holds_nothing() -> None:
    assert policy.rights(PLAIN, agent("dev", "removed")) == frozenset()


def test_a_project_cannot_change_a_built_in_role() -> None:
    sly = replace(PLAIN, roles={"developer": ("work", "deploy")})
    assert policy.rights(sly, agent("dev")) == {"work"}
    assert role_code(developer=("work", "deploy")) == ("IDENTITY_FIXED", "roles.developer")


def test_a_role_has_a_name_like_others() -> None:
    assert role_code(**{"Lead": ("work",)}) == ("BAD_NAME", "role")
    assert role_code(**{"x" * 33: ("work",)}) == ("BAD_NAME", "role")


@pytest.mark.parametrize("right", ["work", "review", "deploy"])
def test_who_orchestrates_does_not_implement(right: str) -> None:
    assert role_code(mixed=("orchestrate", right)) == ("EXCLUSIVE_ROLES", "roles.mixed")
    assert role_code(fine=("work",), mixed=(right, "observe", "orchestrate")) == ("EXCLUSIVE_ROLES", "roles.mixed")


def test_other_rights_may_be_held_together() -> None:
    policy.check_roles(
        replace(PLAIN, roles={"a": ("orchestrate", "observe"), "b": ("work", "review", "deploy", "observe"), "c": ()})
    )
    policy.check_roles(PLAIN)


def test_a_role_that_exists_is_returned_and_another_is_refused() -> None:
    assert [policy.check_role(OWN, role) for role in ("lead", "developer")] == ["lead", "developer"]
    for role in ("nope", "", "Developer", "dev"):
        with pytest.raises(Refused) as caught:
            policy.check_role(OWN, role)
        assert (caught.value.refusal.code, caught.value.refusal.where) == ("UNKNOWN_ROLE", "role")
        assert "lead" in caught.value.refusal.message


def test_a_stage_means_an_agent_by_name_or_by_role() -> None:
    dev = agent("dev")
    assert policy.matches(Stage(agent="dev"), dev)
    assert policy.matches(Stage(role="developer"), dev)
    assert not policy.matches(Stage(agent="dev2"), dev)
    assert not policy.matches(Stage(role="reviewer"), dev)
    assert not policy.matches(Stage(agent="developer"), dev)
    assert not policy.matches(Stage(role="dev"), dev)
    assert not policy.matches(Stage(), dev)


@pytest.mark.parametrize("words", ["dev→qa→ship", "dev->qa->ship", "dev,qa,ship", " dev → qa,  ship ", "dev->qa→ship"])
def test_a_pipeline_is_written_in_three_ways(words: str) -> None:
    assert policy.split_pipeline(words) == ("dev", "qa", "ship")


def test_an_empty_stage_is_kept_to_be_refused() -> None:
    assert policy.split_pipeline("") == ("",)
    assert policy.split_pipeline("dev,,ship") == ("dev", "", "ship")
    assert "neither an agent nor a role" in bad_pipeline(("dev", "", "ship"))


@pytest.mark.parametrize("count", [3, 4, 20])
def test_the_first_works_the_last_deploys_and_those_between_review(count: int) -> None:
    assert policy.stage_rights(count) == ["work", *["review"] * (count - 2), "deploy"]


def test_a_stage_is_an_agent_of_that_name_or_else_a_role() -> None:
    assert typed(("dev", "reviewer", "qa", "deployer")) == (
        Stage(agent="dev"), Stage(role="reviewer"), Stage(agent="qa"), Stage(role="deployer"),
    )  # fmt: skip
    assert typed(policy.PIPELINE) == tuple(Stage(role=role) for role in policy.PIPELINE)


def test_an_agent_comes_before_a_role_of_the_same_name() -> None:
    named = replace(PLAIN, roles={"dev": ("review",)})
    assert typed(("dev", "qa", "ship"), named)[0] == Stage(agent="dev")


@pytest.mark.parametrize("stages", [(), ("dev",), ("dev", "ship")])
def test_a_pipeline_has_three_stages_at_least(stages: tuple[str, ...]) -> None:
    assert "at least one reviewer" in bad_pipeline(stages)


def test_a_pipeline_has_twenty_stages_at_most() -> None:
    assert len(typed(("developer", *["reviewer"] * 18, "deployer"))) == 20
    assert "at most 20" in bad_pipeline(("developer", *["reviewer"] * 19, "deployer"))


@pytest.mark.parametrize("stages", [("dev", "qa", "qa", "ship"), ("ada", "ada", "ship"), ("ada", "qa", "ada", "ship")])
def test_nobody_works_or_reviews_in_two_stages(stages: tuple[str, ...]) -> None:
    assert "nobody works or reviews in two" in bad_pipeline(stages)


def test_who_worked_or_reviewed_may_deploy() -> None:
    assert [stage.name for stage in typed(("ada", "qa", "ada"))] == ["ada", "qa", "ada"]
    assert [stage.name for stage in typed(("dev", "qa", "ada", "ada"))] == ["dev", "qa", "ada", "ada"]


def test_a_role_may_stand_in_many_stages() -> None:
    assert typed(("all", "all", "all")) == (Stage(role="all"),) * 3


@pytest.mark.parametrize(
    ("stages", "name", "right"),
    [
        (("qa", "qa2", "ship"), "qa", "work"),
        (("dev", "dev2", "ship"), "dev2", "review"),
        (("dev", "qa", "qa2"), "qa2", "deploy"),
        (("reviewer", "qa", "ship"), "reviewer", "work"),
        (("dev", "qa", "developer", "ship"), "developer", "review"),
        (("dev", "qa", "lead"), "lead", "deploy"),
        (("boss", "qa", "ship"), "boss", "work"),
        (("gone", "qa", "ship"), "gone", "work"),
        (("idle", "qa", "ship"), "idle", "work"),
    ],
)
def test_each_stage_holds_the_right_that_it_needs(stages: tuple[str, ...], name: str, right: str) -> None:
    assert bad_pipeline(stages) == f"stage {name!r} does not hold the right to {right}"


@pytest.mark.parametrize("name", ["nope", "Developer", "lead"])
def test_a_stage_that_is_neither_agent_nor_role_is_refused(name: str) -> None:
    assert bad_pipeline((name, "qa", "ship"), PLAIN) == f"stage {name!r} is neither an agent nor a role"
