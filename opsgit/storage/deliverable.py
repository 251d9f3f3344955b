"""Deliverables: found on a disk or as a commit, and hashed."""

from __future__ import annotations

import base64
import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from opsgit.domain.refusals import refuse
from opsgit.storage.git import Git

COMMIT = "commit:"
CHUNK = 1 << 20


def locate(where: str, workspace: str | None) -> Path:
    """The path on this disk of a recorded deliverable: relative ones lie in the workspace."""
    path = Path(where)
    return path if path.is_absolute() else Path(workspace or ".") / path


def recorded(path: Path, workspace: str | None) -> str:
    """How a deliverable is recorded: relative to the workspace where there is one, else as an absolute path."""
    full = Path(os.path.abspath(path))
    if workspace is None:
        return str(full)
    home = Path(os.path.abspath(workspace))
    if not full.is_relative_to(home) or not full.resolve().is_relative_to(home.resolve()):
        refuse("DELIVERABLE_OUTSIDE", f"{full} is not inside the workspace {home}", f"put it in {home}")
    return str(full.relative_to(home))


def digest(path: Path) -> str:
    """The digest of a file or folder: `h1:` and base64 of SHA-256 over the sorted lines `<sha256>  <path>`.

    Go's dirhash H1; a single file is the folder that holds it alone. With coreutils, for a folder:
    `find . -type f | sed 's#^./##' | LC_ALL=C sort | xargs sha256sum | openssl dgst -sha256 -binary | base64`.
    Refuses what is missing, unreadable, a symlink or no file inside, and what changes while it is read.
    """
    before = list(_files(path))
    lines = [f"{_sha256(full)}  {name}\n" for name, full, _ in before]
    if [(name, mark) for name, _, mark in before] != [(name, mark) for name, _, mark in _files(path)]:
        refuse("DELIVERABLE_UNSTABLE", f"{path} changed while it was read", "wait until it is finished")
    return "h1:" + base64.b64encode(hashlib.sha256("".join(lines).encode()).digest()).decode()


Mark = tuple[int, int, int, int]


def _files(path: Path) -> Iterator[tuple[str, Path, Mark]]:
    """Name, path and mark (inode, size, times) of each file, sorted by name."""
    try:
        if path.is_dir() and not path.is_symlink():
            found = sorted((str(full.relative_to(path)), full) for full in _walk(path))
        else:
            found = [(path.name, path)]
        if not found:
            refuse("DELIVERABLE_MISSING", f"{path} holds no file", "build it first")
        for name, full in found:
            yield name, full, _mark(name, full)
    except OSError as error:
        refuse("DELIVERABLE_MISSING", f"{error.filename or path}: {error.strerror}", "look at the path and its rights")


def _walk(folder: Path) -> Iterator[Path]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(Path(entry.path))
            else:
                yield Path(entry.path)


def _mark(name: str, full: Path) -> Mark:
    found = os.lstat(full)
    if not stat.S_ISREG(found.st_mode):
        what = "a symlink" if stat.S_ISLNK(found.st_mode) else "not a plain file"
        refuse("DELIVERABLE_UNSAFE", f"{full} is {what}", "submit plain files: cp -rL resolves links")
    if "\n" in name or "\udc80" <= max(name, default="") <= "\udcff":
        refuse("DELIVERABLE_UNSAFE", f"{full!r} has a newline or is not UTF-8", "rename it")
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _sha256(path: Path) -> str:
    hasher = hashlib.sha256()
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            while chunk := file.read(CHUNK):
                hasher.update(chunk)
    except OSError as error:
        refuse("DELIVERABLE_MISSING", f"{path}: {error.strerror}", "look at the path and its rights")
    return hasher.hexdigest()


def commit_digest(commit: str, repository: str) -> str:
    """The digest `git:<id>` of a commit that exists in a repository on this disk."""
    folder = Path(repository)
    git = Git(folder / ".git" if (folder / ".git").exists() else folder)
    done = git.attempt("rev-parse", "--verify", "-q", "--end-of-options", f"{commit}^{{commit}}")
    if done.returncode:
        refuse("DELIVERABLE_MISSING", f"there is no commit {commit} in {repository}", "name a commit that is there")
    return f"git:{done.stdout.decode().strip()}"
