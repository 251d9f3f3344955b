"""Clones: made, verified, set up to act as an agent."""

from __future__ import annotations

from pathlib import Path

from opsgit.domain.findings import Verification
from opsgit.domain.refusals import Refused, refuse
from opsgit.operations import clone_config
from opsgit.operations.session import Session
from opsgit.storage import git
from opsgit.storage.repository import Repository
from opsgit.verification import verify


def clone(url: str, folder: Path, agent: str | None, pin: str | None) -> tuple[Repository, Verification]:
    """Clone a state repository, verify it, and set up the clone (as an agent where one is named).

    :raises Refused: with every finding when the ledger does not hold; the clone stays, to be looked at.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        refuse("ALREADY_A_REPOSITORY", f"{folder} is not empty", "choose a new folder")
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
    if agent:
        clone_config.configure_clone(repository, agent)
        git.configure(repository.folder, {"opsgit.agent": agent})
    else:
        clone_config.trust_signers(repository)
    return repository, found


def checkout(session: Session, name: str, folder: Path) -> Path:
    """A clone of this repository's remote, or of itself where it has none, that acts as an agent."""
    session.look().agent(name)
    try:
        url = session.repository.git.run("config", "--local", "--get", "remote.origin.url").decode().strip()
    except Refused:  # no remote: this repository is the shared one
        url = str(session.repository.top or session.repository.folder)
    repository, found = clone(url, folder, name, None)
    session.notices += found.notices
    repository.close()
    return folder.resolve()
