"""The journal says that its writer may have left locks; a second one within it changes nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from opsgit.storage.journal import journal, recover


def test_locks_of_a_killed_writer_are_removed_and_others_stay(tmp_path: Path) -> None:
    own = tmp_path / "opsgit"
    own.mkdir()
    (tmp_path / "refs").mkdir()
    older = tmp_path / "older.lock"
    older.touch()
    os.utime(older, (1, 1))
    with journal(own):
        first = tmp_path / "index.lock"
        first.touch()
        with journal(own):  # within the journal of the same process
            pass
        assert (own / "journal").exists(), "the outer one still covers its locks"
        (own / "journal").rename(own / "left")
    (own / "left").rename(own / "journal")  # as if the writer had been killed
    recover(own)
    assert (first.exists(), older.exists(), (own / "journal").exists()) == (False, True, False)


def test_a_journal_ends_with_what_fails_in_it(tmp_path: Path) -> None:
    for _ in range(2):
        with pytest.raises(OSError, match="full"), journal(tmp_path):
            raise OSError("full")
        assert not (tmp_path / "journal").exists()
