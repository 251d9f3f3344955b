"""Which commits this clone has judged. New commits are judged before anything is shown or built on them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from opsgit.domain import names
from opsgit.domain.refusals import refuse
from opsgit.storage.disk import put
from opsgit.storage.repository import Repository

if TYPE_CHECKING:
    from opsgit.domain.findings import Finding
    from opsgit.operations.transactions import Transaction

REVIEWS_KEPT, LEDGERS_KEPT = 1000, 4


def judge_ledger(repository: Repository, tip: str) -> None:
    """Judge the ledger's commits that are new since this clone last judged it.

    :param tip: hex id of the ledger's tip.
    :raises Refused: the code of the first finding.
    """
    known = _ledgers(repository)
    if tip in known:
        return
    from opsgit.verification.verifier import Verifier

    back = next(iter(known), "COMMIT")[:10]
    _refuse(Verifier(repository).since(tip, *known), f"git reset --hard {back}")
    mark(repository, tip)


def judge_review(transaction: Transaction, task_id: str) -> None:
    """Judge the review branch of a task in review, which may have come from a remote.

    :raises Refused: the code of the first finding.
    """
    branch = transaction.reviewed(task_id) if names.ID.match(task_id) else None
    repository = transaction.repository
    if branch is None or transaction.written:
        return
    judged = review_mark(task_id, branch, transaction.tip)
    if judged in _judged(repository):
        return
    from opsgit.verification.verifier import Verifier

    hint = f"git update-ref -d refs/remotes/origin/review/{task_id}, if it is not yours"
    _refuse(Verifier(repository).review(task_id, branch, transaction.tip), hint)
    mark(repository, transaction.base, judged)


def review_mark(task_id: str, branch: str, ledger: str) -> str:
    """Return the mark of a review that was judged: the same commits may be no review of another task or ledger."""
    return f"{task_id}:{branch}:{ledger}"


def mark(repository: Repository, tip: str, *reviews: str) -> None:
    """Record, in the git folder, a tip up to which a ledger was judged here, and reviews that were judged.

    :param tip: hex id of the ledger's tip.
    :param reviews: what `review_mark` returns for each.
    """
    if os.access(repository.folder, os.W_OK):
        repository.own.mkdir(exist_ok=True)
        tips = list(dict.fromkeys((tip, *_ledgers(repository))))[:LEDGERS_KEPT]
        kept = list(dict.fromkeys((*reviews, *(one for one in _judged(repository) if ":" in one))))[:REVIEWS_KEPT]
        put(repository.own / "verified", "\n".join([*tips, *kept, ""]).encode())


def _judged(repository: Repository) -> list[str]:
    """Return what was judged here: the tips of ledgers, newest first, then the marks of reviews."""
    file = repository.own / "verified"
    return file.read_text(errors="replace").split() if file.exists() else []


def _ledgers(repository: Repository) -> list[str]:
    """Return the tips of ledgers that were judged here, newest first: that of main, and that of the remote's main."""
    return [one for one in _judged(repository) if ":" not in one]


def _refuse(findings: Sequence[Finding], hint: str) -> None:
    if findings:
        first = findings[0]
        why = f"what is here does not hold: {first.commit[:10]}: {first.message}"
        refuse(first.code, why, f"opsgit verify shows all; to go back: {hint}", first.path)
