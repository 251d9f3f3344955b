"""Which commits this clone has judged. New commits are judged before anything is shown or built on them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from opsgit.domain import names
from opsgit.domain.refusals import Refused, refuse
from opsgit.storage.disk import put
from opsgit.storage.repository import Repository

if TYPE_CHECKING:
    from opsgit.domain.findings import Finding
    from opsgit.operations.transactions import Transaction

REVIEWS_KEPT, LEDGERS_KEPT = 1000, 4


def judge_ledger(repository: Repository, tip: str, fetched: bool = False) -> None:
    """Judge the ledger's commits that are new since this clone last judged it.

    :param tip: hex id of the ledger's tip.
    :param fetched: whether it is the remote's, which is not main here yet.
    :raises Refused: the code of the first finding.
    """
    known = _ledgers(repository)
    if tip in known:
        return
    from opsgit.verification.verifier import Verifier

    found = Verifier(repository).since(tip, *known)
    if found and fetched:
        _refuse(found, "what the remote has does not hold", "opsgit verify shows all; ask who keeps the remote")
    back = next(iter(known), "COMMIT")[:10]
    _refuse(found, "what is here does not hold", f"opsgit verify shows all; to go back: git reset --hard {back}")
    mark(repository, tip)


def judge_review(transaction: Transaction, task_id: str, notices: list[str], fetched: bool = False) -> None:
    """Judge the review branches of a task in review, here and at the remotes, and let the transaction use what holds.

    Anybody may have written to a remote without a judge. Commits at a branch's end that do not hold are left out, so
    that they keep nobody from ending a review.

    :param notices: receives a message about what is left out.
    :param fetched: whether the remote's main was just fetched: a review cannot be ahead of it then.
    :raises Refused: `REVIEW_AHEAD` if a review names a ledger commit that was not fetched; other codes with exit code 1
        or 9 if a branch could not be judged.
    """
    if transaction.written or not names.ID.match(task_id) or not transaction.in_review(task_id):
        return

    from opsgit.storage.branch import newest  # most commands meet no review

    def keep(tip: str) -> str:
        return held(transaction, task_id, tip, notices, fetched)

    git, objects = transaction.repository.git, transaction.objects
    transaction.found[names.review_ref(task_id)] = newest(git, objects, task_id, transaction.tip, keep)


def held(transaction: Transaction, task_id: str, tip: str, notices: list[str], fetched: bool) -> str:
    """Return the newest commit of a review branch up to which it holds (hex id); the parameters are as above.

    :param tip: hex id of the branch's newest commit.
    """
    from opsgit.storage.objects import parse_commit

    repository, ledger, here = transaction.repository, transaction.tip, tip
    judged = _judged(repository)
    while (mark_of := review_mark(task_id, here, ledger)) not in judged:
        why = _fault(repository, task_id, here, ledger, fetched)
        if why is None:
            mark(repository, None, mark_of)
            break
        said = f"left out of the review of {task_id}, because it does not hold: {why}"
        notices += [] if said in notices else [said]
        here = parse_commit(transaction.objects.need(here, "commit").content).parents[0]
    return here


def _fault(repository: Repository, task_id: str, tip: str, ledger: str, fetched: bool) -> str | None:
    """Return why a review branch does not hold, or None if it does."""
    from opsgit.verification.verifier import Verifier

    try:
        found = Verifier(repository).review(task_id, tip, ledger)
    except Refused as refused:
        if refused.refusal.code != "REVIEW_AHEAD" or not fetched:
            raise
        return f"{tip[:10]}: {refused.refusal.message}"
    return f"{tip[:10]}: {found[0].code}: {found[0].message}" if found else None


def review_mark(task_id: str, branch: str, ledger: str) -> str:
    """Return the mark of a review that was judged: the same commits may be no review of another task or ledger."""
    return f"{task_id}:{branch}:{ledger}"


def mark(repository: Repository, tip: str | None, *reviews: str) -> None:
    """Record, in the git folder, a tip up to which a ledger was judged here, and reviews that were judged.

    :param tip: hex id of the ledger's tip; None: only reviews were judged.
    :param reviews: what `review_mark` returns for each.
    """
    if os.access(repository.folder, os.W_OK):
        repository.own.mkdir(exist_ok=True)
        tips = list(dict.fromkeys((*filter(None, [tip]), *_ledgers(repository))))[:LEDGERS_KEPT]
        kept = list(dict.fromkeys((*reviews, *(one for one in _judged(repository) if ":" in one))))[:REVIEWS_KEPT]
        put(repository.own / "verified", "\n".join([*tips, *kept, ""]).encode())


def _judged(repository: Repository) -> list[str]:
    """Return what was judged here: the tips of ledgers, newest first, then the marks of reviews."""
    file = repository.own / "verified"
    return file.read_text(errors="replace").split() if file.exists() else []


def _ledgers(repository: Repository) -> list[str]:
    """Return the tips of ledgers that were judged here, newest first: that of main, and that of the remote's main."""
    return [one for one in _judged(repository) if ":" not in one]


def _refuse(findings: Sequence[Finding], what: str, hint: str) -> None:
    if findings:
        first = findings[0]
        refuse(first.code, f"{what}: {first.commit[:10]}: {first.message}", hint, first.path)
