"""What a request says about a deliverable, measured on this machine: where it is, and its digest."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from opsgit.domain.model import Submission
from opsgit.domain.refusals import Refused, refuse
from opsgit.domain.request import Snapshot
from opsgit.storage import deliverable
from opsgit.storage.git import copy_history


def measured(snapshot: Snapshot, output: str | None, repository: str | None) -> dict[str, str]:
    """Return the fields of a submission: deliverable and digest, and repository for a commit.

    :param output: a path, or `commit: <id>`.
    :param repository: the path of the repository that holds the commit.
    :raises Refused: `DELIVERABLE_REQUIRED`, `DELIVERABLE_MISSING`, `DELIVERABLE_UNSAFE`, `DELIVERABLE_UNSTABLE` or
        `DELIVERABLE_OUTSIDE`.
    """
    if not output:
        refuse("DELIVERABLE_REQUIRED", "a review needs a deliverable", "add --output PATH")
    if output.startswith(deliverable.COMMIT):
        if not repository:
            refuse("DELIVERABLE_REQUIRED", "a commit needs the repository that holds it", "add --repository PATH")
        digest = deliverable.commit_digest(output.removeprefix(deliverable.COMMIT).strip(), Path(repository))
        return {"deliverable": f"commit: {digest[4:]}", "digest": digest, "repository": os.path.abspath(repository)}
    where = deliverable.recorded(Path(output), snapshot.project.workspace)
    return {"deliverable": where, "digest": deliverable.digest(Path(os.path.abspath(output)))}


def digest_now(snapshot: Snapshot, submission: Submission, local: str | None) -> str:
    """Return the digest that a submitted deliverable has now.

    :param local: the path of a copy on this machine; None: the recorded path.
    :raises Refused: `DELIVERABLE_MISSING`, `DELIVERABLE_UNSAFE` or `DELIVERABLE_UNSTABLE`.
    """
    with _naming_a_copy(local):
        where = _place(snapshot, submission, local)
        commit = submission.digest.removeprefix("git:")
        return deliverable.digest(where) if commit == submission.digest else deliverable.commit_digest(commit, where)


def _place(snapshot: Snapshot, submission: Submission, local: str | None) -> Path:
    """Return where a deliverable is: its path, or the repository that holds its commit."""
    if local:
        return Path(local)
    if submission.digest.startswith("git:"):
        return Path(submission.repository or ".")
    return deliverable.locate(submission.deliverable, snapshot.project.workspace)


@contextmanager
def _naming_a_copy(local: str | None) -> Iterator[None]:
    """Say, in the refusal of a missing deliverable, how a copy on this machine is named; unless one was."""
    try:
        yield
    except Refused as refused:
        if local or refused.refusal.code != "DELIVERABLE_MISSING":
            raise
        hint = "name a copy that is on this machine: --deliverable PATH"
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
def private_copy(snapshot: Snapshot, submission: Submission, local: str | None) -> Iterator[Copy]:
    """Yield a copy of a deliverable that its author cannot change, in a temporary folder.

    :param local: the path of a copy on this machine; None: the recorded path.
    :raises Refused: as `digest_now`; `DISK` if the copy cannot be written.
    """
    with tempfile.TemporaryDirectory(prefix="opsgit-") as folder:
        with _naming_a_copy(local):
            copy = _copied(_place(snapshot, submission, local), submission, Path(folder))
        yield copy


def _copied(where: Path, submission: Submission, folder: Path) -> Copy:
    commit = submission.digest.removeprefix("git:")
    if commit == submission.digest:
        made = deliverable.copied(where, folder)
        return Copy(str(made), "", deliverable.digest(made))
    copy_history(deliverable.git_folder(where), commit, folder / "repository.git")
    return Copy(f"{deliverable.COMMIT} {commit}", str(folder / "repository.git"), submission.digest)
