"""Review branches: which commit is a review's newest, here and at remotes, and what was done on it."""

from __future__ import annotations

from collections.abc import Iterator

from opsgit.domain import message, names
from opsgit.domain.refusals import Refused, refuse
from opsgit.domain.request import BranchAction, Snapshot
from opsgit.storage import sshsig
from opsgit.storage.git import Git
from opsgit.storage.objects import Commit, Objects, parse_commit
from opsgit.storage.reader import TreeReader


def newest(git: Git, objects: Objects, task_id: str, ledger: str) -> str | None:
    """The tip of a task's review branch: of the local one and the remotes', the one that goes on from the others.

    Branches of other rounds, and what is no review branch, do not count. Refuses with `STALE` when two went on apart.
    """
    path, ref = names.task_path(task_id), names.review_ref(task_id)
    local = git.ref(ref)
    far = f"{ref.replace('refs/heads/', 'refs/remotes/*/')}"
    listed = git.run("for-each-ref", "--format=%(objectname)", far).decode().split() if _has_remotes(git) else []
    tips = dict.fromkeys(tip for tip in (local, *listed) if tip and _of_round(objects, tip, path, ledger))
    chains = {tip: [tip, *(commit.parents[0] for _, commit in _commits(objects, tip))] for tip in tips}
    ends = [tip for tip in tips if all(other in chains[tip] for other in tips)]
    if tips and not ends:
        refuse("STALE", f"the review of {task_id} went on here and at a remote, apart from each other",
               f"git branch -f review/{task_id} origin/review/{task_id}, then say it again")  # fmt: skip
    return ends[0] if ends else local


def _has_remotes(git: Git) -> bool:
    return b"[remote " in (git.folder / "config").read_bytes()


def _of_round(objects: Objects, tip: str, path: str, ledger: str) -> bool:
    """Whether a branch begins with the submission that the ledger holds."""
    try:
        parents = [commit.parents for _, commit in _commits(objects, tip)]
        if not all(parents):
            return False  # a review's commits have parents
        fork = parents[-1][0] if parents else tip
        return objects.entry(objects.root(fork), path) == objects.entry(objects.root(ledger), path)
    except Refused:  # verify says what it is
        return False


def overlaid(reader: TreeReader, branch: TreeReader, task_id: str) -> Snapshot:
    """The state with the review branch's version of a task laid over, and what was done on the branch.

    :param reader: the state of the ledger; :param branch: the state at the branch's tip.
    """
    path, plain = names.task_path(task_id), Snapshot(reader)
    over = branch.record(path)
    return Snapshot(reader, {path: over}, lambda: actions(reader.objects, branch.commit, plain)) if over else plain


def actions(objects: Objects, tip: str, snapshot: Snapshot) -> list[BranchAction]:
    """The operations on a branch, newest first, down to the submission, which stands on the ledger.

    :param snapshot: the state whose agents the authors are; their former keys are in it too.
    """
    return [BranchAction(op, commit.name, _key(commit, snapshot)) for op, commit in _commits(objects, tip)]


def _commits(objects: Objects, tip: str) -> Iterator[tuple[str, Commit]]:
    here: tuple[str, ...] = (tip,)
    while here:
        commit = parse_commit(objects.need(here[0], "commit").content)
        words = message.parse(commit.message)
        if words.ledger is None:
            return
        yield words.op, commit
        here = commit.parents[:1]


def _key(commit: Commit, snapshot: Snapshot) -> str:
    agent = snapshot.agent(commit.name)
    signed = (k.key for k in agent.keys if sshsig.verify(k.key, commit.signature, commit.signed, sshsig.GIT))
    return next(signed, "")
