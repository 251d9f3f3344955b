"""The remote of a clone: fetch from it and push to it, through GitPython in the user's own environment."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from opsgit.domain.refusals import CODES, Refused, refuse
from opsgit.domain.values import Value, positional
from opsgit.storage.journal import journal
from opsgit.storage.repository import OWN, Repository

if TYPE_CHECKING:
    from git import RemoteProgress, Repo
    from git.exc import GitCommandError

NAME = "origin"
TRACKED = f"refs/remotes/{NAME}/"
HEADS = "refs/heads/"
SAID = re.compile(r"opsgit: ([A-Z][A-Z_]+): (.*)")
HELD = re.compile(r"\.lock': File exists|cannot lock ref 'refs/remotes")
PATIENCE = 5.0  # seconds for which a fetch is tried again while another git, such as a killed writer's, moves its refs
STALE = 10.0  # seconds after which the lock of a ref at a remote on this machine is one that a crash has left
TAKEN, LOST, REFUSED, UNKNOWN = "taken", "lost", "refused", "unknown"
# What is said while git works: what it does, how much of it is done, and how much there is.
Progress = Callable[[str, int, int], None]


class Move(NamedTuple):
    """The change of one ref at the remote. `before` is None for a new ref, `after` is None for a deletion (hex ids)."""

    ref: str
    before: str | None
    after: str | None


class Answer(NamedTuple):
    """The remote's answer to a push.

    `state` is `taken`; `lost`: a ref was moved by somebody else; `refused`: the remote does not want it; or `unknown`:
    the connection ended before the answer. `code` is opsgit's code if the remote gave one; `said` is its message.
    """

    state: str
    code: str = ""
    said: str = ""


def specs(lead: str = "") -> list[str]:
    """Return what is fetched: main and the review branches.

    :param lead: how the branches of the ledger begin at the remote: `opsgit/` in a code repository, else empty.
    """
    return [f"+{HEADS}{lead}main:{TRACKED}main", f"+{HEADS}{lead}review/*:{TRACKED}review/*"]


def tracked(ref: str) -> str:
    """Return the full name of the ref that holds what was last fetched of a branch.

    :param ref: the full name of the branch, such as `refs/heads/main`.
    """
    return TRACKED + ref.removeprefix("refs/heads/")


@positional
class Remote(Value):
    """The remote `origin` of a clone.

    :param folder: the git folder of the clone.
    :param url: its URL, for messages.
    :param progress: receives progress; None: nothing is said.
    :param lead: how the branches of the ledger begin there: `opsgit/` in a code repository, else empty.
    """

    folder: Path
    url: str
    progress: Progress | None = None
    lead: str = ""

    def fetch(self) -> bool:
        """Fetch main and the review branches, and forget the review branches that are gone there.

        :returns: whether the remote has a main; without one nothing is fetched.
        :raises Refused: `UNREACHABLE`; `DISK` if the disk is full; `BUSY` if git holds a lock here.
        """
        return self._fetch(specs(self.lead), prune=True)

    def fetch_ref(self, ref: str) -> bool:
        """Fetch one ref into the ref of the same name.

        :param ref: its full name.
        :returns: whether the remote has it.
        :raises Refused: as `fetch`.
        """
        return self._fetch([f"+{ref}:{ref}"])

    def refs(self, lead: str) -> dict[str, str]:
        """Return the refs of the remote that begin with `lead`, each with the hex id that it points to.

        :raises Refused: `UNREACHABLE`.
        """
        from git.exc import GitCommandError

        with self._opened() as repo:
            try:
                lines = str(repo.git.ls_remote("--", self.url, f"{lead}*")).splitlines()
            except GitCommandError as error:
                self._failed(error)
        pairs = (line.split("\t", 1) for line in lines)
        return {name: tip for tip, name in pairs}

    def _fetch(self, asked: list[str], **more: Any) -> bool:
        """Fetch, and try again while another git moves the same refs; returns False if the first ref is not there."""
        from git.exc import GitCommandError

        options: dict[str, Any] = {"no_tags": True, "no_auto_maintenance": True, **more}
        wanted = asked[0].removeprefix("+").partition(":")[0]
        end = time.monotonic() + PATIENCE
        while True:
            try:
                with journal(self.folder / OWN), self._opened() as repo:
                    repo.remote(NAME).fetch(refspec=asked, progress=self._progress(), **options)
                return True
            except GitCommandError as error:
                if f"couldn't find remote ref {wanted}" in str(error.stderr):
                    return False
                if time.monotonic() > end or not HELD.search(str(error.stderr)):
                    self._failed(error)
            time.sleep(0.05)

    def push(self, moves: Iterable[Move]) -> Answer:
        """Move refs at the remote, all or none, each only from its old value.

        :raises Refused: `DISK` or `BUSY` if git failed here.
        """
        from git.cmd import handle_process_output
        from git.exc import GitCommandError

        asked = tuple(move._replace(ref=self._there(move.ref)) for move in moves)
        leases = [f"{move.ref}:{move.before or ''}" for move in asked]
        wanted = [f"{move.after or ''}:{move.ref}" for move in asked]
        heard, refs = _listener(self.progress), list[str]()
        with journal(self.folder / OWN), self._opened() as repo:
            options = {"porcelain": True, "atomic": True, "force_with_lease": leases, "progress": True}
            # by its process, because GitPython's Remote.push passes over refs that are given by their ids
            process = repo.git.push("--", NAME, *wanted, as_process=True, universal_newlines=True, **options)
            handle_process_output(process, refs.append, heard.new_message_handler(), decode_streams=False)
            try:
                process.wait(stderr="\n".join(heard.error_lines))
            except GitCommandError as error:
                answer = _answer(refs, heard, _words(error), bool(any(move.after for move in asked)))
                if answer.state == LOST:
                    self._unlock(move.ref for move in asked)
                return answer
        return Answer(TAKEN)

    def _there(self, ref: str) -> str:
        """Return the name that a ref has at the remote."""
        return f"{HEADS}{self.lead}{ref.removeprefix(HEADS)}" if ref.startswith(HEADS) else ref

    def _unlock(self, refs: Iterable[str]) -> None:
        """Remove locks of refs that a killed push has left in a remote on this machine.

        git holds such a lock for milliseconds. Who removes one holds the remote's lock for pushes, so that nobody
        removes a new one that was taken in place of the old.
        """
        place = self._place()
        if place is None:
            return
        with contextlib.suppress(OSError, Refused), Repository(place, None).lock_pushes():
            for lock in [place / "packed-refs.lock", *(place / f"{ref}.lock" for ref in refs)]:
                if lock.exists() and time.time() - lock.stat().st_mtime > STALE:
                    lock.unlink()

    def _place(self) -> Path | None:
        """Return the git folder of the remote if it is a path on this machine, else None."""
        path = Path(self.url.removeprefix("file://"))
        path = path if path.is_absolute() else self.folder.parent / path
        return next((one for one in (path / ".git", path) if (one / "objects").is_dir()), None)

    def _opened(self) -> Repo:
        from git import Repo

        logging.getLogger("git").setLevel(logging.CRITICAL)  # what git says is in our messages
        repo = Repo(self.folder)
        quiet = {} if sys.stdin.isatty() else _no_questions(repo)
        repo.git.update_environment(LC_ALL="C", **_patience(), **quiet)
        return repo

    def _progress(self) -> RemoteProgress | None:
        return _listener(self.progress) if self.progress else None

    def _failed(self, error: GitCommandError) -> NoReturn:
        words = _words(error)
        _refuse_local(words)
        refuse("UNREACHABLE", f"{self.url} could not be reached, and nothing was changed: {words}",
               "try again; --offline keeps an operation here, if its promise needs no remote")  # fmt: skip


def _patience() -> dict[str, str]:
    """Return variables by which git gives up a slow http connection: the clone's lock is held meanwhile."""
    return {"GIT_HTTP_LOW_SPEED_LIMIT": "100", "GIT_HTTP_LOW_SPEED_TIME": "30"}


def _no_questions(repo: Repo) -> dict[str, str]:
    """Return variables by which git and ssh ask nothing, for nobody would answer. The user's ssh command stays."""
    with repo.config_reader() as config:
        set_here = config.get_value("core", "sshCommand", default="")
    own = set_here or os.environ.get("GIT_SSH_COMMAND") or os.environ.get("GIT_SSH")
    ssh = "ssh -o BatchMode=yes -o ConnectTimeout=15 -o ServerAliveInterval=15"
    return {"GIT_TERMINAL_PROMPT": "0", **({} if own else {"GIT_SSH_COMMAND": ssh})}


def _words(error: GitCommandError) -> str:
    text = re.sub(r"^\s*stderr: '|'\s*$", "", str(error.stderr))
    return " ".join(text.split())[-300:]


def _refuse_local(words: str) -> None:
    """Refuse what failed on this machine, and not at the remote."""
    local = "remote:" not in words and "unpack" not in words
    if local and "No space left on device" in words:
        refuse("DISK", f"git could not write here: {words}", "look at free space (df -h)")
    if local and HELD.search(words):
        refuse("BUSY", f"git holds a lock here: {words}", "try again; if no git is running: opsgit doctor --fix")


def _listener(progress: Progress | None) -> Any:
    """Return a receiver of git's progress; its `sent` says whether git has begun to send objects."""
    from git import RemoteProgress

    class Listener(RemoteProgress):
        sent = False

        def update(
            self, op_code: int, cur_count: str | float, max_count: str | float | None = None, message: str = ""
        ) -> None:
            self.sent = self.sent or bool(op_code & RemoteProgress.WRITING)
            if progress:
                what = "sending" if op_code & RemoteProgress.WRITING else "receiving"
                progress(what, int(float(cur_count or 0)), int(float(max_count or 0)))

    return Listener()


def _answer(refs: list[str], heard: Any, words: str, sends: bool) -> Answer:
    """Return the answer that git's words about a failed push mean.

    :param refs: what git said of each ref, in its form for programs: `!`, the ref, and why it was rejected.
    :param heard: the receiver of git's progress.
    :param sends: whether there were objects to send: before they are sent, the remote cannot have taken anything.
    """
    lines = [line.removeprefix("remote: ").strip() for line in heard.error_lines + heard.other_lines]
    said = next((found for found in map(SAID.search, lines) if found and found[1] in CODES), None)
    why = "; ".join(line.strip().split("\t")[-1] for line in refs if line.startswith("!"))
    if said:
        return Answer(REFUSED, said[1], said[2])
    if "[remote rejected]" in why:
        hints = " ".join(line for line in lines if line.startswith("error:") or "reject" in line)
        moved = bool(re.search(r"cannot lock|\.lock': File exists|failed to update ref", f"{why} {hints}"))
        return Answer(LOST if moved else REFUSED, "REF_MOVED" if moved else "", f"{why} {hints}".strip()[-300:])
    if "[rejected]" in why:
        return Answer(LOST, "REF_MOVED", why)
    _refuse_local(words)
    if "dst refspec" in words:  # such as a tag of the branch's full name: git does not know which one is meant
        return Answer(REFUSED, "", words)
    return Answer(REFUSED if sends and not heard.sent else UNKNOWN, "UNREACHABLE", words)
