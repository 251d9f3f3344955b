"""A state repository on disk: find it, open it, lock it, and give access to its parts."""

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
from opsgit.storage import journal
from opsgit.storage.git import Git

if TYPE_CHECKING:
    from opsgit.domain.model import Project
    from opsgit.domain.request import Reader
    from opsgit.storage.index import Index
    from opsgit.storage.keys import KeyStore
    from opsgit.storage.objects import Objects
    from opsgit.storage.reader import TreeReader

LOCK_SECONDS = 60.0
OWN = "opsgit"
INSIDE = ".opsgit"  # the folder of the state repository in a code repository
# The files in the git folder that exist while a git command is unfinished, and the command that ends it.
UNDERWAY = {
    "rebase-merge": "git rebase --abort",
    "rebase-apply": "git rebase --abort",
    "CHERRY_PICK_HEAD": "git cherry-pick --abort",
    "REVERT_HEAD": "git revert --abort",
    "MERGE_HEAD": "git merge --abort",
}
MAKE = "make one: opsgit init --project NAME --state-dir DIR"


@dataclass(eq=False, repr=False)
class Repository:
    """An open state repository. `folder` is its git folder; `top` is the top of its checkout, None if it is bare."""

    folder: Path
    top: Path | None
    git: Git = field(init=False)

    def __post_init__(self) -> None:
        self.git = Git(self.folder)

    @property
    def own(self) -> Path:
        """opsgit's own folder in the git folder, for lock, index and marks. Nothing in it belongs to the history."""
        return self.folder / OWN

    def objects(self) -> Objects:
        """Return a new view of the objects; the length of ids is taken from main.

        :raises Refused: `NOT_A_STATE_REPOSITORY` if there is no main.
        """
        from opsgit.storage.objects import Objects

        return Objects(self.git, len(self.tip()))

    def tip(self, ref: str = names.MAIN) -> str:
        """Return the hex id of a ref's commit.

        :param ref: the full name of the ref, main by default.
        :raises Refused: `NOT_A_STATE_REPOSITORY` if there is no such ref.
        """
        found = self.git.ref(ref)
        if found is None:
            refuse("NOT_A_STATE_REPOSITORY", f"{self.folder} has no {ref.removeprefix('refs/heads/')}",
                   'opsgit init --project "my-project"')  # fmt: skip
        return found

    @cached_property
    def index(self) -> Index:
        """The cache of parsed records."""
        from opsgit.storage.index import Index

        return Index(self.own)

    def reader(self, objects: Objects, commit: str) -> TreeReader:
        """Return the state at a commit.

        :param commit: hex id of the commit.
        """
        from opsgit.storage.reader import TreeReader

        return TreeReader(objects, self.index, commit)

    @cached_property
    def identity(self) -> Project:
        """The project at the ledger's tip when it was first asked for, for values that never change.

        These are name, repository id and creation time. The version of the rule book and the policy can change.

        :raises Refused: `NOT_A_STATE_REPOSITORY` if there is no main or no ops.yaml.
        """
        return project_at(self.reader(self.objects(), self.tip()))

    def close(self) -> None:
        """End the git process and close the index."""
        self.git.close()
        if "index" in self.__dict__:
            self.index.close()

    @property
    def keys(self) -> KeyStore:
        """The keys for this repository on this machine."""
        from opsgit.storage.keys import KeyStore

        return KeyStore(self.identity.repository)

    @contextmanager
    def lock(self, name: str = "lock", seconds: float | None = None) -> Iterator[None]:
        """Hold the repository's lock, or a lock of another name. The system releases it when the process ends.

        :param name: the lock's file in opsgit's own folder.
        :param seconds: how long to wait for it; None: 60 seconds.
        :raises Refused: `BUSY` after that time.
        """
        self.own.mkdir(exist_ok=True)
        with _locked(os.open(self.own / name, os.O_RDWR | os.O_CREAT, 0o666), self.folder, seconds):
            if name == "lock":
                journal.recover(self.own)
            yield

    @property
    def refreshed(self) -> Path:
        """The file with the commit up to which all that follows the ledger was brought (`operations.refresh`)."""
        return self.own / "refreshed"

    @property
    def joining(self) -> Path:
        """The file that is there while the ledger here may not know the agent that this clone acts as."""
        return self.own / "joining"

    def unfinished(self) -> str | None:
        """Return the command that ends a merge, rebase, revert or cherry-pick that git left unfinished, or None."""
        return next((ends for file, ends in UNDERWAY.items() if (self.folder / file).exists()), None)

    @contextmanager
    def lock_pushes(self) -> Iterator[None]:
        """Hold the lock for pushes. It is on a folder that every user who may push can read.

        :raises Refused: `BUSY` after 60 seconds.
        """
        with _locked(os.open(self.folder / "objects", os.O_RDONLY), self.folder):
            yield

    def agent(self) -> str | None:
        """Return the agent that this clone acts as (`opsgit.agent` in its own git configuration), or None."""
        return self.setting("opsgit.agent")

    def setting(self, name: str) -> str | None:
        """Return one of opsgit's own settings in the repository's git configuration, or None.

        :param name: such as `opsgit.agent`.
        """
        config = self.folder / "config"
        if not config.is_file() or b"[opsgit]" not in config.read_bytes().lower():
            return None  # most clones have no such section: this saves a git process
        return self.git.setting(name) or None

    @property
    def lead(self) -> str:
        """How the branches of the ledger begin at the remote: `opsgit/` in a code repository, else empty."""
        return self.setting("opsgit.branches") or ""

    @property
    def code(self) -> Path | None:
        """The code repository beside which this clone lies, None if it is a state repository alone."""
        place = self.setting("opsgit.code")
        return (self.top or self.folder) / place if place else None


@contextmanager
def _locked(handle: int, folder: Path, seconds: float | None = None) -> Iterator[None]:
    try:
        _wait_for(handle, folder, LOCK_SECONDS if seconds is None else seconds)
        yield
    finally:
        os.close(handle)


def _wait_for(handle: int, folder: Path, seconds: float) -> None:
    end, pause = time.monotonic() + seconds, 0.001
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
    """Return the project of a state.

    :raises Refused: `NOT_A_STATE_REPOSITORY` if the state has no ops.yaml; also as `TreeReader.record`.
    """
    from opsgit.domain.model import Project
    from opsgit.domain.records import from_record

    record = reader.record(names.PROJECT)
    if record is None:
        refuse("NOT_A_STATE_REPOSITORY", f"main has no {names.PROJECT}",
               'opsgit init --project "my-project" --state-dir DIR')  # fmt: skip
    return from_record(Project, record)


def find(start: Path | None = None) -> Repository:
    """Return the state repository at a folder or in the nearest folder above it.

    :param start: the folder that `-C` names; None: OPS_STATE_DIR, or else the current folder.
    :raises Refused: `NO_REPOSITORY` if there is no git repository; `NOT_A_STATE_REPOSITORY` if it holds no ledger;
        `FOREIGN_REPOSITORY` if it belongs to another user and git's `safe.directory` does not name it.
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
    places = (spot for folder in (place, *place.parents) for spot in (*_inside(folder), folder))
    found = next((spot for folder in places if (spot := _opened(folder))), None)
    if found is None:
        refuse("NO_REPOSITORY", f"no state repository at {place}",
               'opsgit init --project "my-project", or name one with -C DIR or OPS_STATE_DIR')  # fmt: skip
    _refuse_foreign(found)
    if not found.own.exists() and found.git.get(f"{names.MAIN}:{names.PROJECT}") is None:
        beside = [found.git.ref(f"refs/{place}/{names.LEAD}main") for place in ("heads", "remotes/origin")]
        hint = f"name the state repository with -C DIR or OPS_STATE_DIR, or {MAKE}"
        if any(beside):
            hint = "opsgit clone --in-repo --as NAME; for a new agent: opsgit join NAME --in-repo"
        refuse("NOT_A_STATE_REPOSITORY", f"the git repository {found.folder} holds no ledger on main", hint)
    return found


def _inside(folder: Path) -> tuple[Path, ...]:
    """Return the folder of a ledger beside code, if it is a clone of its own.

    git never tracks a folder `.git`, so nobody's commit can bring one. Anything else of that name may have come with
    the code, with a configuration that runs commands.
    """
    place = folder / INSIDE
    own = not place.is_symlink() and (place / ".git").is_dir() and not (place / ".git").is_symlink()
    return (place,) if own else ()


def _refuse_foreign(found: Repository) -> None:
    """Refuse a repository that git itself would refuse because it belongs to another user.

    git decides, with the user's own configuration; it is asked only where the owner differs.
    """
    places = [place for place in (found.folder, found.top) if place]
    if all(place.stat().st_uid == os.geteuid() for place in places):
        return
    if found.git.refuses(places[-1]):
        refuse("FOREIGN_REPOSITORY", f"{places[-1]} belongs to another user, and you did not say that you trust it",
               f"git config --global --add safe.directory {places[-1]}")  # fmt: skip


def from_git() -> Path:
    """Return the folder that git runs a hook for: the top of the checkout, or the git folder of a bare repository."""
    named = os.environ.get("GIT_DIR")
    folder = Path(named).absolute() if named else Path.cwd()
    return folder.parent if folder.name == ".git" else folder


def _opened(folder: Path) -> Repository | None:
    """Return the repository whose top or git folder this is, or None; a linked work tree gives its main work tree."""
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
