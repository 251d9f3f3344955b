"""Clones: make one, verify it, and configure it, also to act as an agent."""

from __future__ import annotations

from pathlib import Path

from opsgit.domain.findings import Verification
from opsgit.domain.refusals import refuse
from opsgit.operations import clone_config
from opsgit.operations.session import Session
from opsgit.storage import git
from opsgit.storage.disk import need_empty
from opsgit.storage.repository import Repository
from opsgit.verification import verify


def clone(url: str, folder: Path, agent: str | None, pin: str | None) -> tuple[Repository, Verification]:
    """Clone a state repository, verify it, check it out, and configure the clone.

    Nothing is checked out before it is verified: a small repository can hold a tree of any number of files.

    :param url: a URL or a path.
    :param agent: the agent that the clone acts as, or None.
    :param pin: the genesis id that the caller trusts, or its first digits; None: what is pinned for the URL, if
        anything.
    :returns: the open clone and the result of the verification.
    :raises Refused: `ALREADY_A_REPOSITORY` if the folder is not empty; `TOOL_FAILED` if git cannot clone; the code of
        the first finding if verification finds something. The clone then stays without files, to be examined.
    """
    need_empty(folder, "choose a new folder")
    git.clone(url, folder)
    repository = Repository((folder / ".git").resolve(), folder.resolve())
    found = verify.verify(repository, pinned=pin)
    if found.findings:
        first = found.findings[0]
        refuse(
            first.code,
            f"what was cloned does not hold: {first.commit[:10]}: {first.message}",
            f"opsgit -C {folder} verify",
        )
    git.check_out(folder)
    if agent:
        clone_config.configure_clone(repository, agent)
        git.configure(repository.folder, {"opsgit.agent": agent})
    else:
        clone_config.trust_signers(repository)
    return repository, found


def checkout(session: Session, name: str, folder: Path) -> Path:
    """Make a clone that acts as an agent: of this repository's remote `origin`, or of this repository if it has none.

    :returns: the absolute path of the clone.
    :raises Refused: `NOT_FOUND` if there is no such agent; also as `clone`.
    """
    session.look().agent(name)
    here = session.repository.top or session.repository.folder
    url = session.repository.git.setting("remote.origin.url") or str(here)
    if (here / url).exists():  # git reads a relative path from the top of the repository
        url = str((here / url).resolve())
    repository, found = clone(url, folder, name, None)
    session.notices += found.notices
    repository.close()
    return folder.resolve()
