"""The ledger read back from git's log."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from opsgit.domain import names
from opsgit.storage.git import Git

_FORMAT = "--format=%H%x1f%P%x1f%an%x1f%ct%x1f%B%x1e"


@dataclass(frozen=True, repr=False)
class Logged:
    """One commit as git logs it; `time` in seconds after the epoch."""

    id: str
    parents: tuple[str, ...]
    agent: str
    time: int
    message: str


def entries(git: Git, tip: str, *paths: str, most: int | None = None) -> Iterator[Logged]:
    """The ledger's commits that touched the paths (all when none is named), newest first."""
    limit = [f"--max-count={most}"] if most is not None else []
    out = git.run("log", "--first-parent", _FORMAT, *limit, tip, "--", *paths).decode()
    for part in out.split("\x1e\n"):
        if part.strip():
            commit, parents, agent, time, message = part.split("\x1f", 4)
            yield Logged(commit, tuple(parents.split()), agent, int(time), message.removesuffix("\x1e"))


def deploy_commit(git: Git, tip: str, task_id: str) -> str | None:
    """The ledger commit that last took a task to deployed, or None."""
    subject = f"{task_id}: done → deployed"
    found = (e.id for e in entries(git, tip, names.task_path(task_id)) if e.message.partition("\n")[0] == subject)
    return next(found, None)
