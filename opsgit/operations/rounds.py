"""All rounds of a task's review: the words of each, also of those that have ended, read from the history."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from opsgit.domain import message, names, rebuild, times, vocabulary
from opsgit.domain.records import Record
from opsgit.operations import queries
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
    """One round: its number, the last submission and the review in it, and the commit that ended it ("" if open).

    `revisions` has version, by, at (RFC 3339 text) and note of each revision.
    """

    number: int
    submission: Record
    review: Record
    ended: str
    revisions: list[dict[str, str]]


def rounds(session: Session, task_id: str) -> list[Round]:
    """Return all rounds of a task, oldest first; the last one is open while the task is in review.

    :raises Refused: `BAD_ID`; as `ends`; the code of the first finding if the review branch breaks a rule.
    """
    names.check_id(task_id)
    found = [_round(session, task_id, _record(session, one, task_id), one) for one in ends(session, task_id)]
    now = session.look(task_id).record(names.task_path(task_id)) or {}
    open_one = [_round(session, task_id, now, "")] if now.get("status") == vocabulary.IN_REVIEW else []
    return [*found, *open_one]


def _round(session: Session, task_id: str, task: Record, ended: str) -> Round:
    number, transaction = task["submission"]["round"], session.transaction()
    tip = _merged(session, ended) if ended else transaction.reviewed(task_id)
    commits = reversed(list(signed.commits(transaction.objects, tip))) if tip else ()
    revised = (commit for _, op, commit in commits if op == "review.revise")
    told = [
        {
            "version": f"{number}.{index}",
            "by": one.name,
            "at": times.text(one.time),
            "note": message.parse(one.message).note,
        }
        for index, one in enumerate(revised, 1)
    ]
    return Round(number, task["submission"], task.get("review") or {"round": number}, ended, told)


def _merged(session: Session, commit: str) -> str | None:
    """Return the tip of the review branch that a ledger commit has merged (hex id), or None."""
    parents = parse_commit(session.repository.objects().need(commit, "commit").content).parents
    return parents[1] if len(parents) > 1 else None


def ends(session: Session, task_id: str) -> list[str]:
    """Return the ledger commits (hex ids) that ended a review of a task, oldest first.

    :raises Refused: the code of the first finding if a new commit on the ledger breaks a rule.
    """
    log = session.index().log("path = ?", (names.task_path(task_id),))
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
    found: list[dict[str, Any]] = []
    over = set(ends(session, task_id))
    for entry in queries.history(session, task_id):
        if entry.get("commit") in over:  # the ledger has nothing else about a task while it is in review
            tip = _merged(session, entry["commit"])
            found += _on_branch(session, task_id, tip) if tip else ()
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
        old, new = (_record(session, one, task_id) for one in (commit.parents[0], commit_id))
        yield queries.shown({**entry, **_details(op, old, new)})


def _details(op: str, old: Record, new: Record) -> dict[str, Any]:
    review = new["review"]
    if op == "review.request":
        return {"text": review["request"]["text"]}
    if op == "review.comment":
        last = review["comments"][-1]
        return {"thread": last.get("answers") or last["id"], "text": last["text"]}
    if op == "review.revise":
        return {"output": new["submission"]["deliverable"]}
    if op == "review.resolve":
        return dict(rebuild.resolved(old, new))
    if op == "review.check":
        one = rebuild.checked(old, new)
        return {"check": f"{one['name']}: {one['status']}", **({"ref": one["url"]} if "url" in one else {})}
    return {}
