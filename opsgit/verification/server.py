"""Servers: bare repositories whose pre-receive hook verifies every push. Read it for installation and limits."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

from opsgit.domain import names
from opsgit.domain.findings import Finding
from opsgit.domain.refusals import refuse
from opsgit.storage import git
from opsgit.storage.disk import need_empty
from opsgit.storage.repository import Repository
from opsgit.verification import hooks, push

# The variables that git sets in pre-receive; without them the pushed objects cannot be read.
QUARANTINE = ("GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_QUARANTINE_PATH")
SETTINGS = {
    "receive.fsckObjects": "true",
    "core.hooksPath": "hooks",  # relative to the git folder; overrides a path in global configuration
    "receive.denyNonFastForwards": "false",  # the hook decides which branches may be replaced, and gives a reason
    "receive.denyDeletes": "false",
    "receive.denyCurrentBranch": "refuse",
    "receive.maxInputSize": str(256 * 1024 * 1024),
    "receive.unpackLimit": "1000",
    "transfer.hideRefs": "refs/opsgit/kept",
    "core.logAllRefUpdates": "always",
}
REFS_MAX = 1000  # refs in one push
JUDGE_SECONDS = 600  # for one push; `opsgit.judgeSeconds` in the server's git configuration is another limit
HELD_MAX = 10.0  # seconds for which the lock is held at most after a push was accepted
ATTACHED_MAX = 64 * 1024 * 1024  # bytes of one attached file; the policy has a limit for all files of one version
OBJECTS_MAX, SIZE_MAX, TREE_MAX = 2_000_000, 262_144, 16 * 1024 * 1024


def init(folder: Path) -> Path:
    """Create a bare repository that verifies every push.

    :returns: the folder.
    :raises Refused: `ALREADY_A_REPOSITORY` when the folder is not empty.
    """
    need_empty(folder, f"opsgit server install {folder}")
    git.make_repository(folder, bare=True)
    return install(folder)


def install(folder: Path, settings: Mapping[str, str] = SETTINGS) -> Path:
    """Install the pre-receive hook in an existing bare repository. The hook of another program is called first.

    :param folder: the git folder.
    :param settings: git's configuration for it.
    :returns: the folder.
    :raises Refused: `NO_REPOSITORY`; as `hooks.place`.
    """
    if git.Git(folder).setting("core.bare") != "true":  # a checkout would not follow what is pushed
        refuse("NO_REPOSITORY", f"{folder} is no bare repository", "opsgit server init DIR.git, then git push there")
    hooks.place(folder / "hooks/pre-receive", MARK, HOOK.format(mark=MARK, python=hooks.PYTHON))
    git.configure(folder, settings)
    return folder


# -I: Python ignores the pusher's PYTHON* variables and the current folder.
MARK = "# opsgit: every push is judged by the rule book before it is let in. Installed by `opsgit server install`."
HOOK = """\
#!/bin/sh
{mark}
umask 077
updates=$(cat)
if [ -x hooks/pre-receive.chained ]; then printf '%s\\n' "$updates" | hooks/pre-receive.chained || exit 1; fi
printf '%s\\n' "$updates" | {python} -I -m opsgit server judge "$PPID" || exit 1
"""


Refs = dict[str, str]


def judge(
    folder: Path,
    lines: Iterable[str],
    receiver: int | None = None,
    refs: Callable[[git.Git], Refs] = git.Git.refs,
    ledger: Callable[[Path, Refs], AbstractContextManager[Path]] = lambda folder, refs: nullcontext(folder),
    alone: bool = True,
) -> list[Finding]:
    """Return what is wrong with a push; an empty list when it may be accepted.

    Pushes are accepted one at a time, so that no ref moves between the verification and the update by git. They are
    judged before that, without the lock: a push that is refused, or that takes long, keeps nobody waiting. If refs have
    moved meanwhile, the push is judged again, without the lock too.

    :param lines: the input of pre-receive: `old new ref` on each line.
    :param receiver: the id of the process that updates the refs; an accepted push keeps the lock until it ends.
    :param refs: reads the refs of the ledger.
    :param ledger: gives the git folder in which the ledger is judged, with those refs.
    :param alone: whether these are all refs of the push; if not, its objects may be those of the others.
    :raises Refused: the codes with exit code 1 or 9, when the push could not be judged (`TOO_SLOW` among them).
    """
    updates = [(old, new, ref) for old, new, ref in (line.rstrip("\n").split(" ", 2) for line in lines)]
    if len(updates) > REFS_MAX:
        why = f"{len(updates)} refs in one push; at most {REFS_MAX} are taken"
        return [Finding("TOO_LARGE", updates[0][1], why)]
    repository = Repository(folder.resolve(), None)
    pusher = _pusher(repository)
    with _bounded(int(repository.git.setting("opsgit.judgeSeconds") or JUDGE_SECONDS), receiver):
        while True:
            seen = refs(repository.git)
            with ledger(repository.folder, seen) as place:
                findings = _judged(place, updates, pusher, alone)
            if findings:
                return findings
            with repository.lock_pushes():
                if refs(repository.git) == seen:
                    if receiver:
                        _hold_while(receiver)
                    return []


def _judged(folder: Path, updates: list[tuple[str, str, str]], pusher: str | None, alone: bool) -> list[Finding]:
    repository = Repository(folder, None)
    env = {name: os.environ[name] for name in QUARANTINE if name in os.environ}
    try:
        findings = _limits(repository, updates, env, alone)
        return findings or push.pushed(repository, updates, env, int(time.time()), pusher)
    finally:
        repository.close()


@contextmanager
def _bounded(seconds: int, receiver: int | None) -> Iterator[None]:
    """End the judgement after a time, or when the process that updates the refs has ended, because nobody listens then.

    :param seconds: the time limit.
    :raises Refused: `TOO_SLOW` after that time.
    """
    end = time.monotonic() + seconds

    def tick(*_: object) -> None:
        try:
            os.kill(receiver or os.getpid(), 0)
        except ProcessLookupError:
            os._exit(1)
        if time.monotonic() > end:
            hint = "git push origin COMMIT:main, with fewer commits; or there: git config opsgit.judgeSeconds N"
            refuse("TOO_SLOW", f"the push was not judged within {seconds} seconds", hint)

    old = signal.signal(signal.SIGALRM, tick)
    signal.setitimer(signal.ITIMER_REAL, 1, 1)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)


def _hold_while(process: int) -> None:
    """Start a child process that keeps the lock (it shares the open file) until a process has ended.

    It waits for `HELD_MAX` seconds at most, so that a client that does not read its answer does not block other pushes.
    """
    if os.fork():
        return
    try:
        nothing = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):  # git waits until no process has the hook's output open
            os.dup2(nothing, stream)
        os.setsid()
        end = time.monotonic() + HELD_MAX
        while time.monotonic() < end:
            os.kill(process, 0)
            time.sleep(0.005)
    except ProcessLookupError:
        pass  # the receiver has ended, so the refs are updated
    finally:
        os._exit(0)


def _limits(
    repository: Repository, updates: list[tuple[str, str, str]], env: dict[str, str], alone: bool
) -> list[Finding]:
    """Return a finding for a push with too many or too large objects, before the objects are read."""
    new = [(ref, after) for _, after, ref in updates if after.strip("0")]
    if not new:
        return []
    repository.git.extra.update(env)
    reached: set[str] = set()
    first = new[0][1]
    for attached, most in ((False, SIZE_MAX), (True, ATTACHED_MAX)):
        ids = _new_objects(repository, [tip for ref, tip in new if ref.startswith(names.ATTACHMENTS) == attached])
        reached |= ids
        why = _too_large(repository, ids, most)
        if why:
            return [Finding("TOO_LARGE", first, why)]
    return _unreachable(repository, reached, first, env) if alone else []


def _new_objects(repository: Repository, tips: list[str]) -> set[str]:
    """Return the ids of the objects that tips reach and no ref here does."""
    given = "\n".join(tips).encode() + b"\n"
    listed = repository.git.run("rev-list", "--objects", "--stdin", "--not", "--all", given=given) if tips else b""
    return {line.partition(b" ")[0].decode() for line in listed.splitlines()}


def _too_large(repository: Repository, ids: set[str], most: int) -> str:
    """Return what is too large about new objects; empty if nothing is.

    :param most: the most bytes of a blob or commit.
    """
    if len(ids) > OBJECTS_MAX:
        return f"{len(ids)} new objects; at most {OBJECTS_MAX} are taken in one push"
    form = "--batch-check=%(objectsize) %(objecttype) %(objectname)"
    given = "\n".join(sorted(ids)).encode() + b"\n"
    for line in repository.git.run("cat-file", form, given=given).decode().splitlines() if ids else ():
        size, kind, name = line.split(" ")
        limit = TREE_MAX if kind == "tree" else most
        if int(size) > limit:
            return f"{kind} {name[:10]} has {size} bytes; at most {limit} are taken"
    return ""


def _unreachable(repository: Repository, reached: set[str], new: str, env: dict[str, str]) -> list[Finding]:
    """Return a finding for a push that brings objects which no new ref reaches: the server would keep them for ever.

    git may send again what the server has already; only what it lacks counts.

    :param reached: the ids of the objects that the new refs reach and the old ones do not.
    """
    brought = env.get("GIT_OBJECT_DIRECTORY")
    if not brought or "GIT_QUARANTINE_PATH" not in env:
        return []
    listing = ("cat-file", "--batch-all-objects", "--batch-check=%(objectname)", "--unordered")
    plain = git.Git(repository.folder)
    alone = {"GIT_OBJECT_DIRECTORY": brought, "GIT_ALTERNATE_OBJECT_DIRECTORIES": ""}
    odd = set(plain.run(*listing, env=alone).decode().split()) - reached
    asked = "\n".join(sorted(odd)).encode() + b"\n"
    known = plain.run("cat-file", "--batch-check", given=asked).decode().splitlines() if odd else []
    lacking = [line.split(" ")[0] for line in known if line.endswith(" missing")]
    if not lacking:
        return []
    why = (
        f"{len(lacking)} objects that no ref of the push reaches, such as {lacking[0][:10]}; git also sends those of a "
        "ref that it rejected itself: git fetch, then push again"
    )
    return [Finding("TOO_LARGE", new, why)]


def _pusher(repository: Repository) -> str | None:
    """Return the name of the agent that pushes, from the variable that the server's own configuration names.

    `opsgit.pusherVariable` names it: for example REMOTE_USER behind a web server, or a variable set in authorized_keys.
    """
    found = repository.git.setting("opsgit.pusherVariable")
    if not found:
        return None
    return os.environ.get(found) or "(nobody)"
