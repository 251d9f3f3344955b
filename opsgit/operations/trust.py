"""What this clone has judged: nothing is built on or shown that was not."""

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
    """Judge what is new on the ledger since this clone last looked.

    :raises Refused: with the code of the first finding.
    """
    start = next(iter(_judged(repository)), None)
    if tip == start:  # the tip of a review that was judged is no ledger
        return
    from opsgit.verification.verifier import Verifier

    _refuse(Verifier(repository).since(tip, start), f"git reset --hard {(start or 'COMMIT')[:10]}")
    mark(repository, tip)


def judge_review(transaction: Transaction, task_id: str) -> None:
    """The same for an open review, which may have come from a remote."""
    branch = transaction.reviewed(task_id) if names.ID.match(task_id) else None
    repository = transaction.repository
    if branch is None or branch in _judged(repository)[1:] or transaction.written:
        return
    from opsgit.verification.verifier import Verifier

    hint = f"git update-ref -d refs/remotes/origin/review/{task_id}, if it is not yours"
    _refuse(Verifier(repository).review(task_id, branch, transaction.tip), hint)
    mark(repository, transaction.base, branch)


def mark(repository: Repository, tip: str, *reviews: str) -> None:
    """Remember, in the git folder, how far the ledger was judged here, and the newest reviews that were."""
    if os.access(repository.folder, os.W_OK):
        repository.own.mkdir(exist_ok=True)
        kept = dict.fromkeys((*reviews, *_judged(repository)[1:]))
        put(repository.own / "verified", "\n".join([tip, *list(kept)[:REVIEWS_KEPT], ""]).encode())


def _judged(repository: Repository) -> list[str]:
    """What was judged here: the ledger's tip, then tips of reviews."""
    file = repository.own / "verified"
    return file.read_text(errors="replace").split() if file.exists() else []


def _refuse(findings: Sequence[Finding], hint: str) -> None:
    if findings:
        first = findings[0]
        why = f"what is here does not hold: {first.commit[:10]}: {first.message}"
        refuse(first.code, why, f"opsgit verify shows all; to go back: {hint}", first.path)
