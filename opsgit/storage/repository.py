"""A state repository on disk: found, opened, locked, and its own corner of the git folder."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from opsgit.domain import names
from opsgit.domain.refusals import refuse
from opsgit.storage.git import Git

if TYPE_CHECKING:
    from opsgit.domain.model import Project
    from opsgit.domain.request import Reader
    from opsgit.storage.index import Index
    from opsgit.storage.keys import KeyStore
    from opsgit.storage.objects import Objects
    from opsgit.storage.reader import TreeReader

LOCK_SECONDS = 60.0
MAKE = "make one: opsgit init --project NAME --state-dir DIR"


@dataclass(eq=False, repr=False)
class Repository:
    """An open state repository. `top` is its checkout, None when it is bare."""

    folder: Path
    top: Path | None
    git: Git = field(init=False)

    def __post_init__(self) -> None:
        self.git = Git(self.folder)

    @property
    def own(self) -> Path:
        """opsgit's corner of the git folder: lock, index, marks. Nothing in it is history."""
        return self.folder / "opsgit"

    def objects(self) -> Objects:
        """A fresh view of the objects, as wide as main's id."""
        from opsgit.storage.objects import Objects

        return Objects(self.git, len(self.tip()))

    def tip(self, ref: str = names.MAIN) -> str:
        """The commit at the tip of the ledger; refuses with `NOT_A_STATE_REPOSITORY` when there is none."""
        found = self.git.ref(ref)
        if found is None:
            refuse("NOT_A_STATE_REPOSITORY", f"{self.folder} has no {ref.removeprefix('refs/heads/')}",
                   'opsgit init --project "my-project"')  # fmt: skip
        return found

    @cached_property
    def index(self) -> Index:
        """The cache of what was parsed."""
        from opsgit.storage.index import Index

        return Index(self.own)

    def reader(self, objects: Objects, commit: str) -> TreeReader:
        """The state at a commit."""
        from opsgit.storage.reader import TreeReader

        return TreeReader(objects, self.index, commit)

    @cached_property
    def identity(self) -> Project:
        """The project as of the ledger's tip when first asked: for what never changes (id, name, rules)."""
        return project_at(self.reader(self.objects(), self.tip()))

    def close(self) -> None:
        """Let go of git and the index."""
        self.git.close()
        if "index" in self.__dict__:
            self.index.close()

    @property
    def keys(self) -> KeyStore:
        """This machine's keys for the repository."""
        from opsgit.storage.keys import KeyStore

        return KeyStore(self.identity.repository)

    @contextmanager
    def lock(self, name: str = "lock") -> Iterator[None]:
        """Hold the repository's lock, or one of another name; refuses with `BUSY` after a minute.

        The system frees it when the process dies.
        """
        self.own.mkdir(exist_ok=True)
        with _locked(os.open(self.own / name, os.O_RDWR | os.O_CREAT, 0o666), self.folder):
            yield

    @contextmanager
    def lock_pushes(self) -> Iterator[None]:
        """Hold the lock of pushes, on a folder that whoever may push can read, whatever user that is."""
        with _locked(os.open(self.folder / "objects", os.O_RDONLY), self.folder):
            yield

    def agent(self) -> str | None:
        """The agent that this clone acts as (`opsgit.agent` in its own git configuration), or None."""
        config = self.folder / "config"
        if not config.is_file() or b"[opsgit]" not in config.read_bytes().lower():
            return None  # saves a process for most clones
        return self.git.setting("opsgit.agent") or None


@contextmanager
def _locked(handle: int, folder: Path) -> Iterator[None]:
    try:
        _wait_for(handle, folder)
        yield
    finally:
        os.close(handle)


def _wait_for(handle: int, folder: Path) -> None:
    end, pause = time.monotonic() + LOCK_SECONDS, 0.001
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EACCES) or time.monotonic() > end:
                refuse("BUSY", f"another process holds the lock of {folder}", "try again")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.02)


def project_at(reader: Reader) -> Project:
    """The project of a state; refuses with `NOT_A_STATE_REPOSITORY` where there is none."""
    from opsgit.domain.model import Project
    from opsgit.domain.records import from_record

    record = reader.record(names.PROJECT)
    if record is None:
        refuse("NOT_A_STATE_REPOSITORY", f"main has no {names.PROJECT}",
               'opsgit init --project "my-project" --state-dir DIR')  # fmt: skip
    return from_record(Project, record)


def find(start: Path | None = None) -> Repository:
    """The state repository at a place, or else in OPS_STATE_DIR, or else here or above.

    :param start: what `-C` names; then nothing else is looked at.
    """
    if start is None and os.environ.get("OPS_STATE_DIR"):
        start = Path(os.environ["OPS_STATE_DIR"])
    place = (start or Path.cwd()).absolute()
    if not place.exists():
        refuse(
            "NO_REPOSITORY",
            f"there is no {place}",
            "opsgit init --project NAME --state-dir DIR, or correct -C or OPS_STATE_DIR",
        )
    found = next((spot for folder in (place, *place.parents) if (spot := _opened(folder))), None)
    if found is None:
        refuse("NO_REPOSITORY", f"no state repository at {place}",
               'opsgit init --project "my-project", or name one with -C DIR or OPS_STATE_DIR')  # fmt: skip
    if not found.own.exists() and found.git.get(f"{names.MAIN}:{names.PROJECT}") is None:
        refuse("NOT_A_STATE_REPOSITORY", f"the git repository {found.folder} holds no ledger on main",
               f"name the state repository with -C DIR or OPS_STATE_DIR, or {MAKE}")  # fmt: skip
    return found


def from_git() -> Path:
    """Where git runs its hooks: at the top of the checkout, or in the git folder that it names."""
    named = os.environ.get("GIT_DIR")
    folder = Path(named).absolute() if named else Path.cwd()
    return folder.parent if folder.name == ".git" else folder


def _opened(folder: Path) -> Repository | None:
    """The repository whose top (or git folder) this is, or None. A linked work tree stands for its main one."""
    dot = folder / ".git"
    if dot.is_file():
        dot = (folder / dot.read_text(errors="replace").strip().removeprefix("gitdir: ")).resolve()
    if (dot / "commondir").is_file():
        dot = (dot / (dot / "commondir").read_text().strip()).resolve()
        folder = dot.parent
    if (dot / "HEAD").is_file():
        return Repository(dot.resolve(), folder.resolve())
    bare = (folder / "HEAD").is_file() and (folder / "objects").is_dir() and (folder / "refs").is_dir()
    return Repository(folder.resolve(), None) if bare else None
