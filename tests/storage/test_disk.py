"""Files are replaced at once; what is no regular file is written to, and never replaced."""

from __future__ import annotations

import os
import pty
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from opsgit.storage.disk import put


def test_a_file_is_replaced_and_keeps_no_part(tmp_path: Path) -> None:
    box = tmp_path / "box"
    box.mkdir()
    place = box / "file"
    for content in (b"one", b"two"):
        put(place, content)
        assert place.read_bytes() == content
    assert [path.name for path in box.iterdir()] == ["file"]


def test_a_device_stays_one() -> None:
    ours, theirs = pty.openpty()
    try:
        place = Path(os.ttyname(theirs))
        put(place, b"words")
        assert os.read(ours, 5) == b"words"
        assert stat.S_ISCHR(place.stat().st_mode)
    finally:
        os.close(ours)
        os.close(theirs)


@pytest.mark.parametrize("name", ["", "."])
def test_a_folder_is_no_file(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    box = tmp_path / "box"
    box.mkdir()
    monkeypatch.chdir(box)
    for place in (Path(name), box):
        with pytest.raises(IsADirectoryError):
            put(place, b"x")
    assert list(box.iterdir()) == []


def test_pieces_make_a_file_and_a_failure_in_between_leaves_the_old_one(tmp_path: Path) -> None:
    box = tmp_path / "box"
    box.mkdir()
    put(box / "file", iter([b"one", b" ", b"two"]))
    assert (box / "file").read_bytes() == b"one two"

    def broken() -> Iterator[bytes]:
        yield b"three"
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        put(box / "file", broken())
    assert {path.name: path.read_bytes() for path in box.iterdir()} == {"file": b"one two"}
