"""A ledger beside the code: on the branch `opsgit/main` of the code's own remote, in a clone in the code repository.

The clone is the folder `.opsgit` at the top of the code repository, which git ignores there. It is a state repository
as any other; only its branches have other names at the remote. It is no linked work tree: hooks, configuration and
locks of ledger and code stay apart, and each work tree of the code can have a clone that acts as another agent.
"""

from __future__ import annotations

import os
from pathlib import Path

from opsgit.domain import names
from opsgit.domain.refusals import Refused, refuse
from opsgit.operations import init, sync
from opsgit.operations.session import Session
from opsgit.storage import clones, git
from opsgit.storage.remote import HEADS, NAME, Remote, specs
from opsgit.storage.repository import INSIDE, Repository

IGNORED = (f"/{INSIDE}/", f"/{INSIDE}.agents/")


def place(start: Path) -> tuple[Path, str]:
    """Return the folder for the ledger of a code repository, and the URL where the ledger is published.

    That is the URL of the code's remote `origin`; without one, the code repository itself.

    :param start: a folder in the code repository.
    :raises Refused: `NO_REPOSITORY` if it is in none; `BAD_VALUE` if its objects have ids of SHA-256.
    """
    top = clones.top(start)
    if top is None:
        refuse(
            "NO_REPOSITORY", f"{start.absolute()} is in no git repository with a work tree", "git init, then the same"
        )
    if git.Git(clones.folder(top)).setting("extensions.objectFormat") == "sha256":
        refuse("BAD_VALUE", f"{top} has objects of SHA-256, and a new ledger has SHA-1: one remote holds one kind",
               "opsgit init --project NAME --state-dir DIR, for a state repository alone")  # fmt: skip
    url = clones.origin(top)
    if url and (top / url).exists():  # git reads a relative path from the top of the repository
        url = str((top / url).resolve())
    return top / INSIDE, url or str(top)


def found(start: Path, project: str, orchestrator: str) -> tuple[Repository, list[str]]:
    """Make a ledger for a code repository, and publish it.

    :param start: a folder in the code repository.
    :param project: the project's name.
    :param orchestrator: the first agent's name.
    :returns: the open state repository, and what there is to say.
    :raises Refused: `ALREADY_A_REPOSITORY` if the remote has a ledger already; `UNREACHABLE`; as `place` and
        `init.init`.
    """
    folder, url = place(start)
    known = _ledger(folder.parent, url)
    if known:
        refuse("ALREADY_A_REPOSITORY", f"{url} has a ledger already, on {names.LEAD}main", "opsgit clone --in-repo")
    made = init.init(folder, project, orchestrator)
    clones.add_remote(folder, url, specs(names.LEAD))
    configure(folder, names.LEAD)
    session = Session(made)
    try:
        sync.sync(session)
    except Refused as refused:
        session.notices.append(f"not published yet ({refused.refusal.message}): opsgit sync")
    return made, session.notices


def _ledger(top: Path, url: str) -> bool:
    """Return whether a remote has a ledger beside code."""
    asked = f"{HEADS}{names.LEAD}main"
    return asked in Remote(clones.folder(top), url).refs(asked)


def configure(folder: Path, lead: str) -> None:
    """Configure a new clone of a ledger beside code; a clone of a state repository needs nothing.

    Plain `git push` and `git fetch` in the clone then use the names that the branches have at the remote.

    :param lead: how the branches of the ledger begin there; empty: it is a state repository alone.
    """
    if not lead:
        return
    inner = folder / ".git"
    pushed = f"{HEADS}main:{HEADS}{lead}main"
    git.configure(inner, {"opsgit.branches": lead, f"remote.{NAME}.push": pushed})
    top = clones.top(folder.absolute().parent)
    if top and folder.absolute().parent.resolve() == top.resolve():
        git.configure(inner, {"opsgit.code": ".."})
        clones.ignore(top, IGNORED)


def set_code(repository: Repository, code: Path) -> None:
    """Let a clone know the code repository whose commits its agent submits.

    :param code: its absolute path.
    """
    here = repository.top or repository.folder
    git.configure(repository.folder, {"opsgit.code": os.path.relpath(code, here)})
