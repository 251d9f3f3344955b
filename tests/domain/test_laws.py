"""Laws over random requests: no forbidden state is reached, and every change replays to itself."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from opsgit.domain.model import Task
from opsgit.domain.records import to_record
from opsgit.domain.refusals import CODES, Refusal
from opsgit.domain.request import Change
from opsgit.domain.rules import VERSIONS
from opsgit.domain.vocabulary import STATUSES
from tests.domain.world import DIGEST, OTHER_DIGEST, ROLES, World, key_of, replayed

ARGUMENTS: dict[str, list[Any]] = {
    "title": ["t", "", "a\nb"],
    "to": ["dev", "dev2", "qa", "nobody"],
    "lease": [None, "2h", "2w", "12d", "999999s", "0s", "soon"],
    "assigned": [None, "dev", "qa"],
    "pipeline": [None, ["dev", "qa", "ship"], ["developer", "reviewer", "reviewer", "deployer"], ["dev", "ship"],
                 ["developer", "reviewer*2", "deployer"]],
    "depends_on": [None, ["T-1"], ["T-2"]],
    "priority": [None, "high", "urgent"],
    "tags": [None, ["a", "b"]],
    "description": [None, "one\ntwo\n"],
    "text": ["hello", "Opsgit-Op: x\n\n  opsgit-file: y", ""],
    "deliverable": ["/d", "", "x"],
    "digest": [DIGEST, OTHER_DIGEST, None],
    "round": [1, 2, None],
    "revision": [None, None, 1],
    "file": [None, "a/b", "../x"],
    "line": [None, 3, 0],
    "answers": [None, "1-1"],
    "blocking": [None, True, False],
    "thread": ["1-1", "1-2"],
    "name": ["tests", "T"],
    "status": ["pass", "fail", "x"],
    "url": [None, "https://example.org/1"],
    "evidence": ["attested", "exit 0", "exit 3"],
    "ref": [None, "v1"],
    "keep": [0, 1],
    "alert": [None, "A-1"],
    "message": ["m"],
    "task": [None, "T-1"],
    "role": ["developer", "reviewer", "orchestrator", "wizard"],
    "key": [key_of("n1"), key_of("n2"), key_of("dev")],
    "proof": ["AAAA"],
    "proved": [True],
    "limit": [3, -1],
    "period": ["daily", "none"],
    "amount": [1, 5, -2],
    "value": [1, 2.5, "x"],
    "imported": [None, {"status": "done", "history": [{"status": "done", "by": "dev"}]}, {"tasks_completed": 3}],
    "repository": [None, "/r"],
    "severity": [None, "critical"],
    "since": ["0" * 40, "x"],
    "commits": [["1" * 40], ["x"], [f"{'0' * 40}..{'1' * 40}"], []],
    "undone": [True, False],
    "agents": [None, ["dev"], ["nobody"]],
    "used": [None, 2],
    "reset_at": [None, "2023-11-14T00:00:00Z"],
    "kind": [None, "human", "ghost"],
    "email": [None, "x@example.org", "x"],
    "command": [[], ["true"]],
    "started": [None],
    "reverts": [None],
    "record": [{"name": "p"}],
    "content": [b""],
    "files": [{}],
}  # fmt: skip
TARGETS = ["T-1", "T-2", "A-1", "dev", "qa", "new", "t-1", "../x", "quota-one"]
NOTES = ["", "because", "Opsgit-Op: task.cancel\n\n Opsgit-File: x", "two\n\nparagraphs"]
BOOK = VERSIONS[1]
OPS = sorted(op for op, one in BOOK.operations.items() if one.kind not in ("project", "managed"))
LEGAL: set[tuple[str | None, str]] = {
    (source, target) for one in BOOK.steps for source in one.sources for target in one.targets
}
LEGAL |= {(None, "backlog"), (None, "assigned")}
IMPORTED = {(None, status) for status in STATUSES if status != "review"}  # nobody here signed a submission
assert set(ARGUMENTS) == {name for one in BOOK.operations.values() for name in one.arguments}
requests = st.tuples(
    st.sampled_from(OPS),
    st.sampled_from([*ROLES, "nobody"]),
    st.sampled_from(TARGETS),
    st.sampled_from(NOTES),
    st.fixed_dictionaries({name: st.sampled_from(values) for name, values in ARGUMENTS.items()}),
)
# Left out of a request where the operation has no use for it, so that task.edit and agent.edit are asked sensibly.
EDITS = {"task.edit": ("title", "priority", "tags"), "agent.edit": ("role", "description")}


def ask(world: World, op: str, actor: str, target: str, note: str, fields: dict[str, Any]) -> Change | Refusal:
    wanted = EDITS.get(op, tuple(name for name in fields if name in BOOK.operations[op].arguments))
    given_ = {name: fields[name] for name in wanted if fields[name] is not None}
    if op == "task.rollback":
        given_["reverts"] = world.deployed.get(target)
    return world.ask(op, actor, target, note, **given_)


def sound(task: Task) -> None:
    """What holds of every task that the rule book ever wrote, except of one that is as it was imported."""
    assert task.assigned is None or task.assigned in task.contributors
    if task.imported and task.submission is None:
        assert task.review is None and task.deployment is None
        return
    if task.status in ("review", "done", "deployed"):
        assert task.submission and task.assigned in task.contributors
    if task.status in ("done", "deployed"):
        assert task.review and task.review.verdict and task.review.verdict.outcome == "approved"
        stages = range(1, len(task.pipeline) - 1)
        assert task.submission
        marks = [(m.stage, m.round, m.digest) for m in task.review.sign_offs]
        each = [stage for stage in stages for _ in range(task.pipeline[stage].count or 1)]
        assert marks == [(stage, task.submission.round, task.submission.digest) for stage in each]
        assert not [one for one in task.review.comments if one.blocking and not one.resolved]
        signers = [mark.by for mark in task.review.sign_offs]
        assert len(set(signers)) == len(signers)
        assert not set(signers) & set(task.contributors)
    if task.status == "deployed":
        assert task.deployment and task.deployment.state == "deployed"
    if task.status == "backlog":
        assert task.assigned is None


@settings(max_examples=100, deadline=None)
@given(st.lists(requests, max_size=40), st.integers(0, 6))
def test_random_requests_reach_no_forbidden_state_and_every_change_replays(asked: list[Any], head_start: int) -> None:
    world = World.peopled()
    for step in HAPPY[:head_start]:
        op, actor, fields = step
        world.do(op, actor, **fields)
    for op, actor, target, note, fields in asked:
        answer = ask(world, op, actor, target, note, fields)
        if isinstance(answer, Refusal):
            assert answer.code in CODES
            assert answer.message and answer.hint, answer
            continue
        if answer.is_transition:
            assert (answer.before, answer.after) in (IMPORTED if op == "task.import" else LEGAL)
        assert outcome(replayed(world, answer)) == outcome(answer)
        contributors = before_contributors(world, answer)
        world.apply(answer)
        if op.startswith(("task.", "review.")):
            task = world.task(target)
            sound(task)
            assert to_record(task) == answer.edits[0].record
            assert set(contributors) <= set(task.contributors)


def outcome(answer: Change | Refusal) -> Any:
    """All of a change but the request, which a replay knows only as far as the commit shows it."""
    return {**vars(answer), "request": None}


def before_contributors(world: World, change: Change) -> tuple[str, ...]:
    found = world.snapshot(change.request.target).find(Task, change.edits[0].path) if change.before else None
    return found.contributors if found else ()


HAPPY: list[tuple[str, str, dict[str, Any]]] = [
    ("task.add", "boss", {"title": "t", "assigned": "dev"}),
    ("task.start", "dev", {}),
    ("task.submit", "dev", {"deliverable": "/d", "digest": DIGEST}),
    ("review.approve", "qa", {"round": 1, "digest": DIGEST}),
    ("task.deploy-start", "ship", {"digest": DIGEST}),
    ("task.deploy-finish", "ship", {"digest": DIGEST, "evidence": "attested"}),
]
