"""What a request says about a deliverable, measured on this machine: where it is, and its digest."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from opsgit.domain.model import Project, Submission, Task
from opsgit.domain.refusals import Refused, refuse
from opsgit.domain.request import Snapshot
from opsgit.operations import attachments
from opsgit.operations.session import Session
from opsgit.storage import attachment, clones, deliverable
from opsgit.storage.attachment import Files
from opsgit.storage.git import copy_history
from opsgit.verification.attachments import limits_of

HERE = "."  # how the code repository is recorded beside which the ledger lies: it is elsewhere in each clone
NAME_MAX = 255  # bytes in the name of a file


class Given(NamedTuple):
    """What a submission is given.

    `output` is a path, or `commit: <id>`; `repository` is the path of the repository that holds the commit. `attach`
    says whether the files are stored; None: as the policy says, and only within its limits.
    """

    output: str | None
    repository: str | None = None
    attach: bool | None = None


def measured(session: Session, snapshot: Snapshot, task_id: str, given: Given) -> dict[str, str]:
    """Return the fields of a submission: deliverable and digest, and repository for a commit.

    The files that are to be attached are kept in the session. Beside code, no output means the commit that is checked
    out there.

    :raises Refused: `DELIVERABLE_REQUIRED`, `DELIVERABLE_MISSING`, `DELIVERABLE_UNSAFE`, `DELIVERABLE_UNSTABLE` or
        `DELIVERABLE_OUTSIDE`; `DELIVERABLE_TOO_LARGE` if it must be attached and is above the limits.
    """
    output, repository, _ = given
    code = session.repository.code
    if not output and code:
        output = f"{deliverable.COMMIT} {_head(session, code, task_id)}"
    if not output:
        refuse("DELIVERABLE_REQUIRED", "a review needs a deliverable", "add --output PATH")
    if output.startswith(deliverable.COMMIT):
        return _commit(output.removeprefix(deliverable.COMMIT).strip(), repository, code)
    where, path = deliverable.recorded(Path(output), snapshot.project.workspace), Path(os.path.abspath(output))
    files = _to_attach(session, snapshot.project, path, given.attach)
    digest = attachment.digest_of(files) if files else deliverable.digest(path)
    if files:
        session.attachments[digest] = files
    return {"deliverable": where, "digest": digest}


def _head(session: Session, code: Path, task_id: str) -> str:
    """Return the commit that is checked out in the code repository; what reviewers may lack is a notice.

    :raises Refused: `DELIVERABLE_REQUIRED` for a commit that was submitted for another task: nothing was committed for
        this one.
    """
    commit, clean, published = clones.head(code)
    said = "json_extract(record, '$.submission.digest') = ? AND name != ? COLLATE NOCASE"
    other = session.index().select(f"kind = 'task' AND {said}", (f"git:{commit}", task_id), "path", 1)
    if other:
        refuse("DELIVERABLE_REQUIRED", f"commit {commit[:10]} was submitted for {other[0]['id']}",
               f"commit the work on {task_id}, or name the commit: --output 'commit: {commit[:10]}'")  # fmt: skip
    if not clean:
        session.notices.append(f"what is not committed in {code.resolve()} is not a part of the deliverable")
    if not published:
        session.notices.append(
            f"commit {commit[:10]} is not on the code's remote yet: git push, so that others have it"
        )
    return commit


def _commit(commit: str, repository: str | None, code: Path | None) -> dict[str, str]:
    """Return the fields of a submission of a commit. The code repository beside the ledger is recorded as `HERE`."""
    place = Path(repository) if repository else code
    if place is None:
        refuse("DELIVERABLE_REQUIRED", "a commit needs the repository that holds it", "add --repository PATH")
    digest = deliverable.commit_digest(commit, place)
    recorded = HERE if code and place.resolve() == code.resolve() else os.path.abspath(place)
    return {"deliverable": f"commit: {digest[4:]}", "digest": digest, "repository": recorded}


def _to_attach(session: Session, project: Project, path: Path, attach: bool | None) -> Files | None:
    """Return the files of a deliverable, or None if they are not attached."""
    if attach is False or (attach is None and not project.deliverables.attach):
        return None
    try:
        return attachment.read(path, limits_of(project))
    except Refused as refused:
        if attach or refused.refusal.code != "DELIVERABLE_TOO_LARGE":
            raise
        session.notices.append(f"not attached, bound by its digest alone: {refused.refusal.message}")
        return None


def digest_now(session: Session, snapshot: Snapshot, task: Task, local: str | None) -> str:
    """Return the digest that a submitted deliverable has now: at its place, or else in its attachment.

    :param local: the path of a copy on this machine; None: the recorded path.
    :raises Refused: `DELIVERABLE_CHANGED` if the named copy is not the deliverable; `DELIVERABLE_MISSING`,
        `DELIVERABLE_UNSAFE` or `DELIVERABLE_UNSTABLE`; as `attachments.find`.
    """
    submission = task.submission
    assert submission
    try:
        with _naming_a_copy(local):
            found = _digest_here(_place(session, snapshot, submission, local), submission)
        if local and found != submission.digest:
            why = f"{local} is not what was submitted in round {submission.version} of {task.id}"
            refuse("DELIVERABLE_CHANGED", why, "name another copy; without --deliverable an attachment is used")
        return found
    except Refused as refused:
        if _attached(session, task, refused, local) is None:
            raise
        return submission.digest


def digest_here(session: Session, snapshot: Snapshot, submission: Submission, most: int) -> str:
    """Return the digest of what is at a submission's recorded place on this machine.

    :param most: bytes that are hashed at most.
    :raises Refused: `DELIVERABLE_TOO_LARGE`; `DELIVERABLE_MISSING`, `DELIVERABLE_UNSAFE` or `DELIVERABLE_UNSTABLE`.
    """
    where = _place(session, snapshot, submission, None)
    if submission.digest.startswith("h1:") and sum(mark[1] for *_, mark in deliverable.files(where)) > most:
        refuse("DELIVERABLE_TOO_LARGE", f"{where} holds more than {most} bytes", "opsgit review checkout")
    return _digest_here(where, submission)


def _digest_here(where: Path, submission: Submission) -> str:
    commit = submission.digest.removeprefix("git:")
    return deliverable.digest(where) if commit == submission.digest else deliverable.commit_digest(commit, where)


def _attached(session: Session, task: Task, refused: Refused, local: str | None) -> str | None:
    """Return the tree of the attachment, if that is to be used: the deliverable is not at its place."""
    if local or refused.refusal.code != "DELIVERABLE_MISSING" or task.submission is None:
        return None
    return attachments.find(session, task.id, task.submission)


def _place(session: Session, snapshot: Snapshot, submission: Submission, local: str | None) -> Path:
    """Return where a deliverable is: its path, or the repository that holds its commit."""
    if local:
        return Path(local)
    if submission.digest.startswith("git:"):
        return repository_of(session, submission)
    return deliverable.locate(submission.deliverable, snapshot.project.workspace)


def repository_of(session: Session, submission: Submission) -> Path:
    """Return the repository that holds the commit of a submission: `HERE` is the code beside this ledger."""
    code = session.repository.code
    return code if code and submission.repository == HERE else Path(submission.repository or ".")


@contextmanager
def _naming_a_copy(local: str | None) -> Iterator[None]:
    """Say, in the refusal of a missing deliverable, how a copy on this machine is named; unless one was."""
    try:
        yield
    except Refused as refused:
        if local or refused.refusal.code != "DELIVERABLE_MISSING":
            raise
        hint = "name a copy that is on this machine: --deliverable PATH; beside code: git fetch, there"
        raise Refused(replace(refused.refusal, hint=hint)) from refused


@dataclass(frozen=True)
class Copy:
    """A private copy of a deliverable: what a command is told of it, and the digest that it had when it was made.

    `deliverable` is a path, or `commit: <id>` with the path of the `repository` that holds it.
    """

    deliverable: str = ""
    repository: str = ""
    digest: str = ""

    def measured(self) -> str:
        """Return the digest that the copy has now; empty if there is no copy.

        :raises Refused: as `deliverable.digest`.
        """
        if self.repository:
            return deliverable.commit_digest(self.digest.removeprefix("git:"), Path(self.repository))
        return deliverable.digest(Path(self.deliverable)) if self.deliverable else ""


@contextmanager
def private_copy(session: Session, snapshot: Snapshot, task: Task, local: str | None) -> Iterator[Copy]:
    """Yield a copy of a deliverable that its author cannot change, in a temporary folder.

    :param local: the path of a copy on this machine; None: the recorded path.
    :raises Refused: as `digest_now`; `DISK` if the copy cannot be written.
    """
    submission = task.submission
    assert submission
    with tempfile.TemporaryDirectory(prefix="opsgit-") as folder:
        try:
            with _naming_a_copy(local):
                copy = _copied(_place(session, snapshot, submission, local), submission, Path(folder))
        except Refused as refused:
            tree = _attached(session, task, refused, local)
            if tree is None:
                raise
            copy = _written_out(session, submission, tree, Path(folder))
        yield copy


def _name(submission: Submission) -> str:
    """Return the last part of a deliverable's path, if a folder can have it as a name."""
    name = Path(submission.deliverable).name
    return name if name not in ("", "..") and len(name.encode()) <= NAME_MAX else "deliverable"


def _written_out(session: Session, submission: Submission, tree: str, folder: Path) -> Copy:
    """Write an attachment into a folder under the deliverable's own name; a single file of that name is the file."""
    objects, name = session.repository.objects(), _name(submission)
    alone = list(attachment.listed(objects, tree)) == [name]
    place = folder / "attached" if alone else folder / name
    place.mkdir()
    attachment.write_out(objects, tree, place)
    made = place / name if alone else place
    return Copy(str(made), "", deliverable.digest(made))


def _copied(where: Path, submission: Submission, folder: Path) -> Copy:
    commit = submission.digest.removeprefix("git:")
    if commit == submission.digest:
        made = deliverable.copied(where, folder)
        return Copy(str(made), "", deliverable.digest(made))
    copy_history(deliverable.git_folder(where), commit, folder / "repository.git")
    return Copy(f"{deliverable.COMMIT} {commit}", str(folder / "repository.git"), submission.digest)
