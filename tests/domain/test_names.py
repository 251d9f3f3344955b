"""Ids, names and paths: what is legal, and that each has one place in the tree."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsgit.domain import names
from opsgit.domain.refusals import Refused

WORDS = st.text("abAB019", min_size=1, max_size=5)
IDS = st.builds("".join, st.lists(st.tuples(WORDS, st.sampled_from("._-")).map("".join), max_size=4)).flatmap(
    lambda start: WORDS.map(lambda end: start + end)
)
NAMES = st.builds("{}{}".format, st.sampled_from("az"), IDS.map(lambda text: text.lower().replace(".", "-")))


def code(act: object, *words: str) -> str:
    with pytest.raises(Refused) as caught:
        act(*words)  # type: ignore[operator]
    return caught.value.refusal.code


@pytest.mark.parametrize(
    "text", ["T-1", "a", "0", "SKILL-001", "a.b_c-d", "x" * 64, "lock", "a.locks", "a-lock", "HEAD"]
)
def test_ids_that_are_legal(text: str) -> None:
    assert names.check_id(text) == text


@pytest.mark.parametrize(
    "text",
    ["", "-a", ".a", "_a", "a-", "a.", "a_", "a--b", "a..b", "a._b", "a b", "a/b", "../a", "a\n", "a\n\n", "\na", "a\0", "é",
     "а", "１", "a~1", "a^", "a:b", "a@{0}", "a*", "x" * 65, "a.lock", "a.LOCK", "a.Lock", "a.b.lock", "a\r"],
)  # fmt: skip
def test_ids_that_are_refused(text: str) -> None:
    assert code(names.check_id, text) == "BAD_ID"


@pytest.mark.parametrize("text", ["a", "dev", "dev-2", "a_b-c", "a0", "x" * 32, "lock"])
def test_names_that_are_legal(text: str) -> None:
    assert names.check_name(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "A",
        "aB",
        "2a",
        "-a",
        "a-",
        "a--b",
        "a-_b",
        "a.b",
        "a.lock",
        "a b",
        "a\n",
        "\na",
        "a/b",
        "é",
        "ａ",
        "x" * 33,
        "_a",
    ],
)
def test_names_that_are_refused(text: str) -> None:
    assert code(names.check_name, text) == "BAD_NAME"


@pytest.mark.parametrize("check", [names.check_id, names.check_name])
def test_a_refusal_says_what_was_asked_for(check: object) -> None:
    with pytest.raises(Refused) as caught:
        check("a b", "role")  # type: ignore[operator]
    assert caught.value.refusal.where == "role"
    assert "'a b' is no role" in caught.value.refusal.message


@pytest.mark.parametrize(
    ("text", "example"),
    [
        ("Dev 2", "dev"),
        ("QA Team", "qa-team"),
        ("2nd", "nd"),
        ("!!", "dev-2"),
        ("x" * 40, "x" * 32),
        ("a" * 31 + " b", "a" * 31),
    ],
)
def test_the_hint_makes_a_name_of_what_was_said(text: str, example: str) -> None:
    with pytest.raises(Refused) as caught:
        names.check_name(text)
    assert caught.value.refusal.hint == f"for example {example}"


@given(st.text())
def test_the_name_in_the_hint_is_always_legal(text: str) -> None:
    try:
        names.check_name(text)
    except Refused as refused:
        names.check_name(refused.refusal.hint.removeprefix("for example "))


@pytest.mark.parametrize(
    ("text", "fits"),
    [("0" * 40, True), ("a" * 64, True), ("0" * 39, False), ("0" * 41, False), ("0" * 63, False), ("0" * 65, False),
     ("A" * 40, False), ("g" * 40, False), ("0" * 40 + "\n", False), ("0" * 64 + "\n", False), ("", False)],
)  # fmt: skip
def test_what_a_full_commit_id_is(text: str, fits: bool) -> None:
    assert bool(names.COMMIT.match(text)) == fits


@pytest.mark.parametrize(
    ("text", "fits"),
    [("v1.0", True), ("HEAD~2^", True), ("a/b_c-d", True), ("x" * 201, True), ("x" * 202, False), ("-x", False), ("", False),
     (".x", False), ("a b", False), ("a\n", False), ("a:b", False), ("a@{1}", False), ("é", False)],
)  # fmt: skip
def test_what_a_revision_is(text: str, fits: bool) -> None:
    assert bool(names.REVISION.match(text)) == fits


@pytest.mark.parametrize(
    ("task_id", "folder"),
    [("T-1", "tasks/t1"), ("SKILL-001", "tasks/01"), ("A", "tasks/0a"), ("7", "tasks/07"), ("a.b", "tasks/ab"),
     ("x-y_Z", "tasks/yz"), ("AB", "tasks/ab"), ("aB", "tasks/ab"), ("abc-1", "tasks/c1")],
)  # fmt: skip
def test_the_folder_of_a_task_is_its_last_two_signs_padded(task_id: str, folder: str) -> None:
    assert names.task_folder(task_id) == folder
    assert names.task_path(task_id) == f"{folder}/{task_id}.yaml"


def test_the_ref_of_a_review() -> None:
    assert names.review_ref("SKILL-001") == "refs/heads/review/SKILL-001"


@pytest.mark.parametrize(
    ("kind", "name", "path"),
    [("project", "", "ops.yaml"), ("task", "T-1", "tasks/t1/T-1.yaml"), ("agent", "dev", "agents/dev.yaml"),
     ("quota", "q", "quotas/q.yaml"), ("metric", "m", "metrics/m.yaml"), ("alert", "A-1", "alerts/A-1.yaml")],
)  # fmt: skip
def test_each_kind_has_its_path_and_is_known_by_it(kind: str, name: str, path: str) -> None:
    assert names.path_of(kind, name) == path
    assert names.place(path) == (kind, name)


@given(st.sampled_from(sorted(names.ENTITIES)), IDS, NAMES)
def test_a_path_leads_back_to_its_kind_and_name(kind: str, an_id: str, a_name: str) -> None:
    name = "" if kind == "project" else an_id if kind in ("task", "alert") else a_name
    assert names.place(names.path_of(kind, name)) == (kind, name)


@given(IDS, IDS)
def test_ids_that_differ_in_case_alone_share_a_folder(one: str, other: str) -> None:
    assert names.task_folder(one.upper()) == names.task_folder(one.lower())
    assert (names.task_path(one) == names.task_path(other)) == (one == other)


@pytest.mark.parametrize(
    "path",
    ["", "x", "ops.yml", "OPS.YAML", "ops.yaml/x", "ops.yaml\n", "./ops.yaml", "/ops.yaml", "tasks", "tasks/", "tasks/T-1.yaml",
     "tasks/T1/T-1.yaml", "tasks/01/T-1.yaml", "tasks/t1/T-1", "tasks/t1/T-1.yml", "tasks/t1/T-1.YAML", "tasks/t1/T-1.yaml.yaml",
     "tasks/t1/x/T-1.yaml", "tasks/t1/../t1/T-1.yaml", "tasks//T-1.yaml", "tasks/0a/.yaml", "tasks/t1/T-1.yaml\n", "Tasks/t1/T-1.yaml",
     "tasks/ck/x.lock.yaml", "agents/Dev.yaml", "agents/dev", "agents/a/dev.yaml", "agents/.yaml", "agents/dev.yaml/x",
     "alerts/a b.yaml", "quotas/é.yaml", "metrics/m.json", "readme.md", "README.md/x", ".git/config", ".gitmodules", "gates", "schema"],
)  # fmt: skip
def test_what_no_operation_writes_has_no_place(path: str) -> None:
    with pytest.raises(Refused) as caught:
        names.place(path)
    assert (caught.value.refusal.code, caught.value.refusal.where) == ("WRONG_FILE", path)
    assert not names.is_managed(path)


@pytest.mark.parametrize(
    "path",
    ["README.md", ".gitignore", ".gitattributes", ".pre-commit-config.yaml", ".gitlab-ci.yml", "schema/task.json", "gates/check",
     "gates/a/b/c.sh", ".github/workflows/ci.yml", ".forgejo/x", "gates/.hidden", "gates/...x", "gates/" + "x" * 100, "gates/.gitx"],
)  # fmt: skip
def test_files_around_the_ledger_are_managed_files(path: str) -> None:
    assert names.is_managed(path) is True
    assert names.place(path) == ("managed", path)


@pytest.mark.parametrize(
    "path",
    ["gates/", "gates//x", "gates/x/", "gates/.", "gates/..", "gates/...", "gates/../x", "gates/a b", "gates/x\n", "gates/é",
     "gates/.git", "gates/.GIT/x", "gates/a/.Git", "gates/git~1", "gates/GIT~1", "gates/" + "x" * 101, "gatesx/y", "xgates/y",
     "Gates/x", ".github", "schema\\x", "gates/a:b", "agents/dev.yaml", "ops.yaml"],
)  # fmt: skip
def test_what_only_looks_like_a_managed_file_is_none(path: str) -> None:
    assert names.is_managed(path) is False


def test_every_kind_of_file_names_a_folder_of_its_own() -> None:
    folders = [entity.folder for entity in names.ENTITIES.values()]
    assert len(set(folders)) == len(folders)
    assert all(entity.kind == kind for kind, entity in names.ENTITIES.items())
    assert not {f"{folder}/" for folder in folders} & set(names.MANAGED_FOLDERS)
