"""Publish a transaction at the remote: one atomic push of main and the review branches that it changes."""

from __future__ import annotations

from opsgit.domain import names
from opsgit.domain.refusals import Refused, refuse
from opsgit.operations import unconfirmed, update
from opsgit.operations.session import Session
from opsgit.operations.transactions import Lost, Transaction
from opsgit.storage import remote
from opsgit.storage.git import Git
from opsgit.storage.remote import Answer, Move, tracked


def push(session: Session, transaction: Transaction) -> None:
    """Push what a transaction has made; its objects are stored already. The caller holds the lock.

    :raises Lost: if somebody else has moved one of the refs.
    :raises Refused: `UNREACHABLE` if nothing was sent; `UNCONFIRMED` if the remote may have taken it;
        the remote's own code, or `REMOTE_REFUSED`, if it does not want the push.
    """
    assert session.remote
    git = session.repository.git
    moves = _moves(git, transaction, _leaves_branches(session, transaction))
    if not moves:
        return
    answer = session.remote.push(moves)
    if answer.state == remote.TAKEN:
        return
    if answer.state == remote.LOST:
        raise Lost(answer.said)
    if answer.code == "UNREACHABLE":
        _unanswered(session, transaction, moves, answer)
    else:
        _refused(session, moves, answer)


def _leaves_branches(session: Session, transaction: Transaction) -> bool:
    """Return whether the branch of a review that ends is left at the remote.

    A forge marks a request as merged when main comes to hold its branch, and closes it when the branch goes away.
    """
    if all(new for _, new in transaction.branches.values()):
        return False
    from opsgit.operations import forges

    return forges.kind(session) is not None


def _moves(git: Git, transaction: Transaction, forge: bool) -> list[Move]:
    """Return the changes of refs at the remote, each from what was last fetched of it."""
    branches = [(ref, new) for ref, (_, new) in transaction.branches.items() if new or not forge]
    wanted = [(names.MAIN, transaction.tip), *branches]
    moves = [Move(ref, git.ref(tracked(ref)), new) for ref, new in wanted]
    files = [Move(ref, None, tree) for ref, tree in transaction.attached.items()]
    return [move for move in (*moves, *files) if move.before != move.after]


def _refused(session: Session, moves: list[Move], answer: Answer) -> None:
    """Decide again if a ref at the remote was moved meanwhile: the refusal may be based on an old state."""
    assert session.remote
    git = session.repository.git
    update.fetch(session)
    if any(git.ref(tracked(move.ref)) != move.before for move in moves):
        raise Lost(answer.said)
    code = answer.code or "REMOTE_REFUSED"
    refuse(code, f"{session.remote.url} does not take it: {answer.said}", "opsgit sync, then look again")


def _unanswered(session: Session, transaction: Transaction, moves: list[Move], answer: Answer) -> None:
    """Find out whether the remote has taken a push that it did not answer."""
    assert session.remote
    if answer.state == remote.REFUSED:
        refuse("UNREACHABLE", f"{session.remote.url} could not be reached, and nothing was changed: {answer.said}",
               "try again; --offline keeps an operation here, if its promise needs no remote")  # fmt: skip
    git = session.repository.git
    try:
        update.fetch(session)
    except Refused as refused:
        if refused.refusal.exit != 9:
            raise
        unconfirmed.note(session, transaction)
        refuse("UNCONFIRMED", f"{session.remote.url} ended the connection before it said whether it took this",
               "opsgit sync says it once the remote can be reached")  # fmt: skip
    if not all(_holds(git, move) for move in moves):
        raise Lost(answer.said)


def _holds(git: Git, move: Move) -> bool:
    """Return whether the remote, as just fetched, holds what a move brought."""
    if move.ref.startswith(names.ATTACHMENTS):
        return True  # the push was atomic: main or the branch tells
    places = [tracked(move.ref), update.MAIN]
    if move.after is None:
        return git.ref(tracked(move.ref)) != move.before
    return any(at and update.is_ancestor(git, move.after, at) for at in map(git.ref, places))
