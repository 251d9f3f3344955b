"""The journal: a mark that a writer holds git's locks, so that locks which a killed writer left can be recognised.

The writer holds the repository's own lock, which the system releases when it dies. Whoever takes that lock next and
finds the journal knows that its writer is dead.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from opsgit.storage.disk import put

_open: set[Path] = set()  # the journals of this process
PATIENCE = 2.0  # seconds that a git process which outlived its parent gets to end by itself


@contextmanager
def journal(own: Path) -> Iterator[None]:
    """Write the journal before git is asked to take locks, and remove it afterwards, also after an exception.

    Within a journal of the same process, nothing is written: the outer one covers the locks of both.

    :param own: opsgit's own folder in the git folder.
    """
    mark = _file(own)
    if mark in _open:
        yield
        return
    put(mark, b"a writer of opsgit moves refs or the index\n")
    _open.add(mark)
    try:
        yield
    finally:
        _open.discard(mark)
        mark.unlink(missing_ok=True)


def recover(own: Path) -> None:
    """Remove the locks that a killed writer left. The caller holds the repository's lock.

    A git process that outlived its parent may still hold a lock; it gets some time to end.

    :param own: opsgit's own folder in the git folder.
    """
    mark = _file(own)
    if not mark.exists():
        return
    end = time.monotonic() + PATIENCE
    while (left := _locks(own.parent, mark)) and time.monotonic() < end:
        time.sleep(0.02)
    for lock in left:
        lock.unlink(missing_ok=True)
    mark.unlink(missing_ok=True)


def _file(own: Path) -> Path:
    return own / "journal"


def _locks(folder: Path, mark: Path) -> list[Path]:
    """Return git's locks that are not older than the journal."""
    found = []
    with contextlib.suppress(FileNotFoundError):  # git is just removing what is looked at
        since = mark.stat().st_mtime_ns
        everywhere = [*folder.glob("*.lock"), *(folder / "refs").rglob("*.lock")]
        for lock in everywhere:
            with contextlib.suppress(FileNotFoundError):
                if lock.stat().st_mtime_ns >= since:
                    found.append(lock)
    return found
