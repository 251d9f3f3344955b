"""Git objects made without git's index: blobs, trees and commits, kept in memory until they are written and synced."""

from __future__ import annotations

import bisect
import itertools
import os
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from opsgit.domain.refusals import refuse
from opsgit.domain.values import Value, positional
from opsgit.storage.disk import put, sync_folder
from opsgit.storage.git import Git, Object, object_id
from opsgit.storage.parts import in_parts

if TYPE_CHECKING:
    from opsgit.storage.packs import Packs

FILE, EXECUTABLE, FOLDER = "100644", "100755", "40000"


DEEPEST = 12  # levels of folders in a tree
KEPT, SMALL = 4096, 16_384  # the cache holds at most this many objects, each of at most this many bytes
ENTRIES = 300_000  # the cache of trees holds at most this many entries
FEW = 60  # new objects: up to this number they are written one by one, else as a pack
FEW_AT_ONCE = 5  # objects of any size that are in memory together
AHEAD = 4 * 1024 * 1024  # bytes of new objects above which a caller should `relieve`
MODES = frozenset({FILE, EXECUTABLE, FOLDER, "120000", "160000"})


class Entry(NamedTuple):
    """One entry of a tree: its mode as git writes it, such as `100644`, and the hex id of its object."""

    mode: str
    id: str


Tree = dict[str, Entry]
Pair = tuple[Entry | None, Entry | None]


@dataclass(eq=False, repr=False)
class Objects:
    """The objects of a repository, together with new objects that are not written yet.

    `width` is 40 or 64, the length of ids. `new` maps the id of each new object to its type and content, and
    `made_from` the id of a new tree to the id of the tree that it was made from. `packs` holds the new objects that are
    on disk already, where nobody else can read them. `trees` and `seen` are caches.
    """

    git: Git
    width: int = 40
    new: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    made_from: dict[str, str] = field(default_factory=dict)
    packs: Packs | None = None
    size: int = 0  # bytes of `new`
    trees: dict[str, Tree] = field(default_factory=dict)
    entries: int = 0  # of `trees`
    lines: dict[str, Lines] = field(default_factory=dict)  # of the trees that were made last
    seen: dict[str, Object] = field(default_factory=dict)

    def get(self, name: str) -> Object | None:
        """Return an object by its id, or by a revision that git knows; None if there is none.

        :raises Refused: `REPOSITORY_BROKEN` if it cannot be read or its content does not match its id; `TOO_LARGE`
            above 64 MiB; `TOOL_FAILED` if git is not installed.
        """
        if name in self.new:
            return Object(name, *self.new[name])
        if name in self.seen:
            return self.seen[name]
        if self.packs and name in self.packs.waiting:
            self.packs.close()
        found = self.git.get(name)
        if found and found.id == name and len(found.content) <= SMALL:
            _room(self.seen)[name] = found
        return found

    def read(self, wanted: Sequence[str]) -> None:
        """Read objects that will be asked for, at once.

        :param wanted: hex ids; one that is missing is found so when it is asked for.
        """
        new = [name for name in dict.fromkeys(wanted) if name not in self.new and name not in self.seen]
        for name, found in zip(new, self.git.get_all(new), strict=True):
            if found and found.id == name and len(found.content) <= SMALL:
                _room(self.seen)[name] = found

    def read_at(self, wanted: Sequence[tuple[str, str]]) -> list[Object | None]:
        """Find files or folders of commits, and return their ids and types, without contents; None if there is none.

        git finds them, and each is checked to have the content of its id. Small files are kept for `get`.

        :param wanted: hex id of the commit, and the path.
        """
        found: list[Object | None] = []
        for some in in_parts(wanted, FEW_AT_ONCE):  # they may be large: nobody has judged these commits yet
            for one in self.git.get_all([f"{commit}:{path}" for commit, path in some]):
                if one and len(one.content) <= SMALL and one.type == "blob":
                    _room(self.seen)[one.id] = one
                found.append(one and one._replace(content=b""))
        return found

    def need(self, name: str, kind: str) -> Object:
        """Return an object that must exist.

        :param name: the hex id.
        :param kind: its type: blob, tree or commit.
        :raises Refused: `REPOSITORY_BROKEN` if there is no object with this id and type; also as `get`.
        """
        found = self.get(name)
        if found is None or found.type != kind or found.id != name:
            refuse("REPOSITORY_BROKEN", f"{kind} {name} is missing", "git fsck --full")
        return found

    def add(self, kind: str, content: bytes) -> str:
        """Keep a new object until `write`, and return its hex id.

        :param kind: its type: blob, tree or commit.
        :param content: its bytes without git's header.
        """
        made = object_id(kind, content, self.width)
        self.new[made] = (kind, content)
        self.size += len(content)
        return made

    def tree(self, tree_id: str) -> Tree:
        """Return the entries of a tree by name.

        :raises Refused: `BAD_TREE` if it is malformed; also as `need`.
        """
        if tree_id not in self.trees:
            self._keep_tree(tree_id, parse_tree(self.need(tree_id, "tree").content, self.width // 2))
        return self.trees[tree_id]

    def _keep_tree(self, tree_id: str, entries: Tree) -> None:
        """Put a tree into the cache. The oldest trees are dropped when it is full."""
        if tree_id in self.trees:
            return
        while self.trees and (self.entries + len(entries) > ENTRIES or len(self.trees) >= KEPT):
            self.entries -= len(self.trees.pop(next(iter(self.trees))))
        self.trees[tree_id] = entries
        self.entries += len(entries)

    def root(self, commit_id: str) -> str:
        """Return the hex id of a commit's tree without checking the rest of the commit."""
        return self.need(commit_id, "commit").content[5 : 5 + self.width].decode("ascii", "replace")

    def entry(self, tree_id: str, path: str) -> Entry | None:
        """Return the entry of a path below a tree, or None.

        :param tree_id: hex id of the tree.
        :param path: the path, with `/` between its parts.
        """
        here = Entry(FOLDER, tree_id)
        for part in path.split("/"):
            found = self.tree(here.id).get(part) if here.mode == FOLDER else None
            if found is None:
                return None
            here = found
        return here

    def differences(
        self, old: str | None, new: str | None, prefix: str = "", most: int = 2_000_000
    ) -> Iterator[tuple[str, Pair]]:
        """Yield each path in which two trees differ, in order, with its entry before and after (None: no entry).

        A few objects can describe a tree that is too large to walk. Therefore depth and number of differences are
        limited.

        :param old: hex id of the tree before, None for an empty tree.
        :param new: hex id of the tree after, None for an empty tree.
        :param prefix: the folder that the trees stand for, such as `gates/`.
        :param most: the largest number of entries that may differ, folders included.
        :raises Refused: `BAD_TREE` if the trees are deeper than 12 folders or differ in more than `most` entries.
        """
        ahead: list[tuple[str, Entry | None, Entry | None]] = [(prefix.rstrip("/"), _folder(old), _folder(new))]
        while ahead:
            path, left, right = ahead.pop()
            if any(side and side.mode != FOLDER for side in (left, right)):
                yield path, (_file(left), _file(right))
            before, after = self._below(left), self._below(right)
            changed = [name for name in before.keys() | after.keys() if before.get(name) != after.get(name)]
            most -= len(changed)
            if most < 0 or path.count("/") > DEEPEST:
                refuse("BAD_TREE", f"{path} is deeper or wider than a ledger's tree", "git fsck --full")
            lead = f"{path}/" if path else ""
            ahead += [(lead + name, before.get(name), after.get(name)) for name in sorted(changed, reverse=True)]

    def _below(self, entry: Entry | None) -> Tree:
        return self.tree(entry.id) if entry and entry.mode == FOLDER else {}

    def replaced(self, tree_id: str | None, files: Mapping[str, Entry | None]) -> str:
        """Return the hex id of a tree after some files were replaced; folders that become empty are removed.

        :param tree_id: hex id of the tree before, None for an empty tree.
        :param files: the new entry of each path below the tree, None for a file to remove.
        """
        entries = self.tree(tree_id) if tree_id else {}
        changed: dict[str, Entry | None] = {}
        inner: dict[str, dict[str, Entry | None]] = {}
        for path, entry in files.items():
            head, _, rest = path.partition("/")
            if rest:
                inner.setdefault(head, {})[rest] = entry
            else:
                changed[head] = entry
        for name, below in inner.items():
            old = changed.get(name, entries.get(name))
            if old and old.mode != FOLDER and not any(below.values()):
                continue  # a file has taken the folder's place, and nothing is added below it
            made = self.replaced(old.id if old and old.mode == FOLDER else None, below)
            changed[name] = Entry(FOLDER, made) if self.tree(made) else None
        return self._add_tree(tree_id or "", entries, changed)

    def id_of(self, tree_id: str | None, files: Mapping[str, Entry | None]) -> str:
        """Return the hex id that `replaced` returns; nothing is added."""
        kept = self.new, self.made_from, self.size
        self.new, self.made_from = {}, {}
        try:
            return self.replaced(tree_id, files)
        finally:
            self.new, self.made_from, self.size = kept

    def _add_tree(self, origin: str, entries: Tree, changed: Mapping[str, Entry | None]) -> str:
        """Add the tree that is made from another one, with some entries changed, and return its hex id."""
        lines = self.lines.pop(origin, None) or Lines(entries)
        older = self.made_from.get(origin)
        if older in self.trees:  # the one before the last: nobody asks for it again
            self.entries -= len(self.trees.pop(older))
        after = dict(entries)
        for name, entry in changed.items():
            lines.replace(name, after.pop(name, None), entry)
            if entry:
                after[name] = entry
        made = self.add("tree", lines.text())
        _room(self.lines)[made] = lines
        self._keep_tree(made, after)
        if origin and origin != made:
            self.made_from[made] = origin
        return made

    def relieve(self) -> Packs:
        """Write the new objects to a pack, so that they need no memory; they stay invisible to others until `write`.

        :returns: the packs that hold them.
        :raises OSError: if they cannot be written.
        """
        from opsgit.storage.packs import Packs  # most commands write no pack

        self.packs = self.packs or Packs(self.git, self.width)
        self.packs.add(self.new, self.made_from)
        last = next((one for one in reversed(self.new) if self.new[one][0] == "commit"), None)
        if last:
            self.seen[last] = Object(last, *self.new[last])  # what comes next goes on from it
        self._forget_new()
        return self.packs

    def _forget_new(self) -> None:
        self.new.clear()
        self.made_from.clear()
        self.size = 0

    def write(self) -> None:
        """Write all new objects and sync them: when this returns, they survive a crash.

        :raises OSError: if they cannot be written.
        """
        if self.packs or len(self.new) > FEW:
            self.relieve().keep()
            self.packs = None
        self._write_loose()

    def drop(self) -> None:
        """Remove the new objects that were not written, those on disk too."""
        if self.packs:
            self.packs.drop()
        self.packs = None
        self._forget_new()

    def _write_loose(self) -> None:
        folders = set()
        for made, (kind, content) in self.new.items():
            path = self.git.folder / "objects" / made[:2] / made[2:]
            if not path.exists():
                folders |= _write_loose(path, b"%s %d\0%s" % (kind.encode(), len(content), content))
        for folder in folders:
            sync_folder(folder)
        self._forget_new()


class Lines:
    """The entries of a tree as git writes them, in git's order. A tree of many entries is changed without sorting."""

    def __init__(self, entries: Tree) -> None:
        both = sorted((_place(name, entry), _line(name, entry)) for name, entry in entries.items())
        self.places, self.lines = [place for place, _ in both], [line for _, line in both]

    def replace(self, name: str, old: Entry | None, new: Entry | None) -> None:
        """Take the old entry of a name out, and put the new one in."""
        if old:
            at = bisect.bisect_left(self.places, _place(name, old))
            del self.places[at], self.lines[at]
        if new:
            place = _place(name, new)
            at = bisect.bisect_left(self.places, place)
            self.places.insert(at, place)
            self.lines.insert(at, _line(name, new))

    def text(self) -> bytes:
        """Return the content of the tree."""
        return b"".join(self.lines)


def _place(name: str, entry: Entry) -> bytes:
    """Return by what git sorts an entry: the name of a folder counts with a slash."""
    return (f"{name}/" if entry.mode == FOLDER else name).encode("utf-8", "surrogateescape")


def _line(name: str, entry: Entry) -> bytes:
    return b"%s %s\0%s" % (entry.mode.encode(), name.encode("utf-8", "surrogateescape"), bytes.fromhex(entry.id))


def _write_loose(path: Path, framed: bytes) -> set[Path]:
    """Write one loose object, and return the folders that must be synced."""
    folders = {path.parent}
    if not path.parent.exists():
        path.parent.mkdir(exist_ok=True)
        folders.add(path.parent.parent)
    aside = f"tmp_obj_{os.getpid()}_{path.name[:12]}"  # git names its own so: `git gc` removes leftovers
    put(path, zlib.compress(framed, 1), mode=0o444, durable=True, aside=aside)
    return folders


Kept = TypeVar("Kept")


def _room(memory: dict[str, Kept]) -> dict[str, Kept]:
    """Return a cache with room for one more entry: when it is full, its oldest half is dropped."""
    if len(memory) >= KEPT:
        for name in list(itertools.islice(memory, KEPT // 2)):
            del memory[name]
    return memory


def _folder(tree_id: str | None) -> Entry | None:
    return Entry(FOLDER, tree_id) if tree_id else None


def _file(entry: Entry | None) -> Entry | None:
    return entry if entry and entry.mode != FOLDER else None


def parse_tree(content: bytes, raw: int) -> Tree:
    """Return the entries of a tree object by name.

    :param content: the bytes of the tree.
    :param raw: the length of an id in bytes: 20 or 32.
    :raises Refused: `BAD_TREE` for what git does not write: unknown modes, entries out of order or more than once.
    """
    entries: Tree = {}
    at, last = 0, ""
    try:
        while at < len(content):
            space = content.index(b" ", at)
            end = content.index(b"\0", space)
            name, mode = content[space + 1 : end].decode("utf-8", "surrogateescape"), content[at:space].decode("ascii")
            entry = Entry(mode, content[end + 1 : end + 1 + raw].hex())
            place = name + "/" if mode == FOLDER else name
            if (
                mode not in MODES
                or name in entries
                or not name
                or "/" in name
                or len(entry.id) != 2 * raw
                or place < last
            ):
                raise ValueError(f"the entry {name!r}")
            entries[name] = entry
            at, last = end + 1 + raw, place
    except ValueError as error:
        refuse("BAD_TREE", f"a tree is malformed: {error}", "git fsck --full")
    return entries


@positional
class Commit(Value):
    """A commit object in the one accepted form.

    `time` is in seconds after the epoch and `zone` the offset from UTC, such as `+0000`. `signature` is the armored SSH
    signature, and `signed` holds the bytes that it covers. Author and committer are equal.
    """

    tree: str
    parents: tuple[str, ...]
    name: str
    email: str
    time: int
    signature: str
    message: str
    signed: bytes = b""
    zone: str = "+0000"


HEADERS = {40: b"gpgsig", 64: b"gpgsig-sha256"}
_FORM = re.compile(
    rb"""
    tree\ (?P<tree>[0-9a-f]{40}|[0-9a-f]{64})\n
    (?P<parents>(?:parent\ [0-9a-f]+\n)*)
    author\ (?P<who>
        (?P<name>[^<>\n]+)\ <(?P<email>[^<>\n ]+)>\ (?P<time>0|[1-9][0-9]{0,10})
        \ (?P<zone>[+-](?:0[0-9]|1[0-4])[0-5][0-9])
    )\n
    committer\ (?P=who)\n
    (?P<header>gpgsig(?:-sha256)?)\ (?P<sig>
        -----BEGIN\ SSH\ SIGNATURE-----\n
        (?:\ [A-Za-z0-9+/=]+\n)+
        \ -----END\ SSH\ SIGNATURE-----\n
    )\n
    (?P<message>[^\0]*)
    """,
    re.VERBOSE,
)


@lru_cache(maxsize=64)  # a commit is looked at several times, and again as the parent of the next
def parse_commit(content: bytes) -> Commit:
    """Take a commit object apart.

    :param content: the bytes of the commit.
    :raises Refused: `BAD_SIGNATURE` if it is not signed; `BAD_COMMIT` if it has other headers than tree, parents,
        author, an equal committer and the SSH signature, or is not UTF-8.
    """
    found = _FORM.fullmatch(content)
    if b"\ngpgsig" not in content.partition(b"\n\n")[0]:
        refuse("BAD_SIGNATURE", "the commit is not signed", "make changes with opsgit, and opsgit hooks install")
    try:
        if found is None or not _of_one_width(found):
            refuse("BAD_COMMIT", "the commit's headers are not tree, parents, author, the same committer and an SSH "
                   "signature", "make changes with opsgit, and opsgit hooks install")  # fmt: skip
        head, body = content[: found.start("sig")].rsplit(b"gpgsig", 1)[0], content[found.end("sig") :]
        return Commit(
            tree=found["tree"].decode(),
            parents=tuple(line[7:] for line in found["parents"].decode().splitlines()),
            name=found["name"].decode(),
            email=found["email"].decode(),
            time=int(found["time"]),
            signature=found["sig"].decode().replace("\n ", "\n"),
            message=found["message"].decode("utf-8"),
            signed=head + body,
            zone=found["zone"].decode(),
        )
    except UnicodeDecodeError:
        refuse("BAD_COMMIT", "the commit is not UTF-8", "git config --unset i18n.commitEncoding")


def _of_one_width(found: re.Match[bytes]) -> bool:
    """Return whether all ids are as long as the tree's id, and the signature's header is the one for that length."""
    width = len(found["tree"])
    ids = [line[7:] for line in found["parents"].splitlines()]
    return all(len(one) == width for one in ids) and found["header"] == HEADERS[width]


def unsigned_commit(commit: Commit) -> bytes:
    """Return the bytes of a commit without its signature: the bytes that are signed."""
    who = f"{commit.name} <{commit.email}> {commit.time} {commit.zone}"
    lines = [f"tree {commit.tree}", *(f"parent {parent}" for parent in commit.parents)]
    return "\n".join([*lines, f"author {who}", f"committer {who}", "", commit.message]).encode()


def signed_commit(unsigned: bytes, signature: str, width: int = 40) -> bytes:
    """Return the bytes of a commit with its signature as the last header.

    :param unsigned: the bytes from `unsigned_commit`.
    :param signature: the armored SSH signature.
    :param width: 40 or 64, the length of ids in the repository.
    """
    head, _, message = unsigned.partition(b"\n\n")
    lines = signature.removesuffix("\n").replace("\n", "\n ")
    return head + b"\n" + HEADERS[width] + b" " + lines.encode() + b"\n\n" + message
