"""Attachments of submissions: find one here or at the remote, and hold it against the digest that was signed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from opsgit.domain import names
from opsgit.domain.model import Submission
from opsgit.domain.refusals import Refused
from opsgit.operations.session import Session
from opsgit.storage import remote
from opsgit.storage.ledger import move_refs
from opsgit.storage.remote import Answer, Move, Remote
from opsgit.verification.attachments import is_kept, judge

AT_ONCE = 500  # refs in one push; a server takes 1000


def find(session: Session, task_id: str, submission: Submission) -> str | None:
    """Return the tree of a submission's attachment (hex id), or None if it has none.

    It is fetched, if it is not here. If the remote cannot be reached, that is a notice.

    :raises Refused: `ATTACHMENT_UNFIT` or `TOO_LARGE` if the files are not those of the submission.
    """
    if submission.digest.startswith("git:"):
        return None
    ref = names.attachment_ref(task_id, submission.version)
    tree, objects = session.repository.git.ref(ref) or _fetched(session, ref), session.repository.objects()
    if tree:
        judge(objects, ref, tree, submission)
    return tree


def _fetched(session: Session, ref: str) -> str | None:
    if session.remote is None:
        return None
    try:
        session.remote.fetch_ref(ref)
    except Refused as refused:
        if refused.refusal.exit != 9:
            raise
        session.notices.append(refused.refusal.message)
    git = session.repository.git
    git.close()  # the process that reads objects does not see the packs that came
    return git.ref(ref)


def publish_missing(session: Session) -> None:
    """Push the attachments that are here and not at the remote, as after a `git push` of main alone.

    What was pushed, or was not taken, is a notice.

    :raises Refused: as `Remote.refs` and `Remote.push`.
    """
    repository = session.repository
    here = repository.git.refs(names.ATTACHMENTS)
    if not here or session.remote is None:
        return
    snapshot, changed, now = session.look(), session.index().last_times("path"), int(session.clock())
    there = session.remote.refs(names.ATTACHMENTS)

    def wanted(ref: str) -> bool:
        at = changed.get(names.task_path(_task(ref)))
        return at is not None and is_kept(snapshot, _task(ref), at, now)

    moves = [Move(ref, None, tree) for ref, tree in here.items() if ref not in there and wanted(ref)]
    for count, answer in _pushed(session.remote, moves):
        said = "published" if answer.state == remote.TAKEN else f"not taken by the remote: {answer.said}"
        session.notices.append(f"{count} attachments, which the remote did not have: {said}")


def _pushed(there: Remote, moves: Sequence[Move]) -> Iterator[tuple[int, Answer]]:
    """Push moves of refs in parts; yield how many each part has, and the answer to it."""
    for begin in range(0, len(moves), AT_ONCE):
        part = moves[begin : begin + AT_ONCE]
        yield len(part), there.push(part)


def drop_old(session: Session) -> None:
    """Remove the attachments of tasks that have ended so long ago that the policy no longer keeps them.

    They are removed here and at the remote. If the remote cannot be reached or does not want it, that is a notice.
    """
    repository, snapshot = session.repository, session.look()
    now = int(session.clock())

    def old(refs: dict[str, str]) -> list[tuple[str, str]]:
        known = {task_id: is_kept(snapshot, task_id, _changed(session, task_id), now) for task_id in _tasks(refs)}
        return [(ref, tree) for ref, tree in refs.items() if not known.get(_task(ref), True)]

    here = old(repository.git.refs(names.ATTACHMENTS))
    if here:
        with repository.lock():
            move_refs(repository, (), here, "opsgit", "opsgit: no longer kept")
    if session.remote is None:
        return
    try:
        far = old(session.remote.refs(names.ATTACHMENTS))
        for count, answer in _pushed(session.remote, [Move(ref, tree, None) for ref, tree in far]):
            if answer.state != remote.TAKEN:
                session.notices.append(f"{count} old attachments were not removed at the remote: {answer.said}")
    except Refused as refused:
        session.notices.append(refused.refusal.message)


def _tasks(refs: dict[str, str]) -> set[str]:
    return {task_id for task_id in map(_task, refs) if names.ID.match(task_id)}


def _task(ref: str) -> str:
    return ref.removeprefix(names.ATTACHMENTS).partition("/")[0]


def _changed(session: Session, task_id: str) -> int:
    """Return when a task's file was changed last, in seconds after the epoch; now if there is no such task."""
    last = session.index().log("path = ?", (names.task_path(task_id),), 1)
    return int(last[0]["at"]) if last else int(session.clock())
