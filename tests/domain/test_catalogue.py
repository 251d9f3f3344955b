"""The catalogue: each record is whole, decide never raises, and what is derived follows from the records."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsgit.domain.authority import RELATIONS
from opsgit.domain.canonical import ROOM
from opsgit.domain.catalogue import CATALOGUE, OPERATIONS
from opsgit.domain.gates import EVIDENCE, GATES, STATE, Gate
from opsgit.domain.model import Task
from opsgit.domain.names import ENTITIES
from opsgit.domain.operation import Operation
from opsgit.domain.records import from_record
from opsgit.domain.refusals import CODES, Refusal
from opsgit.domain.request import Change, ManagedFile, Request
from opsgit.domain.rules import VERSIONS, RuleBook, in_force
from opsgit.domain.vocabulary import STATUSES
from opsgit.operations.session import NATURAL
from opsgit.views import lifecycle
from tests.domain.world import DIGEST, World


@pytest.mark.parametrize("operation", CATALOGUE, ids=lambda one: one.name)
def test_each_record_names_only_what_there_is(operation: Operation) -> None:
    assert operation.kind in {*ENTITIES, "managed"}
    assert operation.who
    assert set(operation.sources) | set(operation.targets) <= set(STATUSES)
    assert set(operation.gates) <= set(GATES)
    assert {who.relation for who in operation.who} <= set(RELATIONS)
    assert operation.actor in NATURAL
    assert operation.command.split()[0] in ("opsgit", "git")
    assert operation.word or operation.targets or operation.kind in ("project", "managed")
    assert (len(operation.targets) > 1) == (operation.reaches is not None)
    assert operation.effect.__doc__


def test_each_name_stands_once() -> None:
    assert len(OPERATIONS) == len(CATALOGUE)
    assert not set(STATE) & set(EVIDENCE)
    assert {gate for one in CATALOGUE for gate in one.gates} == set(GATES)


def test_how_far_each_operation_may_fill_a_file() -> None:
    assert {one.name for one in CATALOGUE if one.room == "ends"} == {
        "review.sign-off", "review.approve", "review.reject", "review.withdraw", "review.resolve", "task.cancel", "task.trim",
        "task.deploy-start", "task.deploy-finish", "task.deploy-abandon", "task.rollback", "agent.compromise",
    }  # fmt: skip
    assert {one.name for one in CATALOGUE if one.room == "texts"} == {
        "task.add", "task.import", "task.edit", "task.comment", "review.comment",
    }  # fmt: skip
    assert {one.room for one in CATALOGUE} == set(ROOM)


def test_each_relation_has_its_words_in_the_help() -> None:
    assert set(lifecycle.RELATIONS) == set(RELATIONS)


def test_the_status_that_is_written_is_the_one_of_the_record(monkeypatch: pytest.MonkeyPatch) -> None:
    other = OPERATIONS["task.cancel"]._replace(targets=("deployed",))
    monkeypatch.setitem(VERSIONS, 1, VERSIONS[1].with_changes(1, operations={"task.cancel": other}))
    world = World.peopled()
    world.set_task(status="backlog")
    assert world.do("task.cancel", "boss").after == "deployed"


VALUES: list[Any] = [
    None, "", "x", "T-1", "dev", "a\nb", "\ud800", "\x00", 0, -1, 1, 2**60, 10**400, 1.5, float("nan"), True, b"x", [], ["x"], [1], [None],
    {}, {"status": "done"}, {"status": 5}, {"status": "done", "history": [{"status": []}]}, {"tasks_completed": "x"}, {"a": {}}, {"rules": 2},
    {"README.md": ManagedFile(b"x")}, {"README.md": None}, {"gates/x": 5}, {1: 2}, DIGEST, "2023-11-14T22:13:20Z", object(),
]  # fmt: skip
NAMES = sorted({name for one in CATALOGUE for name in one.arguments})


@given(
    st.sampled_from([*OPERATIONS, "nonsense", ""]),
    st.sampled_from(["boss", "dev", "qa", "ship", "eye", "nobody", "", "x\ny", "\ud800"]),
    st.sampled_from(["T-1", "T-2", "A-1", "dev", "q", "", "../x", "x" * 100, "\ud800", "T-1\n"]),
    st.sampled_from(["", "because", " x ", "\x00", "\ud800"]),
    st.dictionaries(st.sampled_from([*NAMES, "surprise"]), st.sampled_from(VALUES), max_size=5),
    st.sampled_from(["backlog", "in-progress", "review", "done", "deployed", None]),
)
def test_decide_refuses_and_never_raises(
    op: str, actor: str, target: str, note: str, fields: dict[str, Any], status: str | None
) -> None:
    world = World.peopled()
    world.do("quota.set", "boss", "q", limit=3, period="daily")
    if status:
        submission = {"round": 1, "deliverable": "/d", "digest": DIGEST, "at": "2023-11-14T22:13:20Z"}
        more = {"assigned": "dev", "submission": submission, "review": {"round": 1}} if status != "backlog" else {}
        world.set_task(status=status, **more)
    answer = world.ask(op, actor, target, note, **fields)
    if isinstance(answer, Refusal):
        assert answer.code in CODES and answer.code != "INTERNAL"
        assert answer.message and answer.hint, answer
    else:
        assert all(edit.content is None or isinstance(edit.content, bytes) for edit in answer.edits)


FITTING: dict[str, list[Any]] = {
    name: [value for value in VALUES if value is not None and argument.fits(value)] + [None]
    for one in CATALOGUE
    for name, argument in one.arguments.items()
}
ASKED = st.sampled_from(CATALOGUE).flatmap(
    lambda one: st.tuples(
        st.just(one.name),
        st.fixed_dictionaries({}, optional={name: st.sampled_from(FITTING[name]) for name in one.arguments}),
    )
)


@given(ASKED, st.sampled_from(["boss", "dev", "qa", "ship", "eye"]), st.sampled_from(STATUSES), st.booleans())
def test_no_value_of_the_right_type_makes_decide_raise(
    asked: tuple[str, dict[str, Any]], actor: str, status: str, same: bool
) -> None:
    op, fields = asked
    world = World.peopled()
    world.do("quota.set", "boss", "q", limit=3, period="daily")
    world.do("alert.raise", "eye", "A-1", message="m")
    submission = {"round": 1, "deliverable": "/d", "digest": DIGEST, "at": "2023-11-14T22:13:20Z"}
    running = {"state": "started", "by": "ship", "digest": DIGEST, "started": "2023-11-14T22:13:20Z"}
    world.set_task(status=status, assigned="dev", submission=submission, review={"round": 1}, deployment=running)
    target = {"agent": "dev", "quota": "q", "alert": "A-1", "metric": "m", "project": "", "managed": ""}
    wanted = target.get(OPERATIONS[op].kind, "T-1") if same else "new"
    answer = world.ask(op, actor, wanted, "because", **fields)
    assert isinstance(answer, Change) or answer.code in CODES


@pytest.mark.parametrize(
    ("op", "fields"),
    [
        ("task.comment", {}),
        ("task.comment", {"text": 5}),
        ("task.comment", {"text": "x", "surprise": 1}),
        ("task.trim", {"keep": -1}),
        ("task.trim", {"keep": True}),
        ("project.set", {}),
        ("project.set", {"record": {"name": 5}, "content": b""}),
        ("file.set", {"files": 5}),
        ("quota.set", {"limit": "3", "period": "daily"}),
    ],
)
def test_a_malformed_request_is_refused_with_its_code(op: str, fields: dict[str, Any]) -> None:
    world = World.peopled()
    world.set_task(status="backlog")
    target = {"quota.set": "q", "project.set": "", "file.set": ""}.get(op, "T-1")
    answer = world.ask(op, "boss", target, **fields)
    assert isinstance(answer, Refusal)
    assert answer.code in ("BAD_VALUE", "IDENTITY_FIXED")


NEXT = max(VERSIONS) + 1
# --- versions ------------------------------------------------------------------------------------------------------


def strict(rules: RuleBook) -> RuleBook:
    """A made-up next version, in which a deliverable must be a commit."""
    from opsgit.domain.context import Context
    from opsgit.domain.refusals import refuse

    def only_commits(context: Context, _: Task) -> None:
        if not str(context.request.get("deliverable") or "").startswith("commit: "):
            refuse("DELIVERABLE_REQUIRED", "a commit is wanted", "--output 'commit: ID'")

    gate = Gate(only_commits, evidence=True)
    return rules.with_changes(NEXT, gates={"a deliverable is named": gate})


def upgraded(world: World) -> Change:
    record = {**world.files["ops.yaml"], "rules": NEXT}
    return world.do("project.upgrade-rules", "boss", "", record=record, content=b"rules: 2\n")


def test_a_commit_is_decided_by_the_version_of_its_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(VERSIONS, NEXT, strict(VERSIONS[NEXT - 1]))
    world = World.peopled()
    world.do("task.add", "boss", title="t", assigned="dev")
    world.do("task.start", "dev")
    before = dict(world.files)
    path = {"deliverable": "/d", "digest": DIGEST}
    assert isinstance(world.ask("task.submit", "dev", **path), Change)
    assert upgraded(world).subject == f"project: rules {NEXT - 1} → {NEXT}"
    assert in_force(world.snapshot().project).version == NEXT
    answer = world.ask("task.submit", "dev", **path)
    assert isinstance(answer, Refusal) and answer.code == "DELIVERABLE_REQUIRED"
    assert isinstance(
        world.ask("task.submit", "dev", deliverable="commit: " + "a" * 40, digest="git:" + "a" * 40, repository="/r"),
        Change,
    )
    world.files = before
    assert isinstance(world.ask("task.submit", "dev", **path), Change), "what was decided stays decided"


def test_the_next_version_alone_is_moved_to_and_nothing_else_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World.peopled()

    def ask(actor: str = "boss", **changes: Any) -> str | None:
        record = {**world.files["ops.yaml"], **changes}
        answer = world.ask("project.upgrade-rules", actor, "", record=record, content=b"x")
        return answer.code if isinstance(answer, Refusal) else None

    assert ask(rules=NEXT) == "UNKNOWN_RULES"
    monkeypatch.setitem(VERSIONS, NEXT, strict(VERSIONS[NEXT - 1]))
    assert ask(rules=NEXT) is None
    assert ask("dev", rules=NEXT) == "RIGHT_MISSING"
    assert ask(rules=NEXT + 1) == ask(rules=NEXT - 1) == ask(rules=NEXT, workspace="/w") == "BAD_VALUE"
    record = {**world.files["ops.yaml"], "rules": NEXT}
    answer = world.ask("project.set", "boss", "", record=record, content=b"x")
    assert isinstance(answer, Refusal) and answer.code == "IDENTITY_FIXED"


def test_a_version_that_is_not_known_is_never_guessed_at() -> None:
    world = World.peopled()
    world.files["ops.yaml"] = {**world.files["ops.yaml"], "rules": NEXT + 5}
    answer = world.ask("task.add", "boss", title="t")
    assert isinstance(answer, Refusal)
    assert (answer.code, answer.exit) == ("UNKNOWN_RULES", 9)
    assert "pip install" in answer.hint


def test_a_request_is_a_value() -> None:
    assert Request("task.add", "boss") == Request("task.add", "boss")
    task = from_record(Task, {"id": "T-1", "title": "t", "status": "backlog", "priority": "low", "pipeline": [],
                              "created": "x", "created_by": "boss"})  # fmt: skip
    with pytest.raises(AttributeError):
        task.title = "other"  # type: ignore[misc]
    with pytest.raises(AttributeError):
        del task.title
    assert task in {task}
