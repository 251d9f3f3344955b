"""The rule book touches no file, so its tests need no home folder."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def home() -> None:
    """In the place of the folder that the other tests get: making it takes longer than most tests here."""
