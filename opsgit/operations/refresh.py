"""What is kept beside the ledger and follows it: allowed_signers, finished review branches, a small state.json."""

from __future__ import annotations

import os

from opsgit.domain import names
from opsgit.domain.refusals import Refused
from opsgit.operations import compile
from opsgit.operations.session import Session
from opsgit.storage.disk import Damaged, put
from opsgit.storage.ledger import move_refs
from opsgit.storage.repository import Repository


def after(session: Session, tip: str) -> None:
    """Bring everything that follows the ledger up to its tip, which was judged. A failure is only a notice.

    :param tip: hex id of the ledger's tip.
    """
    repository = session.repository
    try:
        if _agents_changed(repository, tip):
            from opsgit.operations import clone_config  # takes 20 ms, and agents change seldom

            clone_config.write_allowed_signers(repository, session.look())
        compile.refresh_small(session)
        _drop_merged(session, tip)
        put(repository.refreshed, f"{tip}\n".encode())
    except (OSError, Refused, Damaged) as error:
        session.notices.append(f"not refreshed: {error}; opsgit compile and opsgit doctor --fix write it anew")


def catch_up(session: Session) -> None:
    """Do what `after` does if something else than opsgit has moved main, such as `git pull`.

    The ledger is judged first. If it does not hold, nothing is done: the command will refuse it. While another command
    writes, nothing is done either: that one, or the next, does it.
    """
    repository = session.repository
    tip = repository.git.ref(names.MAIN)
    if tip and tip != _refreshed(repository) and repository.top and os.access(repository.folder, os.W_OK):
        from opsgit.operations import trust

        try:
            with repository.lock(seconds=0):
                tip = repository.tip()
                trust.judge_ledger(repository, tip)
                after(session, tip)
        except Refused:
            return


def _refreshed(repository: Repository) -> str:
    """Return the hex id of the commit that everything was brought up to; empty if nothing is known."""
    mark = repository.refreshed
    return mark.read_text(errors="replace").strip() if mark.exists() else ""


def _agents_changed(repository: Repository, tip: str) -> bool:
    objects, old = repository.objects(), _refreshed(repository)
    if not old or objects.get(old) is None:
        return True
    then, now = (objects.entry(objects.root(commit), "agents") for commit in (old, tip))
    return then != now


def _drop_merged(session: Session, tip: str) -> None:
    """Delete the local review branches that a verdict on the ledger has merged."""
    repository = session.repository
    if not (repository.folder / "refs/heads/review").exists() and not (repository.folder / "packed-refs").exists():
        return
    merged = repository.git.refs(names.review_ref(""), merged=tip)
    open_ones = {names.review_ref(task_id) for task_id in _in_review(session)} if merged else set()
    gone = [(ref, commit) for ref, commit in merged.items() if ref not in open_ones]
    if gone:
        move_refs(repository, (), gone, "opsgit", "opsgit: the review has ended")


def _in_review(session: Session) -> list[str]:
    found = session.index().select("kind = 'task' AND status = 'review'", (), "name")
    return [record["id"] for record in found]
