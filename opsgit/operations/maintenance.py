"""Maintenance of a clone: loose objects are packed, and merged review branches deleted. In the background when due."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import NamedTuple

from opsgit.operations import refresh
from opsgit.operations.session import Session
from opsgit.storage.disk import put
from opsgit.storage.journal import journal
from opsgit.storage.repository import Repository

SAMPLE, LOOSE_MAX = "17", 4096  # one of 256 folders is counted, as git does
FOLDERS = 256
PACK_FILES_MAX = 150  # a batch writes a pack, of two files or three: git looks into each for each object
PAUSE = 3600  # seconds between two starts: young unreachable objects stay loose, and would start it again
# Refs, their logs too, are left to the steps that hold the lock.
SETTINGS = ("gc.packRefs=false", "gc.reflogExpire=never", "gc.reflogExpireUnreachable=never", "core.fsync=all")


class Size(NamedTuple):
    """What a clone's objects take: loose objects, packs, and bytes on disk."""

    loose: int
    packs: int
    bytes: int


def maintain(session: Session) -> tuple[Size, Size]:
    """Remove attachments that are no longer kept, pack loose objects, write the commit-graph, pack refs, and delete
    merged review branches.

    Unreachable objects stay for two weeks, as in `git gc`: another process may be about to use them.

    :returns: the size before and after.
    :raises Refused: `BUSY` if another maintenance runs or the lock is held; `TOOL_FAILED` if git fails.
    """
    from opsgit.operations import attachments  # every write imports this module, and few maintain

    repository = session.repository
    before = size(repository)
    with repository.lock("maintenance"):
        attachments.drop_old(session)
        repository.git.close()
        repository.git.run(*(word for setting in SETTINGS for word in ("-c", setting)), "gc", "--quiet")
        with repository.lock(), journal(repository.own):
            repository.git.run("pack-refs", "--all", "--prune")
        with repository.lock():
            refresh.after(session, repository.tip())
    return before, size(repository)


def size(repository: Repository) -> Size:
    """Return what a repository's objects take now."""
    listed = dict(line.split(": ") for line in repository.git.run("count-objects", "-v").decode().splitlines())
    return Size(int(listed["count"]), int(listed["packs"]), 1024 * (int(listed["size"]) + int(listed["size-pack"])))


def due(repository: Repository) -> bool:
    """Return whether there are many loose objects, judged by a sample of them, or many packs."""
    objects = repository.folder / "objects"
    return _count(objects / SAMPLE) * FOLDERS > LOOSE_MAX or _count(objects / "pack") > PACK_FILES_MAX


def _count(folder: Path) -> int:
    try:
        return len(os.listdir(folder))
    except FileNotFoundError:
        return 0


def start_if_due(repository: Repository) -> None:
    """Start maintenance in the background if it is due, once an hour at most. It outlives this process."""
    mark = repository.own / "maintained"
    if not due(repository) or (mark.exists() and time.time() - mark.stat().st_mtime < PAUSE):
        return
    put(mark, b"")
    command = [sys.executable, "-I", "-m", "opsgit", "-C", str(repository.top or repository.folder), "maintenance"]
    from opsgit.storage import runner

    runner.detach(command)
