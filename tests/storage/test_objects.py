"""Objects are read by their ids alone: a ref or a shortened id may mean another object tomorrow."""

from __future__ import annotations

import pytest

from opsgit.domain.refusals import Refused
from opsgit.storage.objects import FILE, Entry, parse_tree
from tests.conftest import Desk, git


@pytest.mark.parametrize("name", ["main", "HEAD", "refs/heads/main", "short", "0" * 40, "", "main\n"])
def test_what_is_no_full_id_of_an_object_is_not_read(desk: Desk, name: str) -> None:
    repository = desk.session().repository
    tip = git(desk.path, "rev-parse", "main").strip()
    objects = repository.objects()
    with pytest.raises(Refused) as refused:
        objects.need(tip[:12] if name == "short" else name, "commit")
    assert refused.value.refusal.code == "REPOSITORY_BROKEN"
    assert objects.need(tip, "commit").id == tip
    repository.close()


def test_an_object_of_another_type_is_not_taken(desk: Desk) -> None:
    repository = desk.session().repository
    tree = git(desk.path, "rev-parse", "main^{tree}").strip()
    with pytest.raises(Refused) as refused:
        repository.objects().need(tree, "commit")
    assert refused.value.refusal.code == "REPOSITORY_BROKEN"
    repository.close()


ID = bytes(20)


@pytest.mark.parametrize(
    "content",
    [
        b"100644 a\0" + ID + b"100644 a\0" + ID,  # twice
        b"100644 \0" + ID,  # no name
        b"100644 a/b\0" + ID,
        b"100644 b\0" + ID + b"100644 a\0" + ID,  # not in order
        b"100644 a\0" + ID[:-1],
        b"100600 a\0" + ID,
        b"100644 a",
    ],
)
def test_a_tree_that_git_does_not_write(content: bytes) -> None:
    with pytest.raises(Refused) as refused:
        parse_tree(content, 20)
    assert refused.value.refusal.code == "BAD_TREE"


@pytest.mark.parametrize(("deep", "wide", "fits"), [(12, 3, True), (14, 1, False), (1, 6, False)])
def test_a_tree_that_no_ledger_has_is_not_walked(desk: Desk, deep: int, wide: int, fits: bool) -> None:
    repository = desk.session().repository
    objects = repository.objects()
    entry = Entry(FILE, objects.add("blob", b"x"))
    tree = objects.replaced(None, {"/".join([*["d"] * (deep - 1), f"f{number}"]): entry for number in range(wide)})
    try:
        found = list(objects.differences(None, tree, most=deep + 4))
        assert fits and len(found) == wide
    except Refused as refused:
        assert not fits and refused.refusal.code == "BAD_TREE"
    repository.close()
