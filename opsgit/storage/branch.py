"""What was said on a review branch, as the rule book asks for it when the verdict is given."""

from __future__ import annotations

from collections.abc import Iterator

from opsgit.domain import message
from opsgit.domain.request import Said, Snapshot
from opsgit.storage import sshsig
from opsgit.storage.objects import Commit, Objects, parse_commit


def said(objects: Objects, tip: str, snapshot: Snapshot) -> list[Said]:
    """The operations on a branch, newest first, down to the submission, which stands on the ledger.

    :param snapshot: the state whose agents the authors are; their former keys are in it too.
    """
    return [Said(op, commit.name, _key(commit, snapshot)) for op, commit in _commits(objects, tip)]


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
