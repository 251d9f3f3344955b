"""File operations: atomic writes, durable folders, and the check for an empty folder."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from pathlib import Path

from opsgit.domain.refusals import refuse


class Damaged(Exception):  # noqa: N818 - it is a state of a cache, not an error of ours
    """The index could not be read. A damaged file has been removed, so the command can be run again."""


def need_empty(folder: Path, hint: str) -> None:
    """Refuse a path where something already exists; an empty folder is accepted.

    :param hint: the hint of the refusal.
    :raises Refused: `ALREADY_A_REPOSITORY`; `BAD_VALUE` for a name that git's configuration cannot hold.
    """
    if any(mark in str(folder) for mark in "\n\r\\"):
        refuse("BAD_VALUE", f"{str(folder)!r} holds a line break or a backslash, which git's configuration cannot hold",
               "choose another folder")  # fmt: skip
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        refuse("ALREADY_A_REPOSITORY", f"{folder} is not empty", hint)


def put(
    path: Path,
    content: bytes | Iterable[bytes],
    mode: int = 0o666,
    durable: bool = False,
    aside: str | None = None,
) -> None:
    """Write a file atomically: write a temporary file and rename it. Readers see the old content or the new.

    What is no regular file, such as /dev/stdout, is written to and not replaced.

    :param content: the bytes, or pieces of them that need not be in memory together.
    :param mode: permission bits; the umask applies.
    :param durable: sync the content before the rename. The caller syncs the folder.
    :param aside: name of the temporary file in the same folder; None: a name made from the process id.
    :raises OSError: if the file cannot be written; the temporary file is removed.
    """
    if not path.name:  # of an empty argument
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    pieces = [content] if isinstance(content, bytes) else content
    if path.exists() and not path.is_file():
        with path.open("wb") as file:
            file.writelines(pieces)
        return
    part = path.with_name(aside or f".{path.name}.{os.getpid()}.part")
    try:
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
            file.writelines(pieces)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException:  # whoever makes the pieces may fail too
        part.unlink(missing_ok=True)
        raise


def sync_folder(path: Path) -> None:
    """Sync a folder, so that new and renamed entries survive a crash."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
