"""All rounds of a task's review: the words of each, also of those that have ended, read from the history."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from opsgit.domain import message, names, vocabulary
from opsgit.domain.records import Record
from opsgit.operations import queries
from opsgit.operations.queries import synced
from opsgit.operations.session import Session
from opsgit.storage import signed, submissions
from opsgit.storage.objects import parse_commit
from opsgit.storage.submissions import Submitted

# What is said of an operation on a review branch.
SAID = {
    "review.request": "requested",
    "review.comment": "commented",
    "review.resolve": "resolved",
    "review.check": "checked",
    "review.revise": "revised",
    "review.sign-off": "signed off",
}


class Round(NamedTuple):
    """One round: its number, the last submission and the review in it, and the commit that ended it ("" if open)."""

    number: int
    submission: Record
    review: Record
    ended: str


def rounds(session: Session, task_id: str) -> list[Round]:
    """Return all rounds of a task, oldest first; the last one is open while the task is in review.

    :raises Refused: as `ends`; the code of the first finding if the review branch breaks a rule.
    """
    found = [_round(_record(session, commit, task_id), commit) for commit in ends(session, task_id)]
    now = session.look(task_id).record(names.task_path(task_id)) or {}
    open_one = [_round(now, "")] if now.get("status") == vocabulary.IN_REVIEW else []
    return [*found, *open_one]


def _round(task: Record, ended: str) -> Round:
    review = task.get("review") or {"round": task["submission"]["round"]}
    return Round(task["submission"]["round"], task["submission"], review, ended)


def ends(session: Session, task_id: str) -> list[str]:
    """Return the ledger commits (hex ids) that ended a review of a task, oldest first.

    :raises Refused: the code of the first finding if a new commit on the ledger breaks a rule.
    """
    log = synced(session).log("path = ?", (names.task_path(task_id),))
    return [entry["commit"] for entry in log if entry.get("before") == vocabulary.IN_REVIEW]


def _record(session: Session, commit: str, task_id: str) -> Record:
    repository = session.repository
    return repository.reader(repository.objects(), commit).record(names.task_path(task_id)) or {}


def versions(session: Session, task_id: str) -> dict[str, Submitted]:
    """Return all submissions and revisions of a task by version, oldest first."""
    transaction = session.transaction()
    branch = transaction.reviewed(task_id)
    repository = session.repository

    def read(commit: str, path: str) -> Record | None:
        return repository.reader(transaction.objects, commit).record(path)

    return submissions.find(repository.git, read, task_id, [transaction.tip, *([branch] if branch else [])])


def history(session: Session, task_id: str) -> list[dict[str, Any]]:
    """Return the operations on a task, oldest first, with the words of all its reviews.

    An entry of a review branch has `said` (`commented` and others), and `text`, `output`, `thread` and `check` where
    they apply. The others are as `queries.history` returns them.

    :raises Refused: as `queries.history`.
    """
    objects, found = session.repository.objects(), list[dict[str, Any]]()
    over = set(ends(session, task_id))
    for entry in queries.history(session, task_id):
        if entry.get("commit") in over:  # the ledger has nothing else about a task while it is in review
            merged = parse_commit(objects.need(entry["commit"], "commit").content).parents[1:]
            found += (one for tip in merged for one in _on_branch(session, task_id, tip))
        found.append(entry)
    session.look(task_id)  # judges the branch before it is shown
    open_one = session.transaction().reviewed(task_id)
    return [*found, *(_on_branch(session, task_id, open_one) if open_one else ())]


def _on_branch(session: Session, task_id: str, tip: str) -> Iterator[dict[str, Any]]:
    objects = session.repository.objects()
    for commit_id, op, commit in reversed(list(signed.commits(objects, tip))):
        words = message.parse(commit.message)
        said = SAID.get(op, op.partition(".")[2])
        entry = {"commit": commit_id, "at": commit.time, "by": commit.name, "op": op, "what": task_id, "said": said}
        if words.note:
            entry["note"] = words.note
        yield queries.shown({**entry, **_details(op, _record(session, commit_id, task_id))})


def _details(op: str, task: Record) -> dict[str, Any]:
    review = task["review"]
    if op == "review.request":
        return {"text": review["request"]["text"]}
    if op == "review.comment":
        last = review["comments"][-1]
        return {"thread": last.get("answers") or last["id"], "text": last["text"]}
    if op == "review.revise":
        return {"output": task["submission"]["deliverable"]}
    if op == "review.resolve":
        last = max((one for one in review["comments"] if one.get("resolved")), key=lambda one: one["resolved"]["at"])
        return {"thread": last["id"]}
    if op == "review.check":
        last = review["checks"][-1]
        return {"check": f"{last['name']}: {last['status']}", **({"ref": last["url"]} if "url" in last else {})}
    return {}
