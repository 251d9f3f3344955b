"""Every (operation, status, actor) against the design's tables, written down here a second time."""

from __future__ import annotations

from typing import Any

import pytest

from opsgit.domain.refusals import Refusal
from opsgit.domain.request import Change
from opsgit.domain.rules import VERSIONS
from opsgit.domain.vocabulary import STATUSES
from tests.domain.world import AT, DIGEST, OTHER_DIGEST, World

SUBMISSION = {"round": 1, "deliverable": "/d", "digest": DIGEST, "at": AT}
DEPLOYMENT = {
    "state": "deployed",
    "by": "ship",
    "digest": DIGEST,
    "started": AT,
    "finished": AT,
    "evidence": "attested",
}
STARTED = {"state": "started", "by": "ship", "digest": DIGEST, "started": AT}
BEFORE = "backlog assigned in-progress review done rejected".split()
NOT_REVIEW = [status for status in STATUSES if status != "review"]

# operation: legal statuses, result (None: unchanged), who may (of boss dev dev2 qa ship eye; dev is the assignee and
# has contributed, dev2 may work, eye names no alert), arguments
EXPECTED: dict[str, tuple[list[str], str | None, str, dict[str, Any]]] = {
    "task.assign": (
        "backlog rejected done rolled-back assigned in-progress".split(),
        "assigned",
        "boss",
        {"to": "dev2"},
    ),
    "task.claim": (["backlog", "assigned", "in-progress"], "assigned", "dev dev2", {}),
    "task.release": ("assigned in-progress rejected".split(), "backlog", "boss dev", {}),
    "task.start": (["assigned", "rejected"], "in-progress", "dev", {}),
    "task.submit": (["in-progress"], "review", "dev", {"deliverable": "/d", "digest": OTHER_DIGEST}),
    "review.withdraw": (["review"], "in-progress", "dev", {}),
    "review.approve": (["review"], "done", "qa", {"round": 1, "digest": DIGEST}),
    "review.reject": (["review"], "rejected", "qa", {"round": 1}),
    "task.deploy-start": (["done"], None, "ship", {"digest": DIGEST}),
    "task.deploy-finish": (["done"], "deployed", "ship", {"digest": DIGEST, "evidence": "attested"}),
    "task.deploy-abandon": (["done"], None, "boss", {}),
    "task.rollback": (["deployed"], "rolled-back", "boss ship", {"evidence": "attested", "reverts": "abc"}),
    "task.cancel": (BEFORE, "cancelled", "boss", {}),
    "task.edit": ("backlog assigned in-progress rejected".split(), None, "boss", {"title": "new"}),
    "task.progress": (["in-progress"], None, "dev", {"text": "half"}),
    "task.comment": (NOT_REVIEW, None, "boss dev dev2 qa ship eye", {"text": "hm"}),
    "task.trim": (NOT_REVIEW, None, "boss", {"keep": 0}),
    "review.request": (["review"], None, "dev", {"text": "please"}),
    "review.comment": (["review"], None, "boss dev dev2 qa ship eye", {"text": "hm"}),
    "review.revise": (["review"], None, "dev", {"deliverable": "/d", "digest": OTHER_DIGEST}),
    "review.check": (["review"], None, "qa eye", {"round": 1, "digest": DIGEST, "name": "tests", "status": "pass"}),
    "review.resolve": (["review"], None, "qa eye", {"thread": "1-1"}),
    "review.sign-off": (["review"], None, "qa", {"round": 1, "digest": DIGEST}),
}
STATUS_CODES = {"ILLEGAL_TRANSITION", "IN_REVIEW", "ALREADY_THERE", "ALREADY_CLAIMED"}
WHO_CODES = {"RIGHT_MISSING", "NOT_ASSIGNEE", "SELF_REVIEW", "NOT_CREATOR", "ALERT_REQUIRED", "NOT_YOUR_THREAD"}


def world_at(op: str, status: str) -> World:
    """A task in a status, with all that would be there by then."""
    world = World.peopled()
    fields: dict[str, Any] = {}
    if status != "backlog":
        fields = {"assigned": "dev", "contributors": ["dev"]}
    if op == "task.claim" and status in ("assigned", "in-progress"):
        fields["lease"] = {"seconds": 60, "until": AT}
    if status in ("review", "done", "deployed", "rolled-back"):
        fields |= {"submission": SUBMISSION, "review": {"round": 1}}
    if op == "review.resolve" and status == "review":
        fields["review"] = {"round": 1, "comments": [{"id": "1-1", "by": "eye", "at": AT, "text": "why?"}]}
    if status in ("done", "deployed", "rolled-back"):
        fields["review"] = {"round": 1, "verdict": {"outcome": "approved", "by": "qa", "at": AT}}
    if status in ("deployed", "rolled-back"):
        fields["deployment"] = DEPLOYMENT
        world.deployed["T-1"] = "abc"
    if status == "done" and op in ("task.deploy-finish", "task.deploy-abandon"):
        fields["deployment"] = STARTED
    if op == "review.sign-off":
        fields["pipeline"] = [{"role": "developer"}, {"role": "reviewer"}, {"role": "reviewer"}, {"role": "deployer"}]
    world.set_task(status=status, comments=[{"by": "qa", "at": AT, "text": "x"}], **fields)
    if status == "review":
        world.branch["tasks/t1/T-1.yaml"] = world.files["tasks/t1/T-1.yaml"]
    return world


def test_the_tables_hold_these_operations_and_no_others() -> None:
    assert {one.name for one in VERSIONS[1].operations.values() if one.sources} == set(EXPECTED)


@pytest.mark.parametrize("actor", "boss dev dev2 qa ship eye".split())
@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("op", EXPECTED)
def test_every_triple_is_legal_or_refused_with_its_code(op: str, status: str, actor: str) -> None:
    legal, result, who, arguments = EXPECTED[op]
    world = world_at(op, status)
    answer = world.ask(op, actor, note="because", **arguments)
    if status not in legal:
        assert isinstance(answer, Refusal), answer
        assert answer.code in STATUS_CODES, answer
    elif actor not in who.split():
        assert isinstance(answer, Refusal), answer
        assert answer.code in WHO_CODES, answer
    else:
        assert isinstance(answer, Change), answer
        assert (answer.before, answer.after) == (status, result or status)


@pytest.mark.parametrize("actor", "boss dev dev2 qa ship eye".split())
def test_anybody_adds_a_plain_task_and_only_an_orchestrator_more(actor: str) -> None:
    world = World.peopled()
    plain = world.ask("task.add", actor, title="t")
    assert isinstance(plain, Change)
    assert plain.after == "backlog"
    world.set_task(id="T-9")
    for more in ({"assigned": "dev"}, {"pipeline": ["dev", "qa", "ship"]}, {"depends_on": ["T-9"]}):
        answer = world.ask("task.add", actor, title="t", **more)
        expected = None if actor == "boss" else "RIGHT_MISSING"
        assert (answer.code if isinstance(answer, Refusal) else None) == expected


@pytest.mark.parametrize("op", ["project.init", "task.delete", "", "review.merge"])
def test_what_no_row_allows_is_refused(op: str) -> None:
    answer = World.peopled().ask(op, "boss")
    assert isinstance(answer, Refusal)
    assert answer.code == "NO_SUCH_OPERATION"
