"""Packs of a large batch: git reads them, nobody sees them before the end, and nothing is left of one that failed."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsgit.storage import objects as objects_module
from opsgit.storage import packs
from opsgit.storage.git import Git, make_repository
from opsgit.storage.objects import FILE, Entry, Objects
from opsgit.storage.packs import difference
from tests.conftest import git


def applied(old: bytes, changes: bytes) -> bytes:
    """What git makes of a difference (gitformat-pack)."""
    at, out = 0, bytearray()

    def number() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = changes[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    assert number() == len(old)
    size = number()
    while at < len(changes):
        code = changes[at]
        at += 1
        if code & 128:
            fields = []
            for bits, width in ((code & 15, 4), (code >> 4 & 7, 3)):
                value = 0
                for place in range(width):
                    if bits >> place & 1:
                        value |= changes[at] << 8 * place
                        at += 1
                fields.append(value)
            out += old[fields[0] : fields[0] + (fields[1] or 0x10000)]
        else:
            out += changes[at : at + code]
            at += code
    assert len(out) == size
    return bytes(out)


@given(st.binary(max_size=600), st.binary(max_size=300), st.binary(max_size=600), st.binary(max_size=300))
def test_a_difference_gives_the_new_text(begin: bytes, old: bytes, end: bytes, new: bytes) -> None:
    before, after = begin + old + end, begin + new + end
    assert applied(before, difference(before, after)) == after


@pytest.fixture
def place(tmp_path: Path) -> Path:
    make_repository(tmp_path / "r", bare=True)
    return tmp_path / "r"


def grow(objects: Objects, files: int) -> list[str]:
    """Trees, each with one file more than the last."""
    tree: str | None = None
    made = []
    for number in range(files):
        blob = objects.add("blob", f"file {number}\n".encode())
        tree = objects.replaced(tree, {f"tasks/{number % 3}/{number}.yaml": Entry(FILE, blob)})
        made.append(tree)
    return made


def test_what_is_in_a_pack_is_read_by_its_maker_alone_until_it_is_written(place: Path) -> None:
    mine, theirs = Objects(Git(place)), Git(place)
    trees = grow(mine, 150)
    mine.relieve()
    mine.trees.clear()
    assert not mine.new and mine.packs and trees[149] in mine.packs.waiting
    assert list(mine.tree(trees[149])) == ["tasks"], "the open pack is closed, so that git can read it"
    more = [mine.replaced(trees[149], {"tasks/0/more.yaml": Entry(FILE, mine.add("blob", b"more\n"))})]
    assert theirs.get(trees[149]) is None and theirs.get(trees[0]) is None
    assert not list((place / "objects/pack").iterdir())
    mine.write()
    assert all(theirs.get(one) for one in [*trees, *more])
    assert not list((place / "objects").glob("tmp_objdir*"))
    assert git(place, "ls-tree", "-r", "--name-only", trees[149]).count("yaml") == 150
    git(place, "fsck", "--full", "--strict")
    for one in (mine.git, theirs):
        one.close()


def test_trees_are_stored_as_differences(place: Path) -> None:
    objects = Objects(Git(place))
    trees = grow(objects, 400)
    whole = sum(len(content) for kind, content in objects.new.values() if kind == "tree")
    objects.write()
    (pack,) = (place / "objects/pack").glob("*.pack")
    assert pack.stat().st_size < whole / 8
    told = git(place, "verify-pack", "-v", str(pack))
    depths = [int(line.split()[5]) for line in told.splitlines() if line.count(" ") > 4 and line.split()[1] == "tree"
              and len(line.split()) == 7]  # fmt: skip
    assert 1 < max(depths) <= packs.DEEPEST + 1
    assert len(git(place, "ls-tree", "-r", trees[-1]).splitlines()) == 400
    objects.git.close()


@pytest.mark.parametrize("relieved", [False, True])
def test_what_is_dropped_leaves_nothing(place: Path, relieved: bool) -> None:
    objects = Objects(Git(place))
    trees = grow(objects, 80)
    if relieved:
        objects.relieve()
    objects.drop()
    assert objects.get(trees[0]) is None
    assert sorted(path.name for path in (place / "objects").iterdir()) == ["info", "pack"]
    assert objects.git.extra == {}
    objects.git.close()


def test_a_pack_that_git_refuses_is_an_error(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packs, "_finish", lambda *_: None)  # the number of objects stays 0
    objects = Objects(Git(place))
    grow(objects, 80)
    with pytest.raises(OSError, match="a pack could not be written"):
        objects.write()
    objects.drop()
    assert not list((place / "objects/pack").iterdir())
    objects.git.close()


def test_ids_of_64_digits(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", "--bare", "--object-format=sha256", str(tmp_path / "r")], check=True)
    objects = Objects(Git(tmp_path / "r"), 64)
    trees = grow(objects, 90)
    objects.write()
    assert len(git(tmp_path / "r", "ls-tree", "-r", trees[-1]).splitlines()) == 90
    git(tmp_path / "r", "fsck", "--full", "--strict")
    objects.git.close()


def test_git_removes_what_a_killed_batch_left(place: Path) -> None:
    left = place / "objects" / f"{packs.ASIDE}left/pack"
    left.mkdir(parents=True)
    git(place, "prune", "--expire=now")
    assert not left.exists()


def test_the_cache_of_trees_has_a_limit(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects_module, "ENTRIES", 100)
    objects = Objects(Git(place))
    trees = grow(objects, 120)
    assert sum(map(len, objects.trees.values())) == objects.entries <= 100 + 60
    assert len(objects.tree(trees[50])) == 1
    objects.git.close()


def test_content_that_comes_back_is_stored_once(place: Path) -> None:
    objects = Objects(Git(place))
    trees: list[str] = []
    for words in (b"A\n", b"B\n", b"A\n"):
        blob = objects.add("blob", words)
        trees.append(objects.replaced(trees[-1] if trees else None, {"gates/x": Entry(FILE, blob)}))
        objects.relieve()
    objects.write()
    assert trees[0] == trees[2]
    git(place, "fsck", "--full", "--strict")
    assert git(place, "cat-file", "-p", f"{trees[1]}:gates/x") == "B\n"
    objects.git.close()
