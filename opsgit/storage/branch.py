"""Review branches: find the newest commit of a review, here and at the remotes."""

from __future__ import annotations

from collections.abc import Callable

from opsgit.domain import names
from opsgit.domain.refusals import Refused, refuse
from opsgit.domain.request import Snapshot
from opsgit.storage import signed
from opsgit.storage.git import Git
from opsgit.storage.objects import Objects
from opsgit.storage.reader import TreeReader


def newest(
    git: Git, objects: Objects, task_id: str, ledger: str, held: Callable[[str], str] = lambda tip: tip
) -> str | None:
    """Return the newest commit of a task's review branch, among the local branch and the branches of the remotes.

    Only branches that start at the submission on the ledger count. Branches of earlier rounds are ignored.

    :param ledger: hex id of the ledger commit that the review belongs to.
    :param held: returns the newest commit of a branch up to which it holds, for a caller that judges them.
    :returns: hex id of the branch tip that all the other tips are ancestors of; None if no branch counts.
    :raises Refused: `STALE` if two of the branches have diverged.
    """
    path, ref = names.task_path(task_id), names.review_ref(task_id)
    local = git.ref(ref)
    far = f"{ref.replace('refs/heads/', 'refs/remotes/**/')}"  # a remote may be called team/hub
    listed = git.refs(far).values() if _has_remotes(git) else ()
    found = (tip for tip in dict.fromkeys((local, *listed)) if tip and _of_round(objects, tip, path, ledger))
    tips = dict.fromkeys(map(held, found))
    chains = {tip: [tip, *(commit.parents[0] for *_, commit in signed.commits(objects, tip))] for tip in tips}
    ends = [tip for tip in tips if all(other in chains[tip] for other in tips)]
    if tips and not ends:
        refuse("STALE", f"the review of {task_id} went on here and at a remote, apart from each other",
               "opsgit sync")  # fmt: skip
    return ends[0] if ends else None


def _has_remotes(git: Git) -> bool:
    return b"[remote " in (git.folder / "config").read_bytes()


def _of_round(objects: Objects, tip: str, path: str, ledger: str) -> bool:
    """Return whether a branch starts at the submission that the ledger holds."""
    try:
        parents = [commit.parents for *_, commit in signed.commits(objects, tip)]
        if not all(parents):
            return False  # every commit of a review branch has a parent
        fork = parents[-1][0] if parents else tip
        return objects.entry(objects.root(fork), path) == objects.entry(objects.root(ledger), path)
    except Refused:  # a damaged branch does not count here; verify reports what is wrong with it
        return False


def overlaid(reader: TreeReader, branch: TreeReader, task_id: str) -> Snapshot:
    """Return the ledger's state with one task replaced by its version on the review branch.

    The snapshot also gives the operations on that branch. If the branch does not hold the task, the state is unchanged.

    :param reader: the state at a ledger commit.
    :param branch: the state at the tip of the review branch.
    """
    path, plain = names.task_path(task_id), Snapshot(reader)
    over = branch.record(path)
    return (
        Snapshot(reader, {path: over}, lambda: signed.actions(reader.objects, branch.commit, plain)) if over else plain
    )
