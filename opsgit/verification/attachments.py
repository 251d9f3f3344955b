"""The judgement of attachments: each must be what a submission in the ledger, or in an open review, was signed for."""

from __future__ import annotations

import re

from opsgit.domain import names, times
from opsgit.domain.model import Project, Submission, Task
from opsgit.domain.refusals import refuse
from opsgit.domain.request import Snapshot
from opsgit.domain.vocabulary import ENDED
from opsgit.storage import attachment
from opsgit.storage.attachment import Limits
from opsgit.storage.objects import Objects

REF = re.compile(re.escape(names.ATTACHMENTS) + r"([^/]+)/([1-9][0-9]{0,6}(?:\.[1-9][0-9]{0,6})?)\Z")


def about(ref: str) -> tuple[str, str]:
    """Return the task id and the version that an attachment's ref names.

    :param ref: the full name.
    :raises Refused: `WRONG_REF`.
    """
    found = REF.match(ref)
    if not found or not names.ID.match(found[1]):
        refuse("WRONG_REF", f"{ref} names no submission", "opsgit task submit attaches the files")
    return found[1], found[2]


def judge(
    objects: Objects, ref: str, tree: str, submission: Submission | None, limits: Limits = attachment.ANY
) -> None:
    """Refuse an attachment that is not what was submitted.

    :param tree: hex id of what the ref points to.
    :param submission: the submission of the version that the ref names; None if there is none.
    :raises Refused: `ATTACHMENT_UNFIT`, `TOO_LARGE`; as `attachment.digest`.
    """
    task_id, version = about(ref)
    hint = f"git update-ref -d {ref}, where it is wrong; it is fetched again when it is needed"
    if submission is None or submission.version != version:
        refuse("ATTACHMENT_UNFIT", f"{ref}: {task_id} was not submitted with round {version}", hint)
    found = objects.get(tree)
    if found is None or found.type != "tree":
        refuse("ATTACHMENT_UNFIT", f"{ref} is no tree of files", hint)
    if attachment.digest(objects, tree, limits) != submission.digest:
        refuse("ATTACHMENT_UNFIT", f"{ref} does not have the digest that {task_id} was submitted with", hint)


def limits_of(project: Project) -> Limits:
    """Return the policy's limits for one attachment."""
    return Limits(project.deliverables.size, project.deliverables.files)


def refuse_kept(state: Snapshot, ref: str, changed: int, now: int) -> None:
    """Refuse to delete an attachment that is still kept: until some time after its task has ended.

    :param state: the ledger's newest state.
    :param changed: when the task's file was changed last, in seconds after the epoch.
    :param now: seconds after the epoch.
    :raises Refused: `ATTACHMENT_UNFIT`.
    """
    task_id, _ = about(ref)
    if not is_kept(state, task_id, changed, now):
        return
    refuse("ATTACHMENT_UNFIT", f"{ref} is kept until {task_id} is deployed or cancelled and "
           f"{state.project.deliverables.keep} have passed", "opsgit maintenance removes it then")  # fmt: skip


def is_kept(state: Snapshot, task_id: str, changed: int, now: int) -> bool:
    """Return whether the attachments of a task are still kept. The parameters are those of `refuse_kept`."""
    task = state.find(Task, names.task_path(task_id))
    ended = task is not None and task.status in ENDED
    return not (ended and now > changed + times.duration(state.project.deliverables.keep))
