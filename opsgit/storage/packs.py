"""Packs: many new objects in one file, which git indexes and checks before anybody can read it.

A tree that was made from another one of the pack is stored as the difference from it.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import struct
import tempfile
import weakref
import zlib
from collections.abc import Mapping
from io import BufferedRandom
from pathlib import Path
from shutil import rmtree

from opsgit.storage.disk import sync_folder
from opsgit.storage.git import Git

TYPES = {"commit": 1, "tree": 2, "blob": 3}
DIFFERENCE = 7  # a difference from an object that is named by its id
DEEPEST = 40  # differences from differences: git itself makes at most 50
FULL = 64 * 1024 * 1024  # bytes after which a pack is closed and the next one begun
ASIDE = "tmp_objdir-opsgit-"  # git removes old folders of this prefix by itself


class Packs:
    """Packs of new objects in a folder aside. `keep` moves them to where git finds them; else they are removed."""

    def __init__(self, git: Git, width: int) -> None:
        """:param width: 40 or 64, the length of ids."""
        self.git, self.width = git, width
        objects = git.folder / "objects"
        self.folder = Path(tempfile.mkdtemp(prefix=ASIDE, dir=objects))
        self.alive = os.open(self.folder, os.O_RDONLY | os.O_CLOEXEC)  # closed with the process, or by `drop`
        fcntl.flock(self.alive, fcntl.LOCK_EX)
        (self.folder / "pack").mkdir()
        self.waiting: set[str] = set()  # ids of the objects of the open pack: nobody can read them yet
        self.ends: dict[str, tuple[bytes, int]] = {}  # trees of this pack that may be made into others; their depth
        self.file: BufferedRandom | None = None
        self.end = weakref.finalize(self, rmtree, self.folder, ignore_errors=True)
        git.look_into(self.folder)

    def add(self, objects: Mapping[str, tuple[str, bytes]], made_from: Mapping[str, str]) -> None:
        """Write objects to the open pack.

        :param objects: type and content by hex id.
        :param made_from: for trees, the hex id of the tree that each was made from.
        """
        for made, (kind, content) in objects.items():
            self._add(made, kind, content, made_from.get(made, ""))
        if self.file and self.file.tell() > FULL:
            self.close()

    def _add(self, made: str, kind: str, content: bytes, origin: str) -> None:
        if made in self.waiting:  # content that was there before comes back
            return
        if self.file is None:
            self.file = tempfile.TemporaryFile(dir=self.folder)  # noqa: SIM115 - `close` closes it
            self.file.write(b"PACK" + struct.pack(">II", 2, 0))
        base, depth = self.ends.pop(origin, (None, -1))
        if base is not None and depth < DEEPEST:
            changed = difference(base, content)
            self.file.write(_head(DIFFERENCE, len(changed)) + bytes.fromhex(origin) + zlib.compress(changed, 1))
        else:
            depth = -1
            self.file.write(_head(TYPES[kind], len(content)) + zlib.compress(content, 1))
        if kind == "tree":
            self.ends[made] = content, depth + 1
        self.waiting.add(made)

    def close(self) -> None:
        """Let git check and index the open pack, so that its objects can be read.

        :raises OSError: if it cannot be written.
        """
        if self.file is None:
            return
        _finish(self.file, len(self.waiting), self.width)
        self.file.seek(0)
        places = {"GIT_OBJECT_DIRECTORY": str(self.folder), "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(self.folder.parent)}
        done = self.git.attempt("-c", "core.fsync=all", "index-pack", "--stdin", given=self.file, env=places)
        self.file.close()
        if done.returncode:
            raise OSError(f"a pack could not be written: {done.stderr.decode(errors='replace').strip()}")
        self.file = None
        self.waiting.clear()
        self.ends.clear()

    def keep(self) -> None:
        """Move all packs to where git finds them, and sync them: when this returns, they survive a crash.

        :raises OSError: if they cannot be written.
        """
        self.close()
        target = self.folder.parent / "pack"
        target.mkdir(exist_ok=True)
        for path in sorted((self.folder / "pack").iterdir(), key=lambda one: one.suffix == ".idx"):
            os.replace(path, target / path.name)  # the index last: with it the pack becomes visible
        sync_folder(target)
        sync_folder(target.parent)
        self.drop()

    def drop(self) -> None:
        """Remove what was not kept."""
        self.git.look_into(None)
        if self.file:
            self.file.close()
        self.end()
        os.close(self.alive)


def is_alive(folder: Path) -> bool:
    """Return whether the process that writes packs in a folder is still there."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def _finish(file: BufferedRandom, count: int, width: int) -> None:
    """Write the number of objects and the checksum of a pack."""
    file.seek(8)
    file.write(struct.pack(">I", count))
    file.seek(0)
    digest = hashlib.file_digest(file, "sha1" if width == 40 else "sha256")
    file.write(digest.digest())


def _head(kind: int, size: int) -> bytes:
    """Return the header of an object in a pack: type and size, 7 bits a byte after the first 4."""
    first, size = kind << 4 | size & 15, size >> 4
    return bytes([first | 128]) + _number(size) if size else bytes([first])


def _number(value: int) -> bytes:
    """Return a number in 7 bits a byte, the lowest first."""
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def difference(old: bytes, new: bytes) -> bytes:
    """Return git's description of a text as another one with one part in the middle replaced.

    This is short for trees: an operation changes one entry of a tree.
    """
    start = _alike(old, new)
    end = _alike(old[start:][::-1], new[start:][::-1])
    middle = new[start : len(new) - end]
    parts = [_number(len(old)), _number(len(new)), *_copy(0, start)]
    parts += [bytes([len(piece)]) + piece for piece in (middle[at : at + 127] for at in range(0, len(middle), 127))]
    return b"".join([*parts, *_copy(len(old) - end, end)])


COPY_MAX = 0xFF_FFFF


def _copy(start: int, size: int) -> list[bytes]:
    """Return the instructions that copy a part of the old text."""
    pieces = ((at, min(COPY_MAX, start + size - at)) for at in range(start, start + size, COPY_MAX))
    return [b"\xff" + struct.pack("<I", at) + struct.pack("<I", length)[:3] for at, length in pieces]


def _alike(one: bytes, other: bytes) -> int:
    """Return with how many equal bytes two texts begin."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
