"""Bring a clone up to its remote: fetch, judge what is new, and fast-forward main."""

from __future__ import annotations

from opsgit.domain import names
from opsgit.domain.refusals import Refused, refuse
from opsgit.operations import refresh, trust
from opsgit.operations.session import Session
from opsgit.storage import checkout
from opsgit.storage.git import Git
from opsgit.storage.ledger import move_refs
from opsgit.storage.repository import Repository

MAIN = names.REMOTE_MAIN


def update(session: Session) -> None:
    """Fetch, judge what is new, and fast-forward main, once in a session. Without a remote nothing happens.

    :raises Refused: as `forward`; `BUSY` if the lock is held.
    """
    if session.remote and not session.updated:
        with session.repository.lock():
            refuse_unfinished(session.repository)
            fetch(session)
            forward(session)
        session.updated = True


def refuse_unfinished(repository: Repository) -> None:
    """Refuse while a git command is unfinished: ending it would take away what is written meanwhile.

    :raises Refused: `UNFINISHED`.
    """
    ends = repository.unfinished()
    if ends:
        refuse("UNFINISHED", "git is in the middle of a command here; what is written now would be lost with it", ends)


def fetch(session: Session) -> str | None:
    """Fetch from the remote and judge its ledger. The caller holds the lock.

    :returns: hex id of the remote's main, or None if the remote is empty.
    :raises Refused: as `Remote.fetch`; `REWOUND` if the remote no longer holds what it had; the code of the first
        finding if a new commit breaks a rule.
    """
    assert session.remote
    git = session.repository.git
    before = git.ref(MAIN)
    far = git.ref(MAIN) if session.remote.fetch() else None
    git.close()  # the process that reads objects does not see the packs that came
    if far is None and before is None:
        return None
    if before and (far is None or not is_ancestor(git, before, far)):
        git.run("update-ref", MAIN, before)  # the next command must find it too
        refuse("REWOUND", f"{session.remote.url} no longer holds {before[:10]}, which it had: its ledger was rewound, "
               "forked or removed", "opsgit verify says more; ask who keeps the remote")  # fmt: skip
    assert far
    trust.judge_ledger(session.repository, far, fetched=True)
    return far


def is_ancestor(git: Git, old: str, new: str) -> bool:
    """Return whether a commit is another one or in its history (hex ids)."""
    return old == new or git.attempt("merge-base", "--is-ancestor", old, new).returncode == 0


def forward(session: Session) -> None:
    """Fast-forward main to the remote's, if it is behind. The caller holds the lock and has fetched.

    :raises Refused: `BUSY` or `REF_MOVED` if main cannot be moved.
    """
    repository = session.repository
    far, here = repository.git.ref(MAIN), repository.tip()
    if far is None or far == here or not is_ancestor(repository.git, here, far):
        return
    show(session, here)
    move_refs(repository, [(names.MAIN, far, here)], (), "opsgit", "opsgit: fast-forward to the remote")
    show(session, far)
    refresh.after(session, far)


def show(session: Session, tip: str) -> None:
    """Bring the checkout to main's tip. It is only a view of the ledger, so a failure is a notice and stops nothing.

    :param tip: hex id of main's tip.
    """
    repository = session.repository
    try:
        shown = checkout.of(repository, repository.objects())
        if shown:
            shown.repair(tip)
    except (OSError, Refused) as error:
        session.notices.append(f"the checkout could not be brought up to date: {error}")


def diverged(repository: Repository) -> bool:
    """Return whether main here and the remote's main, as last fetched, each hold operations that the other lacks."""
    git = repository.git
    far, here = git.ref(MAIN), git.ref(names.MAIN)
    return bool(far and here and not is_ancestor(git, here, far) and not is_ancestor(git, far, here))
