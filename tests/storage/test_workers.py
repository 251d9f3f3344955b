"""Work in copies of the process."""

from __future__ import annotations

import os

import pytest

from opsgit.storage.workers import side_by_side


def test_results_come_in_order_and_only_the_first_is_made_here() -> None:
    found = side_by_side([os.getpid, os.getpid, os.getpid])
    assert found[0] == os.getpid() and len(set(found)) == 3
    assert side_by_side([]) == []


def test_what_fails_in_a_copy_is_done_again_here() -> None:
    here = os.getpid()

    def only_here() -> int:
        if os.getpid() != here:
            os._exit(1)
        return 7

    assert side_by_side([os.getpid, only_here]) == [here, 7]


def test_an_exception_is_seen() -> None:
    def fails() -> int:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        side_by_side([os.getpid, fails])
    with pytest.raises(ValueError, match="no"):
        side_by_side([fails, os.getpid])
