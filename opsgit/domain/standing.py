"""Whether what an agent signed still counts: a gate never rests on what a removed agent or a stolen key signed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from opsgit.domain import names, policy
from opsgit.domain.model import Remark, Task
from opsgit.domain.operation import Operation
from opsgit.domain.request import Signed, Snapshot
from opsgit.domain.vocabulary import REVIEW

REVISE = "review.revise"
SIGN_OFF = "review.sign-off"
RESOLVE = "review.resolve"
CHECK = "review.check"
APPROVE = "review.approve"
COMPROMISED = "signed it with a key that was declared compromised"


def disowned(snapshot: Snapshot, signed: Signed) -> bool:
    """Return whether a compromised key signed an operation, outside the cut-off's history and not ratified.

    :param snapshot: the state that says which keys are compromised.
    """
    key = next((key for key in snapshot.agent(signed.by).keys if key.key == signed.key), None)
    if key is None or key.state != "compromised":
        return key is None
    if all(snapshot.reader.reaches(signed.commit, cut) for cut in key.since):
        return False
    return not any(_covers(snapshot, entry, signed.commit) for entry in key.ratified)


def _covers(snapshot: Snapshot, entry: str, commit: str) -> bool:
    """Return whether an entry of `ratified`, a commit or a range `A..B`, covers a commit."""
    after, _, until = entry.rpartition("..")
    if not after:
        return entry == commit
    return snapshot.reader.reaches(commit, until) and not snapshot.reader.reaches(commit, after)


def lost_by(snapshot: Snapshot, signed: Signed, operations: Mapping[str, Operation]) -> str:
    """Return what the author of an operation has lost since, so that it no longer counts; empty when it counts.

    An ordinary rotation of the author's key takes nothing away.

    :param snapshot: the state by which the author is checked.
    :param operations: the operations of the rule book, by name.
    :returns: the end of a message, such as `was removed`.
    """
    agent, operation = snapshot.agent(signed.by), operations.get(signed.op)
    needed = {one.right for one in operation.who} if operation else set()
    if agent.status != "active":
        return "was removed"
    if None not in needed and not needed & policy.rights(snapshot.project, agent):
        return "lost the right to it"
    return COMPROMISED if disowned(snapshot, signed) else ""


def relied_on(task: Task, checks: Collection[str]) -> set[tuple[str, str]]:
    """Return who resolved a blocking thread, and who reported a check, each as the operation's name and the agent.

    :param checks: the names of the checks that an approval needs.
    """
    review = task.review
    threads = [one.resolved.by for one in review.comments if one.blocking and one.resolved] if review else []
    reports = [one.by for one in review.checks if one.name in checks] if review else []
    return {*((RESOLVE, name) for name in threads), *((CHECK, name) for name in reports)}


def is_settled(snapshot: Snapshot, thread: Remark) -> bool:
    """Return whether a thread is resolved by its author, or by an agent that still holds the right to review."""
    if not thread.resolved:
        return False
    agent = snapshot.agent(thread.resolved.by)
    return agent.status == "active" and (agent.name == thread.by or REVIEW in policy.rights(snapshot.project, agent))


def counted(actions: Iterable[Signed], relied: Collection[tuple[str, str]]) -> Iterator[Signed]:
    """Yield the operations on a review branch that an approval rests on, newest first.

    They are the latest revision, the sign-offs and checks after it, and what resolved the blocking threads. Comments
    are not among them, and an earlier revision, sign-off or check has no effect any more.

    :param actions: the operations on the branch, newest first.
    :param relied: as `relied_on` returns it.
    """
    revised = False
    for action in actions:
        latest = action.op in (REVISE, SIGN_OFF) or (action.op, action.by) in relied
        if latest and not (revised and action.op != RESOLVE):
            yield action
        revised = revised or action.op == REVISE


def suspected(snapshot: Snapshot, agents: Iterable[str]) -> bool:
    """Return whether one of the agents has a compromised key.

    History is read only then, because that costs much more than the rest.
    """
    return any(key.state == "compromised" for name in agents for key in snapshot.agent(name).keys)


def voided_by(snapshot: Snapshot, path: str, op: str, suspects: Collection[str]) -> str:
    """Return who signed the latest operation of a name on a file with a compromised key.

    :param path: the path of the file.
    :param op: the operation's name, such as `task.submit`.
    :param suspects: the names of the agents that can have signed it.
    :returns: the beginning of a message, such as `qa signed it with a key that was declared compromised`; empty when
        nobody did.
    """
    return _thief(snapshot, snapshot.reader.basis(path, op)[:1]) if suspected(snapshot, suspects) else ""


def void_approval(snapshot: Snapshot, task: Task) -> str:
    """Return why the approval of a task no longer counts; empty when it counts or when there is none."""
    marks = task.review.sign_offs if task.review else ()
    relied = relied_on(task, snapshot.project.review.checks)
    if not suspected(snapshot, {*task.contributors, *(mark.by for mark in marks), *(name for _, name in relied)}):
        return ""
    basis = snapshot.reader.basis(names.task_path(task.id), APPROVE)
    return _thief(snapshot, [*basis[:1], *counted(basis[1:], relied)]) or stolen_submission(snapshot, task, basis[1:])


def stolen_submission(snapshot: Snapshot, task: Task, actions: Iterable[Signed]) -> str:
    """Return who submitted a task with a compromised key; empty when nobody did, or when a revision replaced it.

    :param actions: the operations on the review branch.
    """
    if any(action.op == REVISE for action in actions):
        return ""
    return voided_by(snapshot, names.task_path(task.id), "task.submit", task.contributors)


def _thief(snapshot: Snapshot, operations: Iterable[Signed]) -> str:
    first = next((one for one in operations if disowned(snapshot, one)), None)
    return f"{first.by} {COMPROMISED}" if first else ""
