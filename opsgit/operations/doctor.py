"""`doctor`: find what is wrong with this clone, its keys and this machine, and repair it where possible."""

from __future__ import annotations

import contextlib
import re
import stat
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from shutil import rmtree

from opsgit.domain import names
from opsgit.domain.refusals import Refused
from opsgit.domain.times import AHEAD_MAX
from opsgit.operations import clone_config
from opsgit.operations.session import Session
from opsgit.operations.transactions import half_pushed, mend_half_pushed
from opsgit.storage import checkout, packs
from opsgit.storage.pins import Pin
from opsgit.storage.repository import Repository
from opsgit.verification import hooks
from opsgit.version import VERSION

PART = re.compile(r"\..+\.[0-9]+\.part")
LOCK_AGE = 10  # seconds; git holds a lock for a much shorter time
GIT_LEAST = (2, 34)


@dataclass(frozen=True, repr=False)
class Check:
    """The result of one check. `state` is ok, warning or bad; `mend` repairs it, where that is possible."""

    check: str
    state: str
    message: str
    mend: Callable[[], object] | None = None


def examine(session: Session) -> Iterator[Check]:
    """Yield the results of all checks."""
    for look in (_versions, _keys, _git, _hooks, _pins, _clock, _reviews, _leftovers):
        yield from look(session)


def _versions(session: Session) -> Iterator[Check]:
    told = session.repository.git.run("version").decode().split()[2]
    numbers = tuple(int(part) for part in told.split(".")[:2])
    state = "ok" if numbers >= GIT_LEAST else "bad"
    yield Check("versions", state, f"opsgit {VERSION}, git {told}, Python {sys.version.split()[0]}")


def _keys(session: Session) -> Iterator[Check]:
    keys = session.repository.keys
    here = [agent for agent in session.look().agents() if keys.path(agent.name).exists()]
    held = [agent for agent in here if agent.status == "active"]
    for agent in here:
        if agent not in held:
            yield Check("keys", "ok", f"{agent.name} was removed; its key is still here: {keys.path(agent.name)}")
    for agent in held:
        path = keys.path(agent.name)
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            yield Check("keys", "bad", f"{path} has mode {mode:o}: others can read it", lambda p=path: p.chmod(0o600))  # type: ignore[misc]
        else:
            yield from _fits(session, agent.name)
    acting = session.repository.agent()
    if acting and not keys.holds(acting):
        yield Check("keys", "bad", f"this clone acts as {acting}, whose key is not here ({keys.path(acting)})")
    if len(held) > 1:
        named = ", ".join(agent.name for agent in held)
        yield Check(
            "keys", "warning", f"this Unix user holds the keys of {named}: signatures attribute, they do not protect"
        )


def _fits(session: Session, name: str) -> Iterator[Check]:
    keys, agent = session.repository.keys, session.look().agent(name)
    following = keys.path(f"{name}.next")
    try:
        line = keys.make(name)
        after = keys.make_next(name) if following.exists() else ""
    except Refused as refused:
        yield Check("keys", "warning", refused.refusal.message)
        return
    if line in agent.active_keys:
        yield Check("keys", "ok", f"the key of {name} is here and active")
    elif after in agent.active_keys:
        yield Check("keys", "bad", f"the rotation of {name}'s key was interrupted", lambda: keys.promote(name))
    else:
        yield Check("keys", "warning", f"the key of {name} here is not active: git pull, or an orchestrator rotates it")


def _git(session: Session) -> Iterator[Check]:
    setting = session.repository.git.setting
    wanted = {
        "gpg.format": "ssh",
        "gpg.ssh.allowedSignersFile": str(session.repository.own / "allowed_signers"),
    }
    wrong = [name for name, value in wanted.items() if setting(name) != value]
    if setting("commit.gpgSign") != "true":
        wrong.append("commit.gpgSign")
    name = _acting(session)
    if name and setting("user.name") != name:
        wrong.append(f"user.name={name}")
    if wrong and name is None and "commit.gpgSign" in wrong:
        yield Check("git", "bad", "git commit signs as nobody here: git config opsgit.agent NAME, then doctor --fix",
                      lambda: clone_config.trust_signers(session.repository))  # fmt: skip
    elif wrong:
        yield Check(
            "git", "bad", f"the clone's configuration lacks {', '.join(wrong)}", lambda: _configure(session, name)
        )
    else:
        yield from _plain_git(session)


def _plain_git(session: Session) -> Iterator[Check]:
    """Ask plain git for the signature of the newest commit of each active agent."""
    git, unknown, last = session.repository.git, [], _newest_commits(session)
    for name, commit in last.items():
        told = git.seen_by_the_user("log", "-1", "--format=%G?", commit)
        if told != "G":
            unknown.append(f"{name} ({commit[:10]}: {told or '?'})")
    if unknown:
        why = f"plain git does not show a good signature for the newest commit of {', '.join(unknown)}"
        yield Check("git", "bad", why, lambda: clone_config.trust_signers(session.repository))
    else:
        yield Check("git", "ok", f"plain git signs here, and shows G for the newest commits of {len(last)} agents")


def _newest_commits(session: Session) -> dict[str, str]:
    """Return the newest ledger commit (hex id) of each active agent that has made one."""
    index, found = session.index(), {}
    for name in index.active_agents():
        entries = index.log("agent = ?", (name,), 1)
        if entries:
            found[name] = entries[-1]["commit"]
    return found


def _acting(session: Session) -> str | None:
    """Return the agent that plain git should sign as, or None.

    It is the agent that is named, else the one in `user.name` if its key is here, else the only one whose key is here.
    """
    held = [agent.name for agent in session.look().agents() if session.repository.keys.holds(agent.name)]
    configured = session.repository.git.setting("user.name")
    named = [name for _, name in session.named] or [name for name in held if name == configured]
    return named[0] if named else held[0] if len(held) == 1 else None


def _configure(session: Session, name: str | None) -> None:
    if name:
        clone_config.configure_clone(session.repository, name)
    else:
        clone_config.trust_signers(session.repository)


def _hooks(session: Session) -> Iterator[Check]:
    missing = [name for name, state in hooks.status(session.repository).items() if state != "installed"]
    path = session.repository.git.setting("core.hooksPath", everywhere=True)
    if path:
        yield Check("hooks", "warning", f"core.hooksPath sends git to {path} for hooks")
    if missing and session.repository.top:
        yield Check("hooks", "bad", f"not installed: {', '.join(missing)}", lambda: hooks.install(session.repository))
    else:
        yield Check("hooks", "ok", "installed")


def _pins(session: Session) -> Iterator[Check]:
    pin = Pin.of_clone(session.repository.folder)
    found = session.repository.git.run("rev-list", "--first-parent", "--max-parents=0", names.MAIN).decode().split()
    if pin.genesis and pin.genesis not in found:
        begins = ", ".join(one[:10] for one in found)
        yield Check("pins", "bad", f"this clone pins the genesis {pin.genesis[:10]}, and the ledger begins with "
                    f"{begins}: opsgit verify says more; {pin.path} holds the pin")  # fmt: skip
    elif pin.genesis:
        yield Check("pins", "ok", f"genesis {pin.genesis[:10]}, {len(pin.tips)} refs verified")
    else:
        yield Check("pins", "warning", "nothing was verified here yet: opsgit verify")


def _clock(session: Session) -> Iterator[Check]:
    tip = session.repository.git.run("log", "-1", "--format=%ct", names.MAIN).decode().strip()
    ahead = int(tip) - int(session.clock())
    state = "bad" if ahead > AHEAD_MAX else "ok"
    yield Check(
        "clock", state, f"the last commit is {ahead} s ahead of this clock" if ahead > 0 else "not behind the ledger"
    )


def _reviews(session: Session) -> Iterator[Check]:
    """Report tasks in review whose review branch is missing."""
    open_ones = session.index().select("kind = 'task' AND status = 'review'", (), "path")
    lacking = [task["id"] for task in open_ones if session.transaction().branch(task["id"]) is None]
    for task_id in lacking:
        yield Check("reviews", "bad", f"{half_pushed(task_id)} ({mend_half_pushed(task_id)})")
    if not lacking:
        yield Check("reviews", "ok", f"{len(open_ones)} in review, each with its branch")


def _remove(parts: list[Path]) -> None:
    for part in parts:
        part.unlink(missing_ok=True)


def _unfinished(repository: Repository) -> Iterator[Path]:
    """Yield files that `disk.put` writes aside, and renames when they are whole."""
    folders = [repository.own]
    if repository.top:
        kinds = (repository.top / name for name in sorted(names.FOLDERS))
        folders += [repository.top, *kinds, *(repository.top / "tasks").glob("*/")]
    for folder in folders:
        yield from (path for path in folder.glob(".*.part") if PART.fullmatch(path.name) and path.is_file())


def _batches(session: Session) -> Iterator[Check]:
    """Report what a killed batch left: its packs aside, or one that it was just moving to the others."""
    objects = session.repository.folder / "objects"
    for folder in objects.glob(f"{packs.ASIDE}*"):
        with contextlib.suppress(
            FileNotFoundError, PermissionError
        ):  # the batch is just ending, or it is another user's
            if not packs.is_alive(folder) and _old(session, folder):
                remove = partial(rmtree, folder, ignore_errors=True)
                yield Check("leftovers", "warning", f"packs of a batch that was killed: {folder}", remove)
    half = [path for path in objects.glob("pack/*.pack") if not path.with_suffix(".idx").exists()]
    left = [path for path in half if _old(session, path)]
    if left:
        yield Check("leftovers", "warning", f"{len(left)} packs without an index", partial(_index, session, left))


def _index(session: Session, left: list[Path]) -> None:
    """Let git index packs: they may hold what is nowhere else.

    :raises Refused: `TOOL_FAILED` if one is damaged.
    """
    for pack in left:
        session.repository.git.run("-c", "core.fsync=all", "index-pack", str(pack))


def _old(session: Session, path: Path) -> bool:
    """Return whether a file has been there for some time, so that nobody is just writing it."""
    return path.exists() and session.clock() - path.lstat().st_mtime > LOCK_AGE


def _leftovers(session: Session) -> Iterator[Check]:
    repository = session.repository
    parts = list((repository.folder / "objects").glob("??/tmp_obj_*"))
    if parts:
        yield Check("leftovers", "warning", f"{len(parts)} unfinished objects of a crash", lambda: _remove(parts))
    yield from _batches(session)
    written = [path for path in _unfinished(repository) if _old(session, path)]
    if written:
        yield Check("leftovers", "warning", f"{len(written)} unfinished files of a crash", partial(_remove, written))
    locks = [*repository.folder.glob("*.lock"), *(repository.folder / "refs").rglob("*.lock")]
    old = [lock for lock in locks if _old(session, lock)]
    for lock in locks:
        mend = (lambda: _remove(old)) if lock in old else None
        yield Check("leftovers", "bad", f"{lock}: git holds it, or a crash left it", mend)
    objects = repository.objects()
    shown = checkout.of(repository, objects)
    tip = repository.tip()
    if shown and shown.shown() not in (None, (tip, tip, [])):
        yield Check("leftovers", "warning", "the checkout is behind the ledger", lambda: shown.repair(repository.tip()))
