"""Work trees and clones, through GitPython: find one, make one, connect it to its remote."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from opsgit.domain.refusals import refuse
from opsgit.storage.git import make_repository

if TYPE_CHECKING:
    from git.exc import GitCommandError


def top(start: Path) -> Path | None:
    """Return the top of the work tree that a folder is in, None if it is in none."""
    from git import Repo
    from git.exc import InvalidGitRepositoryError, NoSuchPathError

    try:
        with Repo(start, search_parent_directories=True) as repo:
            return Path(repo.working_tree_dir) if repo.working_tree_dir else None
    except (InvalidGitRepositoryError, NoSuchPathError):
        return None


def folder(top: Path) -> Path:
    """Return the git folder that the work trees of a repository share.

    :param top: the top of a work tree.
    """
    from git import Repo

    with Repo(top) as repo:
        return Path(repo.common_dir)


def origin(top: Path) -> str | None:
    """Return the URL of the remote `origin` of a repository, or None.

    :param top: the top of a work tree.
    """
    from git import Repo

    with Repo(top) as repo:
        return next((one.url for one in repo.remotes if one.name == "origin"), None)


def add_remote(folder: Path, url: str, specs: Sequence[str]) -> None:
    """Add the remote `origin`, and main's branch of it, to a repository.

    :param folder: the working folder.
    :param specs: what is fetched from it, main first.
    """
    from git import Repo

    with Repo(folder) as repo:
        repo.create_remote("origin", url)
        with repo.config_writer() as config:
            config.set_value('remote "origin"', "fetch", specs[0])
            for spec in specs[1:]:
                config.add_value('remote "origin"', "fetch", spec)
            config.set_value('branch "main"', "remote", "origin")
            config.set_value('branch "main"', "merge", specs[0].removeprefix("+").partition(":")[0])


def ignore(top: Path, patterns: Sequence[str]) -> None:
    """Let git ignore files in all work trees of a repository, without a file that would be committed.

    :param top: the top of a work tree.
    """
    file = folder(top) / "info/exclude"
    file.parent.mkdir(exist_ok=True)
    text = file.read_bytes() if file.exists() else b""
    new = [line for one in patterns if (line := one.encode()) not in text.splitlines()]
    file.write_bytes(
        text + (b"" if not text or text.endswith(b"\n") else b"\n") + b"".join(b"%s\n" % one for one in new)
    )


def add_work_tree(top: Path, place: Path) -> None:
    """Add a work tree to a repository, at its present commit and on no branch.

    :param top: the top of a work tree of it.
    :param place: the new folder.
    :raises Refused: `TOOL_FAILED`.
    """
    from git import Repo
    from git.exc import GitCommandError

    try:
        with Repo(top) as repo:
            repo.git.worktree("add", "--detach", "--", str(place))
    except GitCommandError as error:
        refuse("TOOL_FAILED", f"git could not add a work tree at {place}: {_last_words(error)}", "git worktree prune")


def clone(url: str, folder: Path, specs: Sequence[str]) -> None:
    """Clone some branches of a repository (through GitPython), over any transport that is not a command.

    main is what is fetched as the remote's main. Nothing is checked out: what was cloned is not verified yet.

    :param url: a URL or a path.
    :param folder: the new folder.
    :param specs: what to fetch.
    :raises Refused: `TOOL_FAILED` if git cannot clone it; `BAD_VALUE` for a URL that is a command (`ext::`).
    """
    from git import Repo
    from git.exc import GitCommandError, UnsafeProtocolError

    make_repository(folder)
    here = Path(url)  # a relative path is meant from here, and not from the new folder
    try:
        add_remote(folder, str(here.absolute()) if here.exists() else url, specs)
        with Repo(folder) as repo:
            repo.remote("origin").fetch(no_tags=True)  # what a tag names is not verified
            repo.git.update_ref("refs/heads/main", "refs/remotes/origin/main")
    except UnsafeProtocolError:
        refuse("BAD_VALUE", f"{url} would run a command", "give a path, or a URL of ssh, https or git", "url")
    except GitCommandError as error:
        refuse(
            "TOOL_FAILED",
            f"git could not clone {url}: {_last_words(error)}",
            "look at the URL and at your rights there",
        )


def head(folder: Path) -> tuple[str, bool, bool]:
    """Return the commit that is checked out in a repository (hex id), and whether all there is a part of it and known.

    :returns: the id; whether nothing in the work tree differs from it; whether a branch of a remote has it, as last
        fetched (true if there is no remote).
    :raises Refused: `DELIVERABLE_MISSING` if there is no commit yet.
    """
    from git import Repo

    with Repo(folder) as repo:
        if not repo.head.is_valid():
            refuse("DELIVERABLE_MISSING", f"{folder} has no commit yet", "git commit, then the same again")
        commit = repo.head.commit.hexsha
        published = not repo.remotes or bool(repo.git.branch("--remotes", "--contains", commit))
        return commit, not repo.is_dirty(untracked_files=True), published


def check_out(folder: Path) -> None:
    """Check out main in a clone, through GitPython.

    :param folder: the working folder.
    :raises Refused: `TOOL_FAILED` if git cannot write the files.
    """
    from git import Repo
    from git.exc import GitCommandError

    try:
        with Repo(folder) as repo:
            repo.git.checkout("-q", "main", "--")
    except GitCommandError as error:
        why = f"git could not check out main in {folder}: {_last_words(error)}"
        refuse("TOOL_FAILED", why, f"git -C {folder} status")


def _last_words(error: GitCommandError) -> str:
    return " ".join(str(error.stderr).split())[-300:]
