"""Files that are there whole or not at all, and that last when they must."""

from __future__ import annotations

import os
from pathlib import Path

from opsgit.domain.refusals import refuse


class Damaged(Exception):  # noqa: N818 - it is a state of a cache, not an error of ours
    """A cache could not be read; it is gone now, and asking again builds it anew."""


def need_empty(folder: Path, hint: str) -> None:
    """Refuse with `ALREADY_A_REPOSITORY` a place where something is already; an empty folder may be there."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        refuse("ALREADY_A_REPOSITORY", f"{folder} is not empty", hint)


def put(path: Path, content: bytes, mode: int = 0o666, durable: bool = False, aside: str | None = None) -> None:
    """Write a file beside its place and move it there: a reader sees the old content or the new, never a part.

    :param mode: its rights, as far as the umask leaves them.
    :param durable: sync the content before the move (the folder is the caller's to sync).
    :param aside: the name that it has until then.
    """
    part = path.with_name(aside or f".{path.name}.{os.getpid()}.part")
    try:
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
            file.write(content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        os.replace(part, path)
    except OSError:
        part.unlink(missing_ok=True)
        raise


def sync_folder(path: Path) -> None:
    """Make the entries of a folder durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
