"""Writing to the ledger: sign commits with an agent's key, and move refs only from their expected old values."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterable

from opsgit.domain.model import Agent
from opsgit.domain.refusals import refuse
from opsgit.storage import sshsig
from opsgit.storage.journal import journal
from opsgit.storage.keys import KeyStore
from opsgit.storage.objects import Commit, signed_commit, unsigned_commit
from opsgit.storage.repository import Repository

FULL = ("No space left on device", "Disk quota exceeded")  # what git says of a full disk


def move_refs(
    repository: Repository, moves: Iterable[tuple[str, str, str]], gone: Iterable[tuple[str, str]], by: str, why: str
) -> str:
    """Move refs in order, each only from its old value, then delete refs. A branch that is checked out is not deleted.

    Each step is a transaction of its own: steps before a refused one have been done. What is to be deleted was merged
    by then, so a failure to delete it is no failure of the write.

    :param moves: full name, new id and old id (zeros for a new ref) of each ref.
    :param gone: full name and old id of each ref to delete.
    :param by: the agent's name, for git's reflog.
    :param why: the reason, for git's reflog.
    :returns: what could not be deleted and why; empty if all was done.
    :raises OSError: if the disk is full.
    :raises Refused: `BUSY` if git holds a lock; `REF_MOVED` if a ref does not have its old value; `TOOL_FAILED` if git
        is not installed.
    """
    head = (repository.folder / "HEAD").read_text().strip()
    said = _update(repository, [f"update {ref} {new} {old}" for ref, new, old in moves], by, why)
    if said:
        locked = re.search(r"'([^']+\.lock)': File exists", said)
        if locked:
            refuse("BUSY", f"git holds {locked[1]}, or a crash left it there",
                   "try again; if no git is running: opsgit doctor --fix")  # fmt: skip
        if any(full in said for full in FULL):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(repository.folder))
        refuse("REF_MOVED", f"a ref was moved by somebody else: {said[-300:]}", "try again")
    left = _update(repository, [f"delete {ref} {old}" for ref, old in gone if head != f"ref: {ref}"], by, why)
    return f"published, but a merged review branch was not deleted: {left[-300:]}" if left else ""


def _update(repository: Repository, steps: list[str], by: str, why: str) -> str:
    """Run steps of `git update-ref --stdin`, each a transaction; return what git said if one failed, else nothing."""
    if not steps:
        return ""
    who = {"GIT_COMMITTER_NAME": by, "GIT_COMMITTER_EMAIL": f"{by}@opsgit"}
    script = "".join(f"start\n{step}\ncommit\n" for step in steps)
    words = ("-c", "core.fsync=all", "update-ref", "-m", why, "--stdin")
    with journal(repository.own):
        done = repository.git.attempt(*words, given=script.encode(), env=who)
    return done.stderr.decode(errors="replace").strip() or "git update-ref failed" if done.returncode else ""


def new_id() -> str:
    """Return a new random id of an operation.

    It makes each commit unique: two clones of one agent may do the same thing in the same second.
    """
    return os.urandom(8).hex()


def seal(keys: KeyStore, agent: Agent, commit: Commit, width: int) -> bytes:
    """Sign a commit with an agent's key and return its bytes.

    A commit that `verify` would reject is not made: the key must be one of the agent's active keys.

    :param width: 40 or 64, the length of ids in the repository.
    A rotation that another machine has published, or that was interrupted here, is completed first: the key that waits
    as the next one becomes the agent's.

    :raises Refused: `KEY_UNFIT` if the key is not active (it may have been rotated or retired elsewhere) or cannot be
        used; `KEY_MISSING` if it is not on this machine; `TOOL_FAILED` if ssh-keygen is needed and cannot be run.
    """
    following = f"{agent.name}.next"
    if keys.path(following).exists() and keys.make(following) in agent.active_keys:
        keys.promote(agent.name)
    unsigned = unsigned_commit(commit)
    signature = keys.sign(agent.name, unsigned)
    if not any(sshsig.verify(key, signature, unsigned, sshsig.GIT) for key in agent.active_keys):
        refuse("KEY_UNFIT", f"the key of {agent.name} here was replaced by another ({keys.path(agent.name)})",
               f"opsgit agent prove {agent.name} --new, and an orchestrator runs what it prints")  # fmt: skip
    return signed_commit(unsigned, signature, width)
