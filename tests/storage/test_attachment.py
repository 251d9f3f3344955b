"""Attachments: what is read, what its objects are, and what is not taken for one."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from opsgit.domain.refusals import Refused
from opsgit.storage import attachment, deliverable
from opsgit.storage.attachment import ANY, File, Limits
from opsgit.storage.git import Git
from opsgit.storage.objects import EXECUTABLE, FILE, Entry, Objects
from tests.conftest import git


@pytest.fixture
def objects(tmp_path: Path) -> Iterator[Objects]:
    git(tmp_path, "init", "-q", "--bare", "repo")
    access = Git(tmp_path / "repo")
    yield Objects(access, 40)
    access.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Names whose order as paths is not that of the entries of trees."""
    place = tmp_path / "out"
    for name in ("a-b", "a/x", "a.b", "ä/z", "run.sh"):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(name)
    (place / "run.sh").chmod(0o755)
    return place


def refused(code: str, *words: Any) -> None:
    with pytest.raises(Refused) as found:
        attachment.digest(*words)
    assert found.value.refusal.code == code


def test_the_digest_is_the_same_of_disk_files_and_objects(objects: Objects, folder: Path, tmp_path: Path) -> None:
    files = attachment.read(folder, ANY)
    tree = attachment.add(objects, files)
    objects.write()
    wanted = deliverable.digest(folder)
    assert attachment.digest_of(files) == attachment.digest(objects, tree, ANY) == wanted
    (tmp_path / "copy").mkdir()
    attachment.write_out(objects, tree, tmp_path / "copy")
    assert deliverable.digest(tmp_path / "copy") == wanted
    assert (tmp_path / "copy/run.sh").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "copy/a.b").stat().st_mode & 0o777 == 0o644
    assert git(tmp_path / "repo", "ls-tree", "-r", tree).count("100755") == 1


def test_a_single_file_is_a_folder_with_it_alone(objects: Objects, folder: Path) -> None:
    files = attachment.read(folder / "a.b", ANY)
    assert list(files) == ["a.b"] and attachment.digest_of(files) == deliverable.digest(folder / "a.b")


def test_the_limits_are_for_all_files_together(objects: Objects) -> None:
    tree = attachment.add(objects, {"a": File(b"123", False), "b": File(b"45", False)})
    attachment.digest(objects, tree, Limits(5, 2))
    refused("TOO_LARGE", objects, tree, Limits(4, 2))
    refused("TOO_LARGE", objects, tree, Limits(5, 1))


@pytest.mark.parametrize("size", [Limits(4, 9), Limits(99, 1)])
def test_what_is_above_the_limits_is_not_read(folder: Path, size: Limits) -> None:
    with pytest.raises(Refused) as found:
        attachment.read(folder, size)
    assert found.value.refusal.code == "DELIVERABLE_TOO_LARGE"


@pytest.mark.parametrize(("mode", "name"), [("120000", "link"), ("160000", "module"), (FILE, "a\nb"), (FILE, "\udcff")])
def test_a_tree_that_no_deliverable_makes(objects: Objects, mode: str, name: str) -> None:
    blob = objects.add("blob", b"x")
    raw = mode.encode() + b" " + name.encode("utf-8", "surrogateescape") + b"\0" + bytes.fromhex(blob)
    refused("ATTACHMENT_UNFIT", objects, objects.add("tree", raw), ANY)


@pytest.mark.parametrize("name", ["..", ".", ".git", ".GIT", "git~1", "a\nb", "\udcff"])
def test_a_folder_of_a_name_that_no_deliverable_has(objects: Objects, name: str) -> None:
    """A newline would give two trees one digest, and `..` would lead out of the folder where it is written."""
    inner = objects.replaced(None, {"f": Entry(FILE, objects.add("blob", b"x"))})
    raw = b"40000 " + name.encode("utf-8", "surrogateescape") + b"\0" + bytes.fromhex(inner)
    refused("ATTACHMENT_UNFIT", objects, objects.add("tree", raw), ANY)


def test_folders_too_deep(objects: Objects) -> None:
    tree = objects.replaced(None, {"/".join(["d"] * 102) + "/f": Entry(FILE, objects.add("blob", b"x"))})
    refused("ATTACHMENT_UNFIT", objects, tree, ANY)


@pytest.mark.parametrize("names", [("A", "a"), ("D/x", "d/y")])
def test_names_that_are_not_written_out(objects: Objects, tmp_path: Path, names: tuple[str, ...]) -> None:
    tree = objects.replaced(None, {name: Entry(EXECUTABLE, objects.add("blob", b"x")) for name in names})
    with pytest.raises(Refused) as found:
        attachment.write_out(objects, tree, tmp_path)
    assert found.value.refusal.code == "DELIVERABLE_UNSAFE"


def test_what_is_there_is_not_overwritten(objects: Objects, tmp_path: Path) -> None:
    tree = attachment.add(objects, {"a": File(b"new", False)})
    (tmp_path / "a").write_text("old")
    with pytest.raises(Refused) as found:
        attachment.write_out(objects, tree, tmp_path)
    assert found.value.refusal.code == "DISK" and (tmp_path / "a").read_text() == "old"


@pytest.mark.parametrize("leaf", ["files", "nothing"])
def test_a_tree_bomb(objects: Objects, leaf: str) -> None:
    """Ten folders in each of ten folders, 60 deep: a few objects, and more entries than anybody can walk."""
    tree = objects.add("tree", b"")
    if leaf == "files":
        tree = objects.replaced(None, {"f": Entry(FILE, objects.add("blob", b"x"))})
    for _ in range(60):
        entries = b"".join(b"40000 %d\0" % number + bytes.fromhex(tree) for number in range(10))
        tree = objects.add("tree", entries)
    started = time.monotonic()
    refused("TOO_LARGE", objects, tree, Limits(1000, 100))
    assert time.monotonic() - started < 5
