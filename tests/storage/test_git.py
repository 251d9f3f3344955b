"""git as a program: what is refused when it is not there, or cannot write."""

from __future__ import annotations

from pathlib import Path

import pytest

from opsgit.domain.refusals import Refused
from opsgit.storage.clones import check_out, clone
from opsgit.storage.git import Git, make_repository, object_id
from opsgit.storage.objects import Entry
from opsgit.storage.reader import TreeReader
from opsgit.storage.remote import specs
from tests.conftest import Desk


def test_git_that_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Refused) as refused:
        Git(tmp_path).attempt("version")
    assert refused.value.refusal.code == "TOOL_FAILED" and "git" in refused.value.refusal.message


def test_a_repository_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Refused) as refused:
        make_repository(tmp_path / "file" / "repository")
    assert refused.value.refusal.code == "DISK"


def test_a_record_that_is_a_link(desk: Desk) -> None:
    repository = desk.session().repository
    objects = repository.objects()
    root = objects.replaced(
        objects.root(repository.tip()), {"quotas/q.yaml": Entry("120000", objects.add("blob", b"x"))}
    )
    with pytest.raises(Refused) as refused:
        TreeReader(objects, repository.index, "", root).record("quotas/q.yaml")
    assert refused.value.refusal.code == "WRONG_FILE"
    repository.close()


@pytest.mark.parametrize(("url", "code"), [("ext::sh -c true", "BAD_VALUE"), ("/nothing/here", "TOOL_FAILED")])
def test_what_cannot_be_cloned(tmp_path: Path, url: str, code: str) -> None:
    with pytest.raises(Refused) as refused:
        clone(url, tmp_path / "clone", specs())
    assert refused.value.refusal.code == code


def test_what_cannot_be_checked_out(desk: Desk, tmp_path: Path) -> None:
    clone(str(desk.path), tmp_path / "clone", specs())
    (tmp_path / "clone/.git/index.lock").touch()
    with pytest.raises(Refused) as refused:
        check_out(tmp_path / "clone")
    assert refused.value.refusal.code == "TOOL_FAILED"


def test_a_stream_is_cut_at_its_marks_and_may_be_left(desk: Desk) -> None:
    git = desk.session().repository.git
    listed = ("rev-list", "--objects", "main")
    whole = git.run(*listed)
    assert b"\n".join([*git.stream(*listed, end=b"\n"), b""]) == whole
    assert next(git.stream(*listed, end=b"\n")) == whole.split(b"\n")[0]
    git.close()


def test_a_stream_that_fails_is_refused(desk: Desk) -> None:
    git = desk.session().repository.git
    with pytest.raises(Refused) as refused:
        list(git.stream("log", "nowhere", end=b"\n"))
    assert refused.value.refusal.code == "TOOL_FAILED" and "nowhere" in refused.value.refusal.message
    git.close()


def test_one_more_folder_of_objects_beside_those_of_a_push(desk: Desk, tmp_path: Path) -> None:
    git = desk.session().repository.git
    git.extra["GIT_ALTERNATE_OBJECT_DIRECTORIES"] = "/a:/b"
    git.look_into(tmp_path)
    assert git.extra["GIT_ALTERNATE_OBJECT_DIRECTORIES"] == f"{tmp_path}:/a:/b"
    git.look_into(None)
    assert git.extra["GIT_ALTERNATE_OBJECT_DIRECTORIES"] == "/a:/b"


def test_after_a_damaged_object_others_are_read_as_they_are(desk: Desk) -> None:
    """Several are asked for at once: the answers after the damaged one must not be taken for later ones."""
    git = desk.session().repository.git
    ids = git.run("rev-list", "--objects", "main").decode().split("\n")
    wanted = [line.split()[0] for line in ids if line][:8]
    bad = git.folder / "objects" / wanted[3][:2] / wanted[3][2:]
    content = (git.folder / "objects" / wanted[5][:2] / wanted[5][2:]).read_bytes()
    bad.chmod(0o644)
    bad.write_bytes(content)
    with pytest.raises(Refused):
        git.get_all(wanted)
    others = [one for one in wanted if one != wanted[3]]
    assert [found and found.id for found in git.get_all(others)] == others
    git.close()


def test_something_is_done_while_git_works(desk: Desk) -> None:
    git, done, said = desk.session().repository.git, list[str](), b"what git was given"
    with git.beside("hash-object", "-w", "--stdin", given=said, env={}):
        done.append("beside")
    assert git.run("cat-file", "-p", object_id("blob", said, 40)) == said
    with pytest.raises(Refused) as refused, git.beside("update-index", "--index-info", given=b"no" * 99_999, env={}):
        done.append("beside")
    assert (refused.value.refusal.code, done) == ("TOOL_FAILED", ["beside", "beside"])


def test_git_has_ended_when_what_was_done_beside_it_fails(desk: Desk) -> None:
    git, said = desk.session().repository.git, b"written all the same"
    with pytest.raises(OSError, match="full"), git.beside("hash-object", "-w", "--stdin", given=said, env={}):
        raise OSError("full")
    assert git.run("cat-file", "-p", object_id("blob", said, 40)) == said
