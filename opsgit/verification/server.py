"""Servers: a bare repository whose pre-receive hook is the rule book's third door."""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from opsgit.domain.findings import Finding
from opsgit.domain.refusals import refuse
from opsgit.storage import git
from opsgit.storage.disk import need_empty
from opsgit.storage.repository import Repository
from opsgit.verification import push

# What git hands over in pre-receive: without these the pushed objects cannot be seen.
QUARANTINE = ("GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_QUARANTINE_PATH")
SETTINGS = {
    "receive.fsckObjects": "true",
    "core.hooksPath": "hooks",  # seen from the git folder; no other configuration sends git elsewhere
    "receive.denyNonFastForwards": "false",  # the hook knows which branches may be replaced, and says why not
    "receive.denyDeletes": "false",
    "receive.denyCurrentBranch": "refuse",
    "receive.maxInputSize": str(256 * 1024 * 1024),
    "receive.unpackLimit": "1000",
    "transfer.hideRefs": "refs/opsgit",
    "core.logAllRefUpdates": "always",
}
HELD_MAX = 10.0  # seconds
OBJECTS_MAX, SIZE_MAX, TREE_MAX = 2_000_000, 262_144, 16 * 1024 * 1024


def init(folder: Path) -> Path:
    """Make a bare repository that judges what is pushed."""
    need_empty(folder, f"opsgit server install {folder}")
    git.make_repository(folder, bare=True)
    return install(folder)


def install(folder: Path) -> Path:
    """Make an existing bare repository judge what is pushed; a hook that is there is called before ours."""
    if not (folder / "objects").is_dir() or not (folder / "HEAD").is_file():
        refuse("NO_REPOSITORY", f"{folder} is no bare repository", "opsgit server init DIR.git")
    (folder / "hooks").mkdir(exist_ok=True)
    hook, chained = folder / "hooks" / "pre-receive", folder / "hooks" / "pre-receive.chained"
    if hook.exists() and "opsgit" not in hook.read_text(errors="replace"):
        hook.rename(chained)
    hook.write_text(HOOK.format(python=shlex.quote(sys.executable)))
    hook.chmod(0o755)
    git.configure(folder, SETTINGS)
    return folder


# -I: nothing of the pusher's environment or folder reaches the interpreter.
HOOK = """\
#!/bin/sh
# opsgit: every push is judged by the rule book before it is let in. Installed by `opsgit server install`.
umask 077
updates=$(cat)
if [ -x hooks/pre-receive.chained ]; then printf '%s\\n' "$updates" | hooks/pre-receive.chained || exit 1; fi
printf '%s\\n' "$updates" | {python} -I -m opsgit server judge "$PPID" || exit 1
"""


def judge(folder: Path, lines: Iterable[str], receiver: int | None = None) -> list[Finding]:
    """What is wrong with a push, in the words of pre-receive's input: `old new ref` a line.

    Pushes are judged and taken one at a time: what a push was judged by must still be so when git moves the refs.

    :param receiver: the process that moves the refs when nothing is wrong; the next push waits until it has ended.
    """
    updates = [(old, new, ref) for old, new, ref in (line.rstrip("\n").split(" ", 2) for line in lines)]
    repository = Repository(folder.resolve(), None)
    env = {name: os.environ[name] for name in QUARANTINE if name in os.environ}
    with repository.lock_pushes():
        try:
            findings = _limits(repository, updates, env)
            findings = findings or push.pushed(repository, updates, env, int(time.time()), _pusher(repository))
        finally:
            repository.close()
        if receiver and not findings:
            _hold_while(receiver)
    return findings


def _hold_while(process: int) -> None:
    """Leave a child behind that keeps our lock (it shares the open file) until a process has ended.

    Nothing but moving the refs is left to it; one that lingers (its client does not listen) does not stop the others.
    """
    if os.fork():
        return
    try:
        nothing = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):  # git waits until nobody can write to the hook's output
            os.dup2(nothing, stream)
        os.setsid()
        end = time.monotonic() + HELD_MAX
        while time.monotonic() < end:
            os.kill(process, 0)
            time.sleep(0.005)
    except ProcessLookupError:
        pass  # the refs are moved
    finally:
        os._exit(0)


def _limits(repository: Repository, updates: list[tuple[str, str, str]], env: dict[str, str]) -> list[Finding]:
    """Refuse before reading what is too much or too large to be a ledger's."""
    new = [after for _, after, _ in updates if after.strip("0")]
    if not new:
        return []
    run = repository.git.run
    repository.git.extra.update(env)
    listed = run("rev-list", "--objects", "--stdin", "--not", "--all", given="\n".join(new).encode() + b"\n")
    ids = [line.partition(b" ")[0] for line in listed.splitlines()]
    if len(ids) > OBJECTS_MAX:
        return [Finding("TOO_LARGE", new[0], f"{len(ids)} new objects; at most {OBJECTS_MAX} are taken in one push")]
    form = "--batch-check=%(objectsize) %(objecttype) %(objectname)"
    for line in run("cat-file", form, given=b"\n".join(ids) + b"\n").decode().splitlines() if ids else ():
        size, kind, name = line.split(" ")
        most = TREE_MAX if kind == "tree" else SIZE_MAX
        if int(size) > most:
            return [Finding("TOO_LARGE", new[0], f"{kind} {name[:10]} has {size} bytes; at most {most} are taken")]
    return []


def _pusher(repository: Repository) -> str | None:
    """Who pushes: the value of the variable that the server's own configuration names, and nothing else.

    `opsgit.pusherVariable` is, for instance, REMOTE_USER behind a web server, or a variable that authorized_keys sets.
    """
    found = repository.git.setting("opsgit.pusherVariable")
    if not found:
        return None
    return os.environ.get(found) or "(nobody)"
