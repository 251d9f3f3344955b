"""What is advised is legal, and who has a legal step forward is told so: laws over random ledgers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from opsgit.domain.advice import ORCHESTRATORS
from opsgit.domain.dependencies import blocked_by
from opsgit.domain.model import Agent, Task
from opsgit.domain.next_steps import Step, advised, steps, waits_for
from opsgit.domain.policy import rights
from opsgit.domain.records import from_record
from opsgit.domain.refusals import Refusal
from opsgit.domain.request import Change
from opsgit.domain.rules import VERSIONS
from opsgit.domain.vocabulary import ORCHESTRATE
from tests.domain.test_laws import ask, requests
from tests.domain.world import DIGEST, OTHER_DIGEST, ROLES, World, agent_record

BOOK = VERSIONS[1]


def agents(world: World) -> list[Agent]:
    return [agent for agent in world.snapshot().agents() if agent.status == "active"]


def tasks(world: World) -> list[Task]:
    paths = [path for path in world.files if path.startswith("tasks/")]
    return [world.snapshot(task.id).task(task.id) for task in (from_record(Task, world.files[path]) for path in paths)]


def blocked(world: World, task: Task) -> bool:
    return bool(blocked_by(task.status, task.depends_on, lambda other: world.snapshot().task(other).status))


def told(world: World, agent: Agent, task: Task) -> list[Step]:
    return list(steps(world.snapshot(task.id), BOOK, agent, task, world.now))


def evidence(world: World, op: str, task: Task) -> Iterator[dict[str, Any]]:
    """What the step itself brings; a few ways, for an assignee must fit the pipeline and a digest must be new."""
    submission = task.submission
    seen = {"round": submission.round, "digest": submission.digest} if submission else {}
    running = task.deployment.started if task.deployment else ""
    digest = submission.digest if submission else DIGEST
    given_: dict[str, list[dict[str, Any]]] = {
        "task.assign": [{"to": "dev"}, {"to": "dev2"}],
        "task.submit": [{"deliverable": "/d", "digest": one} for one in (DIGEST, OTHER_DIGEST, "h1:" + "C" * 43 + "=")],
        "review.approve": [seen],
        "review.sign-off": [seen],
        "review.reject": [{"round": submission.round} if submission else {}],
        "task.deploy-start": [{"digest": digest}],
        "task.deploy-finish": [{"digest": digest, "evidence": "attested", "started": running}],
    }
    yield from given_.get(op, [{}])


def accepted(world: World, op: str, actor: str, task: Task) -> bool:
    return any(
        isinstance(world.ask(op, actor, task.id, "because", **fields), Change) for fields in evidence(world, op, task)
    )


def lived(asked: list[Any], removed: list[str]) -> World:
    """A ledger after random requests, with some agents removed at the end."""
    world = World.peopled()
    for op, actor, target, note, fields in [*START, *asked]:
        answer = ask(world, op, actor, target, note, fields) if fields else world.ask(op, actor, target, note)
        if isinstance(answer, Change):
            world.apply(answer)
    for name in removed:
        answer = world.ask("agent.remove", "boss", name)
        if isinstance(answer, Change):
            world.apply(answer)
    return world


FIELDS = {
    "title": "t",
    "to": None,
    "assigned": None,
    "pipeline": None,
    "depends_on": None,
    "priority": None,
    "tags": None,
    "description": None,
}
START: list[Any] = [
    ("task.add", "boss", "T-1", "", {**FIELDS, "assigned": "dev"}),
    ("task.add", "boss", "T-2", "", {**FIELDS, "depends_on": ["T-1"], "pipeline": ["dev", "qa", "ship"]}),
]  # fmt: skip
removals = st.lists(st.sampled_from(["dev", "dev2", "qa", "ship"]), max_size=3)


@settings(max_examples=60, deadline=None)
@given(st.lists(requests, max_size=40), removals)
def test_every_step_that_is_named_is_accepted_with_its_evidence(asked: list[Any], removed: list[str]) -> None:
    world = lived(asked, removed)
    for task in tasks(world):
        if blocked(world, task):
            continue
        for agent in agents(world):
            for step in told(world, agent, task):
                assert accepted(world, step.op, agent.name, task), (step, task, agent)


@settings(max_examples=60, deadline=None)
@given(st.lists(requests, max_size=40), removals)
def test_who_has_a_legal_step_forward_is_told_so(asked: list[Any], removed: list[str]) -> None:
    world = lived(asked, removed)

    def can_act(name: str) -> bool:
        return any(agent.name == name for agent in agents(world))

    for task in tasks(world):
        waiting = waits_for(BOOK, task, can_act)
        if waiting and waiting[0] not in ROLES.values() and not blocked(world, task):
            assert told(world, world.snapshot().agent(waiting[0]), task), (waiting, task)
        assert (waiting is None) == (task.status in ("deployed", "cancelled")), task
        for agent in agents(world):
            held = rights(world.snapshot().project, agent)
            forward = [
                one.name
                for one in advised(BOOK)
                if one.advice
                and (who := one.advice.who(task, can_act))
                and (who in (agent.name, agent.role) or (who == ORCHESTRATORS and ORCHESTRATE in held))
                and accepted(world, one.name, agent.name, task)
            ]
            assert set(forward) <= {step.op for step in told(world, agent, task)}, (task, agent)


def one(world: World, status: str, **more: Any) -> Task:
    world.set_task(status=status, **more)
    return world.task()


SUBMITTED = {"round": 1, "deliverable": "/d", "digest": DIGEST, "at": "2023-11-14T22:13:20Z"}


def names(world: World, agent: str, task: Task) -> list[str]:
    return [step.op for step in told(world, world.snapshot().agent(agent), task)]


def test_what_an_agent_left_behind_is_the_orchestrators() -> None:
    world = World.peopled()
    world.files["agents/dev.yaml"] = agent_record("dev", "developer", "removed")
    for status in ("assigned", "in-progress", "rejected"):
        task = one(world, status, assigned="dev")
        assert names(world, "boss", task) == ["task.assign"]
        assert waits_for(BOOK, task, lambda name: name != "dev") == ("orchestrator", "assign")


def test_what_was_imported_as_done_is_reopened_and_not_deployed() -> None:
    world = World.peopled()
    task = one(world, "done", assigned="dev", imported={"status": "done"})
    assert names(world, "ship", task) == []
    assert names(world, "boss", task) == ["task.assign"]
    assert '--reason "..."' in told(world, world.snapshot().agent("boss"), task)[0].command


def test_who_signed_off_or_worked_is_not_told_to_approve() -> None:
    world = World.peopled()
    pipeline = [{"role": "developer"}, {"role": "reviewer"}, {"role": "reviewer"}, {"role": "deployer"}]
    mark = {"stage": 1, "by": "qa", "at": SUBMITTED["at"], "round": 1, "digest": DIGEST}
    task = one(world, "review", assigned="dev", submission=SUBMITTED, pipeline=pipeline, contributors=["dev", "qa2"],
               review={"round": 1, "sign_offs": [mark]})  # fmt: skip
    assert names(world, "qa", task) == names(world, "qa2", task) == []
    world.files["agents/qa3.yaml"] = agent_record("qa3", "reviewer")
    assert names(world, "qa3", task) == ["review.approve"]


def test_a_deployment_whose_agent_is_gone_is_given_up_by_an_orchestrator() -> None:
    world = World.peopled()
    running = {"state": "started", "by": "ship", "digest": DIGEST, "started": SUBMITTED["at"]}
    review = {"round": 1, "verdict": {"outcome": "approved", "by": "qa", "at": SUBMITTED["at"]}}
    task = one(world, "done", assigned="dev", submission=SUBMITTED, review=review, deployment=running)
    assert names(world, "ship", task) == ["task.deploy-finish"]
    assert names(world, "boss", task) == names(world, "ship2", task) == []
    world.files["agents/ship.yaml"] = agent_record("ship", "deployer", "removed")
    assert names(world, "boss", task) == ["task.deploy-abandon"]


def test_may_is_silent_about_what_only_the_step_brings() -> None:
    from opsgit.domain.decide import may

    world = World.peopled()
    one(world, "in-progress", assigned="dev")
    assert may(world.snapshot(), "task.submit", "dev", "T-1", world.now) is None
    refused = may(world.snapshot(), "task.submit", "dev2", "T-1", world.now)
    assert isinstance(refused, Refusal) and refused.code == "NOT_ASSIGNEE"
    missing = may(world.snapshot(), "task.submit", "dev", "T-9", world.now)
    assert isinstance(missing, Refusal) and missing.code == "NOT_FOUND"


def test_a_review_or_deployment_by_a_removed_agent_is_not_left_to_nobody() -> None:
    world = World.peopled()
    pipeline = [{"agent": "dev"}, {"agent": "qa"}, {"agent": "ship"}]
    for name, role in (("qa", "reviewer"), ("ship", "deployer")):
        world.files[f"agents/{name}.yaml"] = agent_record(name, role, "removed")
    waiting = {"assigned": "dev", "submission": SUBMITTED, "pipeline": pipeline, "contributors": ["dev"]}
    task = one(world, "review", review={"round": 1}, **waiting)
    assert names(world, "dev", task) == ["review.withdraw"]
    world.files["agents/dev.yaml"] = agent_record("dev", "developer", "removed")
    assert names(world, "boss", task) == ["task.cancel"]
    world.files["agents/dev.yaml"] = agent_record("dev", "developer")
    approved = {"round": 1, "verdict": {"outcome": "approved", "by": "qa", "at": SUBMITTED["at"]}}
    task = one(world, "done", review=approved, **waiting)
    assert names(world, "boss", task) == ["task.assign"]
