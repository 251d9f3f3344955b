"""Objects are read by their ids alone: a ref or a shortened id may mean another object tomorrow."""

from __future__ import annotations

import pytest

from opsgit.domain.refusals import Refused
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
