"""The submissions of a task in all rounds, read from the history of its file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from opsgit.domain import message, names
from opsgit.domain.model import Submission
from opsgit.domain.records import Record, from_record
from opsgit.domain.refusals import Refused
from opsgit.storage.git import Git

SUBMITS = ("task.submit", "review.revise")


class Submitted(NamedTuple):
    """A submission or revision: its commit (hex id) and what it says."""

    commit: str
    submission: Submission


def find(
    git: Git, read: Callable[[str, str], Record | None], task_id: str, tips: Iterable[str]
) -> dict[str, Submitted]:
    """Return all submissions of a task by version, such as `1`, `1.1` and `2`, oldest first.

    :param read: returns the record at a path in a commit (hex id).
    :param tips: hex ids of the commits whose history is searched: the ledger, and the open review branch.
    :raises Refused: `TOOL_FAILED` if git cannot read the history.
    """
    return {one.submission.version: one for one in _all(git, read, names.task_path(task_id), tips)}


def _all(git: Git, read: Callable[[str, str], Record | None], path: str, tips: Iterable[str]) -> Iterator[Submitted]:
    words = ("--full-history", "--reverse", "--topo-order", "--format=%H%x1f%B%x1e")
    out = git.run("log", *words, *tips, "--", path).decode("utf-8", "replace")
    for part in out.split("\x1e")[:-1]:
        commit, _, text = part.strip("\n").partition("\x1f")
        record = read(commit, path) if _op(text) in SUBMITS else None
        if record and "submission" in record:
            yield Submitted(commit, from_record(Submission, record["submission"]))


def _op(text: str) -> str:
    try:
        return message.parse(text).op
    except Refused:  # a commit that is not opsgit's is no submission
        return ""
