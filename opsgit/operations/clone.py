"""Clones: made, verified, set up to act as an agent."""

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
    """Clone a state repository, verify it, and set up the clone (as an agent where one is named).

    :raises Refused: with every finding when the ledger does not hold; the clone stays, to be looked at.
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
    if agent:
        clone_config.configure_clone(repository, agent)
        git.configure(repository.folder, {"opsgit.agent": agent})
    else:
        clone_config.trust_signers(repository)
    return repository, found


def checkout(session: Session, name: str, folder: Path) -> Path:
    """A clone of this repository's remote, or of itself where it has none, that acts as an agent."""
    session.look().agent(name)
    shared = str(session.repository.top or session.repository.folder)  # where it has no remote
    url = session.repository.git.setting("remote.origin.url") or shared
    repository, found = clone(url, folder, name, None)
    session.notices += found.notices
    repository.close()
    return folder.resolve()
