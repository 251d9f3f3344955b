"""Attachments: the files of a submission as a git tree under a ref of its own, outside the ledger's history.

The digest in the signed submission binds the tree: whoever reads it computes the digest from the objects.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from opsgit.domain.refusals import refuse
from opsgit.storage import deliverable
from opsgit.storage.objects import EXECUTABLE, FILE, FOLDER, Entry, Objects


class File(NamedTuple):
    """The content of one file, and whether it is executable."""

    content: bytes
    executable: bool


Files = Mapping[str, File]  # by path, with / between its parts


class Limits(NamedTuple):
    """The most that one attachment holds: bytes in all, and files."""

    size: int
    files: int


ANY = Limits(64 * 1024 * 1024, 100_000)  # the most that a policy can allow
GITS = (".git", "git~1")  # names that git keeps for itself
FOLDERS_EACH = 20  # folders for each file that may be there


def read(path: Path, limits: Limits) -> Files:
    """Return the files of a deliverable on this machine.

    :raises Refused: as `deliverable.digest`; `DELIVERABLE_TOO_LARGE` above the limits; `DELIVERABLE_UNSAFE` for names
        that not every machine can have: two that differ in case alone, or one that is git's.
    """
    found = list(deliverable.files(path))
    _within(limits, len(found), sum(mark[1] for *_, mark in found))
    _portable(name for name, *_ in found)
    taken = {name: File(b"".join(deliverable.chunks(full)), os.access(full, os.X_OK)) for name, full, _ in found}
    if [(name, mark) for name, _, mark in found] != [(name, mark) for name, _, mark in deliverable.files(path)]:
        refuse("DELIVERABLE_UNSTABLE", f"{path} changed while it was read", "wait until it is finished")
    return taken


def _within(limits: Limits, files: int, size: int) -> None:
    if files > limits.files or size > limits.size:
        refuse(
            "DELIVERABLE_TOO_LARGE",
            f"{files} files of {size} bytes; at most {limits.files} files and {limits.size} bytes are attached",
            "--no-attach; or set deliverables.size and deliverables.files",
        )


def _portable(names: Iterator[str]) -> None:
    """Refuse names that a checkout could not hold, on some machine or because git does not allow them."""
    folders: dict[str, str] = {}
    for name in names:
        parts = name.split("/")
        for number, part in enumerate(parts):
            place = "/".join(parts[: number + 1])
            other = folders.setdefault(place.casefold(), place)
            if other != place:
                refuse("DELIVERABLE_UNSAFE", f"{place} and {other} differ in case alone", "rename one; or --no-attach")
            if part.casefold() in GITS:
                refuse("DELIVERABLE_UNSAFE", f"{name} is in a git folder",
                       "submit a commit (--output 'commit: ID'), a folder without .git, or --no-attach")  # fmt: skip


def add(objects: Objects, files: Files) -> str:
    """Make the objects of an attachment; they are written with the others.

    :returns: hex id of the tree.
    """
    entries = {
        name: Entry(EXECUTABLE if file.executable else FILE, objects.add("blob", file.content))
        for name, file in files.items()
    }
    return objects.replaced(None, dict(entries))


def listed(objects: Objects, tree: str, most: int = ANY.files) -> dict[str, Entry]:
    """Return the entries of all files of an attachment by path, sorted.

    A few objects can describe a tree that is too large to walk, so that the number of entries is limited.

    :param tree: hex id of the tree.
    :param most: the largest number of files.
    :raises Refused: `ATTACHMENT_UNFIT` for anything that no deliverable holds; `TOO_LARGE` above the limit; as
        `Objects.need`.
    """
    found: dict[str, Entry] = {}
    folders, ahead = 0, [("", tree)]
    while ahead:
        lead, here = ahead.pop()
        folders += 1
        if folders > FOLDERS_EACH * (most + 1) or len(found) > most:
            refuse("TOO_LARGE", f"an attachment of more than {most} files; at most {most} are taken", "--no-attach")
        if lead.count("/") > deliverable.DEPTH_MAX:
            refuse("ATTACHMENT_UNFIT", f"folders more than {deliverable.DEPTH_MAX} deep", "submit it again")
        for name, entry in objects.tree(here).items():
            if entry.mode not in (FOLDER, FILE, EXECUTABLE) or not _is_usual(name):
                refuse("ATTACHMENT_UNFIT", f"{lead + name!r} is no plain file of a usual name", "submit it again")
            if entry.mode == FOLDER:
                ahead.append((f"{lead}{name}/", entry.id))
            else:
                found[lead + name] = entry
    if len(found) > most:
        refuse("TOO_LARGE", f"an attachment of {len(found)} files; at most {most} are taken", "--no-attach")
    return dict(sorted(found.items()))


def _is_usual(name: str) -> bool:
    """Return whether a file or folder may have a name.

    A newline in the name of a folder would give two trees the same digest; `..` would lead out of a folder.
    """
    return deliverable.is_plain(name) and name not in (".", "..") and name.casefold() not in GITS


def digest(objects: Objects, tree: str, limits: Limits) -> str:
    """Return the digest of an attachment, computed from its objects.

    :raises Refused: as `listed`; `TOO_LARGE` above the limits.
    """
    sums: dict[str, str] = {}
    known: dict[str, tuple[str, int]] = {}  # by the blob's id: the same content may be there many times
    size = 0
    for name, entry in listed(objects, tree, limits.files).items():
        if entry.id not in known:
            content = objects.need(entry.id, "blob").content
            known[entry.id] = deliverable.sha256(content), len(content)
        sums[name], length = known[entry.id]
        size += length
        if size > limits.size:
            refuse("TOO_LARGE", f"an attachment of more than {limits.size} bytes", "--no-attach")
    return deliverable.of_sums(sums)


def digest_of(files: Files) -> str:
    """Return the digest of files that were read."""
    return deliverable.of_sums({name: deliverable.sha256(file.content) for name, file in files.items()})


def write_out(objects: Objects, tree: str, folder: Path) -> None:
    """Write the files of an attachment into an existing folder.

    :raises Refused: as `listed`; `DISK` if a file cannot be written.
    """
    entries = listed(objects, tree)
    _portable(iter(entries))
    for name, entry in entries.items():
        where = folder / name
        try:
            where.parent.mkdir(parents=True, exist_ok=True)
            with where.open("xb") as file:
                file.write(objects.need(entry.id, "blob").content)
            where.chmod(0o755 if entry.mode == EXECUTABLE else 0o644)
        except OSError as error:
            refuse("DISK", f"{where} cannot be written: {error.strerror}", "make room, or choose another folder")
