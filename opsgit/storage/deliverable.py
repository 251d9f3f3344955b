"""Deliverables: locate a file, folder or commit on this machine and compute its digest."""

from __future__ import annotations

import base64
import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from opsgit.domain.refusals import refuse
from opsgit.storage.git import Git

COMMIT = "commit:"
CHUNK = 1 << 20
DEPTH_MAX = 100  # folders in each other; what removes a copy again follows each of them


def locate(where: str, workspace: str | None) -> Path:
    """Return the path on this machine of a recorded deliverable.

    :param where: the recorded path. If it is relative, it is inside the workspace.
    :param workspace: the workspace folder; None: relative paths start at the current folder.
    """
    path = Path(where)
    return path if path.is_absolute() else Path(workspace or ".") / path


def recorded(path: Path, workspace: str | None) -> str:
    """Return the path by which a deliverable is recorded: relative to the workspace if there is one, else absolute.

    :raises Refused: `DELIVERABLE_OUTSIDE` if the path is not inside the workspace.
    """
    full = Path(os.path.abspath(path))
    if workspace is None:
        return str(full)
    home = Path(os.path.abspath(workspace))
    if not full.is_relative_to(home) or not full.resolve().is_relative_to(home.resolve()):
        refuse("DELIVERABLE_OUTSIDE", f"{full} is not inside the workspace {home}", f"put it in {home}")
    return str(full.relative_to(home))


def digest(path: Path) -> str:
    """Return the digest of a file or folder: `h1:` and the base64 of a SHA-256 over the sorted file list.

    The list has one line `<sha256 in hex>  <relative path>` for each file (Go's dirhash H1). A single file has the
    digest of a folder that holds this file alone. `opsgit help format` has the same computation with coreutils.

    :raises Refused: `DELIVERABLE_MISSING` if the path is missing, unreadable or an empty folder; `DELIVERABLE_UNSAFE`
        for a symbolic link, a special file, or a file name with a newline or not in UTF-8; `DELIVERABLE_UNSTABLE` if a
        file changed during the computation.
    """
    before = list(files(path))
    sums = {name: _sha256(full) for name, full, _ in before}
    if [(name, mark) for name, _, mark in before] != [(name, mark) for name, _, mark in files(path)]:
        refuse("DELIVERABLE_UNSTABLE", f"{path} changed while it was read", "wait until it is finished")
    return of_sums(sums)


def of_sums(sums: Mapping[str, str]) -> str:
    """Return the digest of files by their SHA-256 sums.

    :param sums: the sum (hex) of each file by its name, in the order of the names.
    """
    lines = "".join(f"{value}  {name}\n" for name, value in sums.items())
    return "h1:" + base64.b64encode(hashlib.sha256(lines.encode()).digest()).decode()


def sha256(content: bytes) -> str:
    """Return the SHA-256 sum of some bytes in hex."""
    return hashlib.sha256(content).hexdigest()


SPECIAL = stat.S_ISUID | stat.S_ISGID | stat.S_ISVTX
Mark = tuple[int, int, int, int]


def files(path: Path) -> Iterator[tuple[str, Path, Mark]]:
    """Yield the relative name, the path and the mark (inode, size, times) of each file, sorted by name.

    :raises Refused: `DELIVERABLE_MISSING`, `DELIVERABLE_UNSAFE`, as `digest`.
    """
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
    left = [(folder, 0)]
    while left:
        here, depth = left.pop()
        if depth > DEPTH_MAX:
            refuse("DELIVERABLE_UNSAFE", f"{folder} has folders more than {DEPTH_MAX} deep", "submit an archive of it")
        with os.scandir(here) as entries:
            empty = True
            for entry in entries:
                empty = False
                if entry.is_dir(follow_symlinks=False):
                    left.append((Path(entry.path), depth + 1))
                else:
                    yield Path(entry.path)
        if empty and here != folder:
            refuse("DELIVERABLE_UNSAFE", f"{here} is an empty folder, which no digest covers",
                   f"rmdir {here}, or put a file into it")  # fmt: skip


def _mark(name: str, full: Path) -> Mark:
    found = os.lstat(full)
    if not stat.S_ISREG(found.st_mode):
        what = "a symlink" if stat.S_ISLNK(found.st_mode) else "not a plain file"
        refuse("DELIVERABLE_UNSAFE", f"{full} is {what}", "submit plain files: cp -rL resolves links")
    if found.st_mode & SPECIAL:
        why = f"{full} has mode {stat.S_IMODE(found.st_mode):o}: setuid, setgid and sticky are in no digest"
        refuse("DELIVERABLE_UNSAFE", why, f"chmod u-s,g-s,-t {full}")
    if not is_plain(name):
        refuse("DELIVERABLE_UNSAFE", f"{full!r} has a newline or is not UTF-8", "rename it")
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def is_plain(name: str) -> bool:
    """Return whether a file name is UTF-8 without a newline."""
    return "\n" not in name and not any("\udc80" <= char <= "\udcff" for char in name)


def _sha256(path: Path) -> str:
    hasher = hashlib.sha256()
    for chunk in chunks(path):
        hasher.update(chunk)
    return hasher.hexdigest()


def chunks(path: Path) -> Iterator[bytes]:
    """Yield the content of a plain file in pieces; nothing else is read, whatever has replaced it meanwhile.

    :raises Refused: `DELIVERABLE_MISSING`, `DELIVERABLE_UNSTABLE`.
    """
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                refuse("DELIVERABLE_UNSTABLE", f"{path} was replaced while it was read", "wait until it is finished")
            while chunk := file.read(CHUNK):
                yield chunk
    except OSError as error:
        refuse("DELIVERABLE_MISSING", f"{path}: {error.strerror}", "look at the path and its rights")


def copied(path: Path, folder: Path) -> Path:
    """Copy a deliverable into a folder, and return the path of the copy.

    What was copied is known by the digest of the copy: the original may change at any time.

    :param path: a file, or a folder of plain files.
    :param folder: an existing folder that only the caller can write to.
    :raises Refused: as `digest`; `DISK` if the copy cannot be written.
    """
    made = folder / Path(os.path.abspath(path)).name
    for name, full, _ in list(files(path)):
        where = made / name if path.is_dir() else made
        try:
            where.parent.mkdir(parents=True, exist_ok=True)
            with where.open("xb") as file:
                file.writelines(chunks(full))
            where.chmod(0o755 if os.access(full, os.X_OK) else 0o644)
        except OSError as error:
            refuse("DISK", f"{where} cannot be written: {error.strerror}", "make room in the temporary folder (TMPDIR)")
    return made


def commit_digest(commit: str, repository: Path) -> str:
    """Return the digest `git:<hex id>` of a commit in a repository on this machine.

    :param commit: an id or another revision of the commit.
    :param repository: path of the repository or of its git folder.
    :raises Refused: `DELIVERABLE_MISSING` if the commit is not there; `TOOL_FAILED` if git is not installed.
    """
    done = Git(git_folder(repository)).attempt(
        "rev-parse", "--verify", "-q", "--end-of-options", f"{commit}^{{commit}}"
    )
    if done.returncode:
        refuse("DELIVERABLE_MISSING", f"there is no commit {commit} in {repository}", "name a commit that is there")
    return f"git:{done.stdout.decode().strip()}"


def git_folder(repository: Path) -> Path:
    """Return the git folder of a repository that is named by its folder or by its git folder."""
    inner = repository / ".git"
    return inner if inner.exists() else repository
