"""Signed operations: who signed a commit, and which operations a review branch holds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from opsgit.domain import message
from opsgit.domain.request import Signed, Snapshot
from opsgit.storage import sshsig
from opsgit.storage.objects import Commit, Objects, parse_commit


def read(objects: Objects, commit_id: str, snapshot: Snapshot) -> Signed:
    """Return the operation of a commit, with the key that signed it.

    :param commit_id: hex id of the commit.
    :param snapshot: the state that holds the agents and all their keys.
    :raises Refused: as `actions`.
    """
    commit = parse_commit(objects.need(commit_id, "commit").content)
    return _signed(commit_id, message.parse(commit.message).op, commit, snapshot)


def actions(objects: Objects, tip: str, snapshot: Snapshot) -> list[Signed]:
    """Return the operations on a review branch, newest first; the submission on the ledger is not one of them.

    :param tip: hex id of the newest commit of the branch.
    :param snapshot: the state that holds the agents and all their keys, used to find the key that signed each commit.
    :raises Refused: `REPOSITORY_BROKEN`, `BAD_COMMIT`, `BAD_SIGNATURE` or `MESSAGE_MISMATCH` for a commit that opsgit
        cannot read, `BAD_NAME` or `NOT_FOUND` if its author is not an agent.
    """
    return [_signed(commit_id, op, commit, snapshot) for commit_id, op, commit in commits(objects, tip)]


def commits(objects: Objects, tip: str) -> Iterator[tuple[str, str, Commit]]:
    """Yield the hex id, the operation's name and the parts of each commit of a review branch, newest first.

    :param tip: hex id of the newest commit of the branch.
    :raises Refused: as `actions`.
    """
    here: tuple[str, ...] = (tip,)
    while here:
        commit = parse_commit(objects.need(here[0], "commit").content)
        words = message.parse(commit.message)
        if words.ledger is None:
            return
        yield here[0], words.op, commit
        here = commit.parents[:1]


def key_of(commit: Commit, keys: Iterable[str]) -> str:
    """Return the key among some public keys (OpenSSH lines) that signed a commit; empty if none of them did."""
    return next((key for key in keys if sshsig.verify(key, commit.signature, commit.signed, sshsig.GIT)), "")


def _signed(commit_id: str, op: str, commit: Commit, snapshot: Snapshot) -> Signed:
    keys = (key.key for key in snapshot.agent(commit.name).keys)
    return Signed(op, commit.name, key_of(commit, keys), commit_id)
