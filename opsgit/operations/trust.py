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

REVIEWS_KEPT = 1000


def judge_ledger(repository: Repository, tip: str) -> None:
    """Judge the ledger's commits that are new since this clone last judged it.

    :param tip: hex id of the ledger's tip.
    :raises Refused: the code of the first finding.
    """
    start = next(iter(_judged(repository)), None)
    if tip == start:
        return
    from opsgit.verification.verifier import Verifier

    _refuse(Verifier(repository).since(tip, start), f"git reset --hard {(start or 'COMMIT')[:10]}")
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
    if judged in _judged(repository)[1:]:
        return
    from opsgit.verification.verifier import Verifier

    hint = f"git update-ref -d refs/remotes/origin/review/{task_id}, if it is not yours"
    _refuse(Verifier(repository).review(task_id, branch, transaction.tip), hint)
    mark(repository, transaction.base, judged)


def review_mark(task_id: str, branch: str, ledger: str) -> str:
    """Return the mark of a review that was judged: the same commits may be no review of another task or ledger."""
    return f"{task_id}:{branch}:{ledger}"


def mark(repository: Repository, tip: str, *reviews: str) -> None:
    """Record, in the git folder, the tip up to which the ledger was judged here, and the reviews that were judged.

    :param tip: hex id of the ledger's tip.
    :param reviews: what `review_mark` returns for each.
    """
    if os.access(repository.folder, os.W_OK):
        repository.own.mkdir(exist_ok=True)
        kept = dict.fromkeys((*reviews, *_judged(repository)[1:]))
        put(repository.own / "verified", "\n".join([tip, *list(kept)[:REVIEWS_KEPT], ""]).encode())


def _judged(repository: Repository) -> list[str]:
    """Return what was judged here: the ledger's tip, then the marks of reviews."""
    file = repository.own / "verified"
    return file.read_text(errors="replace").split() if file.exists() else []


def _refuse(findings: Sequence[Finding], hint: str) -> None:
    if findings:
        first = findings[0]
        why = f"what is here does not hold: {first.commit[:10]}: {first.message}"
        refuse(first.code, why, f"opsgit verify shows all; to go back: {hint}", first.path)
