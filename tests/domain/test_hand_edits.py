"""Which operation an edit of a record by hand is: the one that writes the same change."""

from __future__ import annotations

from typing import Any

import pytest

from opsgit.domain import rules
from opsgit.domain.catalogue import CATALOGUE
from opsgit.domain.names import PROJECT, path_of, task_path
from opsgit.domain.refusals import Refused
from opsgit.verification.hand_edit import operation_of
from tests.domain.world import World

# The operation, its actor and its target, and for a task the status and fields from which it starts.
CASES: dict[str, tuple[str, str, dict[str, Any], dict[str, Any]]] = {
    "task.add": ("boss", "T-2", {"title": "t"}, {}),
    "task.assign": ("boss", "T-1", {"to": "dev"}, {"status": "backlog"}),
    "task.release": ("dev", "T-1", {}, {"status": "assigned", "assigned": "dev"}),
    "task.start": ("dev", "T-1", {}, {"status": "assigned", "assigned": "dev"}),
    "task.cancel": ("boss", "T-1", {}, {"status": "backlog"}),
    "task.comment": ("eye", "T-1", {"text": "hm"}, {"status": "backlog"}),
    "task.trim": ("boss", "T-1", {"keep": 0}, {"comments": [{"by": "eye", "at": "2023-11-14T22:13:20Z", "text": "x"}]}),
    "task.progress": ("dev", "T-1", {"text": "half"}, {"status": "in-progress", "assigned": "dev"}),
    "task.edit": ("boss", "T-1", {"title": "new"}, {"status": "backlog"}),
    "agent.edit": ("boss", "dev", {"description": "new"}, {}),
    "agent.remove": ("boss", "dev", {}, {}),
    "quota.set": ("boss", "q", {"limit": 3}, {}),
    "metric.set": ("eye", "m", {"value": 3}, {}),
    "alert.raise": ("eye", "A-2", {"message": "slow"}, {}),
    "alert.resolve": ("eye", "A-1", {}, {}),
}


def test_these_operations_can_be_made_by_hand() -> None:
    assert {one.name for one in CATALOGUE if one.by_hand} == {*CASES, "project.set"}


@pytest.mark.parametrize("op", CASES)
def test_an_edit_by_hand_is_the_operation_that_writes_it(op: str) -> None:
    actor, target, fields, task = CASES[op]
    world = World.peopled()
    world.set_task(**task)
    world.do("alert.raise", "eye", "A-1", message="here already")
    path = path_of(op.partition(".")[0], target)
    before = world.record(path)
    world.do(op, actor, target, note="because", **fields)
    assert operation_of(rules.in_force(world.snapshot().project), path, before, world.record(path)).name == op


@pytest.mark.parametrize(
    ("before", "after"),
    [("backlog", "in-progress"), ("review", "done"), ("in-progress", "review"), ("done", "deployed")],
)
def test_a_step_that_needs_more_than_a_file_is_refused(before: str, after: str) -> None:
    world = World.peopled()
    old, new = {"id": "T-1", "status": before}, {"id": "T-1", "status": after}
    with pytest.raises(Refused) as refused:
        operation_of(rules.in_force(world.snapshot().project), task_path("T-1"), old, new)
    assert refused.value.refusal.code == "HAND_MADE"


@pytest.mark.parametrize(("path", "new"), [(task_path("T-1"), None), (PROJECT, None), ("agents/x.yaml", {"name": "x"})])
def test_a_removed_file_and_a_new_agent_are_refused(path: str, new: dict[str, Any] | None) -> None:
    world = World.peopled()
    with pytest.raises(Refused) as refused:
        operation_of(rules.in_force(world.snapshot().project), path, world.record(path), new)
    assert refused.value.refusal.code == "HAND_MADE"
