"""Records: from frozen values to mappings and back, and what is refused before it becomes a value."""

from __future__ import annotations

import dataclasses
import types
import typing
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsgit.domain import model, names, records
from opsgit.domain.model import (
    Agent,
    Comment,
    Deployment,
    ImportedFigures,
    ImportedHistory,
    Key,
    Metric,
    Project,
    Quota,
    Review,
    Run,
    Stage,
    Task,
)
from opsgit.domain.records import checked, from_record, to_record
from opsgit.domain.refusals import Refused
from tests.domain.world import AT, PROJECT

KINDS = [getattr(model, str(entity.model)) for entity in names.ENTITIES.values()]
STAGE = {"role": "developer"}
TASK = {"id": "T-1", "title": "t", "status": "backlog", "priority": "low", "pipeline": [STAGE], "created": AT,
        "created_by": "boss"}  # fmt: skip


def values(kind: Any, required: bool = True) -> st.SearchStrategy[Any]:
    """All values of a type that a field may have. A list that a file must have is never empty."""
    if dataclasses.is_dataclass(kind):
        make: Any = kind
        hints = typing.get_type_hints(kind)
        given: dict[str, Any] = {}
        wanted: dict[str, Any] = {}
        for field in dataclasses.fields(kind):
            must = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
            (wanted if must else given)[field.name] = values(hints[field.name], must)
        return st.fixed_dictionaries(wanted, optional=given).map(lambda made: make(**made))
    if isinstance(kind, types.UnionType):
        return st.one_of([st.none() if part is type(None) else values(part) for part in typing.get_args(kind)]).filter(
            lambda made: (
                not dataclasses.is_dataclass(made) or to_record(made)
            )  # one without any field is as good as unset
        )
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin is tuple:
        return st.lists(values(inner[0]), min_size=int(required), max_size=2).map(tuple)
    if origin is dict:
        return st.dictionaries(st.text(max_size=3), values(inner[1], False), max_size=2)
    return {str: st.text(max_size=3), int: st.integers(), bool: st.booleans(), float: st.floats(allow_nan=False)}[kind]


def code(kind: type, given: Any) -> str:
    with pytest.raises(Refused) as caught:
        checked(kind, given, "record")
    assert caught.value.refusal.where == "record"
    assert kind.__name__ in caught.value.refusal.message
    return caught.value.refusal.code


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@settings(max_examples=25)
@given(st.data())
def test_a_value_comes_back_from_its_record(kind: type, data: st.DataObject) -> None:
    value = data.draw(values(kind))
    record = to_record(value)
    assert from_record(kind, record) == value
    assert to_record(from_record(kind, record)) == record
    assert checked(kind, record, "record") == value
    fields = [field.name for field in dataclasses.fields(kind)]
    assert list(record) == [name for name in fields if name in record], "fields stand in the model's order"
    assert _plain(record)


def _plain(value: Any) -> bool:
    """Whether a value is of nothing but what YAML and JSON have, with no None in it."""
    if isinstance(value, dict):
        return all(isinstance(name, str) and _plain(item) for name, item in value.items())
    return all(map(_plain, value)) if isinstance(value, list) else type(value) in (str, int, float, bool)


def test_unset_fields_and_empty_lists_are_left_out() -> None:
    task = Task(id="T-1", title="t", status="backlog", priority="low", pipeline=(Stage(role="developer"),), created=AT,
                created_by="boss", tags=(), review=None)  # fmt: skip
    assert to_record(task) == TASK
    assert to_record(Review(round=1, sign_offs=())) == {"round": 1}
    assert to_record(from_record(Project, PROJECT))["deploy"] == {"timeout": 600, "output": 1_048_576}
    assert "roles" not in to_record(from_record(Project, PROJECT))


def test_what_is_set_is_kept_though_it_counts_as_nothing() -> None:
    quota = Quota(name="", limit=0, used=0, period="none")
    assert to_record(quota) == {"name": "", "limit": 0, "used": 0, "period": "none"}
    assert to_record(from_record(Project, PROJECT))["identity"] == {"explicit": False}
    assert to_record(Run(timeout=0, output=0)) == {"timeout": 0, "output": 0}
    project = from_record(Project, {**PROJECT, "roles": {"idle": []}})
    assert to_record(project)["roles"] == {"idle": []}


def test_lists_become_tuples_all_the_way_down() -> None:
    task = from_record(Task, {**TASK, "tags": ["a"], "comments": [{"by": "dev", "at": AT, "text": "x"}]})
    assert task.tags == ("a",)
    assert task.comments == (Comment(by="dev", at=AT, text="x"),)
    assert task.pipeline == (Stage(role="developer"),)
    project = from_record(Project, {**PROJECT, "roles": {"lead": ["work"]}, "deploy": {"command": ["x"]}})
    assert project.roles == {"lead": ("work",)}
    assert project.deploy == Run(command=("x",))


@pytest.mark.parametrize(
    "given",
    [
        {"id": "T-1"}, {**TASK, "comments": [{"by": "dev"}]}, {**TASK, "pipeline": 3},
    ],
)  # fmt: skip
def test_a_record_that_nobody_checked_is_a_type_error(given: Any) -> None:
    with pytest.raises(TypeError):
        from_record(Task, given)


@pytest.mark.parametrize("kind", list(names.ENTITIES))
def test_each_kind_of_file_has_a_model(kind: str) -> None:
    found = records.model_of(kind)
    assert dataclasses.is_dataclass(found) and found.__name__.lower() == kind


def test_a_model_may_be_named_by_the_class_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(names.ENTITIES, "task", names.ENTITIES["task"]._replace(model=Stage))
    assert records.model_of("task") is Stage


@pytest.mark.parametrize("given", [None, [], "", "T-1", 3, (), [TASK], object()])
def test_what_is_no_mapping_is_refused(given: Any) -> None:
    assert code(Task, given) == "BAD_VALUE"


@pytest.mark.parametrize("missing", sorted(TASK))
def test_each_field_without_a_default_is_demanded(missing: str) -> None:
    assert code(Task, {name: item for name, item in TASK.items() if name != missing}) == "BAD_VALUE"


@pytest.mark.parametrize("odd", ["more", "", "Title", "name", 3, None, "__class__"])
def test_a_field_that_the_kind_does_not_have_is_refused(odd: Any) -> None:
    assert code(Task, {**TASK, odd: "x"}) == "BAD_VALUE"


@pytest.mark.parametrize("given", [{"__dataclass_fields__": 1}, {"__dataclass_fields__": {}}])
def test_the_inside_of_a_class_is_no_field(given: Any) -> None:
    assert code(ImportedFigures, given) == "BAD_VALUE"
    assert code(ImportedHistory, {"status": "done", "history": [{"status": "done", **given}]}) == "BAD_VALUE"


@pytest.mark.parametrize(
    "fields",
    [
        {"title": None}, {"title": 3}, {"title": ["t"]}, {"description": None}, {"tags": "abc"}, {"tags": [1]}, {"tags": {"a": 1}},
        {"tags": None}, {"pipeline": ["developer"]}, {"pipeline": [{"role": 1}]}, {"pipeline": [{"rolle": "x"}]}, {"pipeline": STAGE},
        {"progress": {"note": "x"}}, {"progress": []}, {"progress": {"note": "x", "at": AT, "more": 1}}, {"comments": [None]},
        {"comments": [{"by": "dev", "at": AT}]}, {"submission": {"round": "1", "deliverable": "d", "digest": "h", "at": AT}},
        {"submission": {"round": True, "deliverable": "d", "digest": "h", "at": AT}},
        {"review": {"round": 1, "comments": [{"by": "qa", "at": AT, "text": 1}]}}, {"review": {"round": 1.0}},
        {"imported": {"status": "done", "history": [{}]}}, {"imported": {"status": "done", "history": {}}}, {"imported": "done"},
    ],
    ids=repr,
)  # fmt: skip
def test_each_wrong_shape_in_a_task_is_refused(fields: Any) -> None:
    assert code(Task, {**TASK, **fields}) == "BAD_VALUE"


@pytest.mark.parametrize(
    "fields",
    [
        {"roles": []}, {"roles": {"lead": "work"}}, {"roles": {"lead": [1]}}, {"roles": {1: ["work"]}}, {"roles": {"lead": None}},
        {"rules": True}, {"rules": "1"}, {"rules": 1.0}, {"identity": {"explicit": 1}}, {"identity": {"explicit": "yes"}}, {"identity": True},
        {"stale": {"review": 3}}, {"stale": ["review"]}, {"deploy": {"command": "make"}}, {"deploy": {"timeout": True}}, {"deploy": ["make"]},
        {"pipeline": "dev"},
    ],
    ids=repr,
)  # fmt: skip
def test_each_wrong_shape_in_a_project_is_refused(fields: Any) -> None:
    assert code(Project, {**PROJECT, **fields}) == "BAD_VALUE"


def test_what_fits_is_frozen() -> None:
    given = {
        **PROJECT,
        "roles": types.MappingProxyType({"lead": ("work",)}),
        "identity": {"explicit": True},
        "stale": {"review": "2d"},
    }
    project = checked(Project, given, "record")
    assert (project.roles, project.identity.explicit, project.stale) == ({"lead": ("work",)}, True, {"review": "2d"})
    with pytest.raises(dataclasses.FrozenInstanceError):
        project.name = "other"  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError):
        del project.name
    assert checked(Stage, {}, "stage") == Stage()


def test_a_number_of_either_kind_is_a_metric() -> None:
    for number in (1, 1.5, -3):
        assert checked(Metric, {"name": "m", "value": number, "at": AT, "by": "eye"}, "record").value == number


def test_values_are_equal_by_class_and_fields() -> None:
    key = Key(key="k", state="active", added=AT, proof="p")
    assert key == Key(key="k", state="active", added=AT, proof="p", since=())
    assert hash(key) == hash(Key(key="k", state="active", added=AT, proof="p"))
    assert key != Key(key="k", state="retired", added=AT, proof="p")
    assert Stage() != ImportedFigures() and Stage(agent="a") != Stage(role="a")


def test_only_an_active_key_signs_and_a_stage_has_one_name() -> None:
    keys = tuple(Key(key=state, state=state, added=AT, proof="p") for state in ("retired", "active", "compromised"))
    assert Agent(name="a", role="r", kind="agent", status="active", keys=keys).active_keys == ("active",)
    assert [Stage(agent="a").name, Stage(role="r").name, Stage().name] == ["a", "r", ""]


def test_a_value_shows_what_is_set() -> None:
    assert repr(Stage(role="qa")) == "Stage(role='qa')"
    assert repr(Deployment(state="started", by="ship", digest="h", started=AT)) == (
        f"Deployment(state='started', by='ship', digest='h', started='{AT}')"
    )
