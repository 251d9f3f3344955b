"""The views of the kept ledger are, to the byte, the files in golden/ (written by `python -m tests.views.golden`)."""

from __future__ import annotations

from pathlib import Path

from tests.views.golden import HERE, rendered


def test_every_view_is_as_it_was(tmp_path: Path) -> None:
    made = rendered(tmp_path)
    assert sorted(made) == sorted(path.name for path in (HERE / "golden").iterdir())
    for name, text in made.items():
        assert text == (HERE / "golden" / name).read_text(), name
