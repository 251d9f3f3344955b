"""Access to git: plumbing commands for what is frequent, GitPython to clone and to write configuration.

The plumbing commands run in a controlled environment; a clone by GitPython uses the user's own environment.
"""

from __future__ import annotations

import contextlib
import os
import re
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, BinaryIO, NamedTuple, NoReturn

from opsgit.domain.refusals import refuse

if TYPE_CHECKING:
    import subprocess


AT_ONCE = 200  # names that are given to git before its answers are read: less than a pipe holds
KEPT = ("PATH", "HOME", "TMPDIR", "SSH_AUTH_SOCK", "XDG_CONFIG_HOME", "LD_LIBRARY_PATH")
SCRUBBED = {
    "LC_ALL": "C",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_GRAFT_FILE": os.devnull,
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_ALLOW_PROTOCOL": "",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ADVICE": "0",
}


# These override settings in the clone's own configuration that would change git's output.
SETTINGS = (
    "log.showSignature=false",
    "log.mailmap=false",
    "color.ui=false",
    "core.quotePath=false",
    "i18n.logOutputEncoding=UTF-8",
    "core.fsmonitor=false",
    "core.commitGraph=false",  # that file lists parents, and no hash protects it
    "diff.orderFile=/dev/null",
    "core.hooksPath=/dev/null",  # opsgit's own commits are judged already, and no hook of a clone is run by it
)
FIXED = tuple(word for setting in SETTINGS for word in ("-c", setting))


ALTERNATES = "GIT_ALTERNATE_OBJECT_DIRECTORIES"
PIECE = 256 * 1024  # bytes that are read from git at once
READ_MAX = 64 * 1024 * 1024


class Object(NamedTuple):
    """A git object: `id` (40 or 64 hex digits), `type` (blob, tree, commit or tag) and `content`."""

    id: str
    type: str
    content: bytes


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment of a git process, without user or system configuration, replacements, grafts and network.

    :param more: variables to add.
    """
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    return {**kept, **SCRUBBED, **(more or {})}


def object_id(kind: str, content: bytes, width: int = 40) -> str:
    """Return the id (hex) that git gives to an object.

    :param kind: the type of the object: blob, tree or commit.
    :param content: the bytes of the object without git's header.
    :param width: 40 in a SHA-1 repository, 64 in a SHA-256 repository.
    """
    import hashlib  # takes 8 ms, and many commands read no object

    framed = b"%s %d\0%s" % (kind.encode(), len(content), content)
    hasher = hashlib.sha1(framed, usedforsecurity=False) if width == 40 else hashlib.sha256(framed)
    return hasher.hexdigest()


class Git:
    """Runs git on one repository. `folder` is its git folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.extra: dict[str, str] = {}  # variables by which git shows a server's hook the objects of a push
        self._batch: subprocess.Popen[bytes] | None = None
        self._end: Callable[[], object] = lambda: None
        self._aside = ""
        self._packed: tuple[tuple[int, int, int] | None, bytes] = (None, b"")

    def run(self, *words: str, given: bytes | None = None, env: Mapping[str, str] | None = None) -> bytes:
        """Run a git command and return its standard output.

        :param words: the arguments after `git`.
        :param given: bytes for standard input.
        :param env: variables to add to the environment.
        :raises Refused: `TOOL_FAILED` if the command fails.
        """
        done = self.attempt(*words, given=given, env=env)
        if done.returncode:
            _failed(self.folder, words[0], done.stderr)
        return done.stdout

    def attempt(
        self, *words: str, given: bytes | BinaryIO | None = None, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a git command and return the finished process, whatever its exit code is.

        :param given: bytes for standard input, or a file that is read from its present position.
        :raises Refused: `TOOL_FAILED` if git is not installed.
        """
        command = ["git", f"--git-dir={self.folder}", *FIXED, *words]
        return _run(command, environment({**self.extra, **(env or {})}), given or b"")

    @contextlib.contextmanager
    def beside(self, *words: str, given: bytes, env: Mapping[str, str]) -> Iterator[None]:
        """Run a git command while the caller does something that does not need it.

        :param words: the arguments after `git`.
        :param given: bytes for standard input.
        :param env: variables to add to the environment.
        :raises Refused: `TOOL_FAILED` if the command fails.
        """
        import subprocess

        command, pipe = ["git", f"--git-dir={self.folder}", *FIXED, *words], subprocess.PIPE
        process = _started(command, environment({**self.extra, **env}), stdin=pipe, stdout=pipe, stderr=pipe)
        assert process.stdin
        try:
            with contextlib.suppress(BrokenPipeError), process.stdin as stdin:  # else it has failed, and says why
                stdin.write(given)
            process.stdin = None
            yield
        finally:
            _, said = process.communicate()
        if process.returncode:
            _failed(self.folder, words[0], said)

    def stream(self, *words: str, end: bytes) -> Iterator[bytes]:
        """Run a git command, and yield the parts of its standard output while it runs.

        :param end: what ends each part; it is not returned.
        :raises Refused: `TOOL_FAILED` if the command fails.
        """
        import subprocess
        import tempfile

        command = ["git", f"--git-dir={self.folder}", *FIXED, *words]
        with tempfile.TemporaryFile() as said:
            with _started(command, environment(self.extra), stdout=subprocess.PIPE, stderr=said) as process:
                assert process.stdout
                try:
                    yield from _parts(process.stdout, end)
                except GeneratorExit:
                    process.kill()
                    raise
            if process.returncode:
                said.seek(0)
                _failed(self.folder, words[0], said.read())

    def get(self, name: str) -> Object | None:
        """Return an object after checking that its content has its id; None if there is no such object.

        :param name: an object id or a revision.
        :raises Refused: `REPOSITORY_BROKEN` if git cannot read the repository or the content does not match the id;
            `TOO_LARGE` above 64 MiB; `TOOL_FAILED` if git is not installed.
        """
        return self.get_all([name])[0] if "\n" not in name else None

    def get_all(self, wanted: Sequence[str]) -> list[Object | None]:
        """Return objects as `get` does, which waits for git once for all of them.

        :param wanted: object ids or revisions, without newlines.
        """
        pipe, found = self._pipe(), list[Object | None]()
        assert pipe.stdin and pipe.stdout
        for start in range(0, len(wanted), AT_ONCE):  # git must not wait for us to read while we wait for it to read
            names = wanted[start : start + AT_ONCE]
            try:
                pipe.stdin.write(b"".join(os.fsencode(name) + b"\n" for name in names))
                pipe.stdin.flush()
            except BrokenPipeError:
                self._unreadable()
            found += [self._answer(name, pipe.stdout) for name in names]
        return found

    def _answer(self, name: str, stream: IO[bytes]) -> Object | None:
        head = stream.readline().split()
        if not head:
            self._unreadable()
        if head[-1] in (b"missing", b"ambiguous") or len(head) != 3:
            return None
        return self._body(name, head, stream)

    def _unreadable(self) -> NoReturn:
        refuse("REPOSITORY_BROKEN", f"git cannot read {self.folder}: {self._abandon()}", "git fsck --full")

    def _body(self, name: str, head: list[bytes], stream: IO[bytes]) -> Object:
        found, kind, size = head[0].decode(), head[1].decode(), int(head[2])
        if size > READ_MAX:
            self._abandon()
            refuse("TOO_LARGE", f"object {found[:10]} has {size} bytes; a ledger has none like that", "git fsck --full")
        content = stream.read(size)
        stream.read(1)
        if object_id(kind, content, len(found)) != found:
            self._abandon()
            refuse(
                "REPOSITORY_BROKEN", f"object {found} ({name}) does not have the content of its id", "git fsck --full"
            )
        return Object(found, kind, content)

    def start(self) -> None:
        """Start the process that reads objects, for a caller that will need it soon: it starts beside other work.

        :raises Refused: `TOOL_FAILED` if git is not installed.
        """
        self._pipe()

    def _pipe(self) -> subprocess.Popen[bytes]:
        if self._batch is None:
            import subprocess

            command = ["git", f"--git-dir={self.folder}", *FIXED, "cat-file", "--batch"]
            pipe = subprocess.PIPE
            # A group of its own: Ctrl-C must reach opsgit only, which ends this process itself.
            self._batch = _started(
                command, environment(self.extra), stdin=pipe, stdout=pipe, stderr=pipe, process_group=0
            )
            self._end = weakref.finalize(self, _ended, self._batch)  # for callers that do not call close
        return self._batch

    def _abandon(self) -> str:
        """End the process that reads objects, whatever it still has to answer, and return what it said on stderr.

        The next request starts another one.
        """
        assert self._batch and self._batch.stderr
        self._batch.kill()
        words = self._batch.stderr.read().decode(errors="replace").strip()[-300:]
        self.close()
        return words

    def look_into(self, folder: Path | None) -> None:
        """Read objects from one more folder from now on, such as `objects` of another repository; None: no longer.

        It comes before the folders that `extra` names already, which are a push's.
        """
        theirs = self.extra.get(ALTERNATES, "").split(os.pathsep)
        self.extra.pop(ALTERNATES, None)
        places = [str(folder)] if folder else []
        places += [one for one in theirs if one and one != self._aside]
        self._aside = str(folder) if folder else ""
        if places:
            self.extra[ALTERNATES] = os.pathsep.join(places)
        self.close()

    def close(self) -> None:
        """End the git process that reads objects."""
        self._end()
        self._batch = None

    def setting(self, name: str, everywhere: bool = False) -> str | None:
        """Return a value of the repository's own configuration, None if it is not set.

        :param name: the dotted name, such as `user.name`.
        :param everywhere: read the user's and the system's configuration as well, as git does by itself.
        """
        if everywhere:
            done = _run(["git", f"--git-dir={self.folder}", "config", "--get", name], os.environ)
        else:
            done = self.attempt("config", "--local", "--get", name)
        return done.stdout.decode(errors="replace").strip() if done.returncode == 0 else None

    def seen_by_the_user(self, *words: str) -> str:
        """Return what plain git says, with the user's own configuration; empty if it fails."""
        done = _run(["git", f"--git-dir={self.folder}", *words], os.environ)
        return done.stdout.decode(errors="replace").strip() if done.returncode == 0 else ""

    def refuses(self, place: Path) -> bool:
        """Return whether git does not open a repository because of its owner; `safe.directory` is asked too.

        :param place: the top of the checkout, or the git folder of a bare repository.
        """
        done = _run(["git", "-C", str(place), "rev-parse", "--git-dir"], {**os.environ, "LC_ALL": "C"})
        return bool(done.returncode) and b"dubious ownership" in done.stderr

    def refs(self, *patterns: str, merged: str | None = None) -> dict[str, str]:
        """Return refs by their full names, each with the hex id that it points to.

        :param patterns: full names, or the folders that they are in, such as `refs/heads`; none: all refs.
        :param merged: only those that are in the history of this commit.
        :raises Refused: `TOOL_FAILED` if git fails.
        """
        within = [f"--merged={merged}"] if merged else []
        out = self.run("for-each-ref", "--format=%(objectname) %(refname)", *within, *patterns)
        lines = (line.split(" ", 1) for line in out.decode("utf-8", "replace").splitlines())
        return {name: tip for tip, name in lines}

    def symbolic_refs(self) -> dict[str, str]:
        """Return the refs that are other names of a ref, each with the full name of that one.

        :raises Refused: `TOOL_FAILED` if git fails.
        """
        out = self.run("for-each-ref", "--format=%(symref) %(refname)")
        lines = (line.split(" ", 1) for line in out.decode("utf-8", "replace").splitlines())
        return {name: target for target, name in lines if target}

    def ref(self, name: str) -> str | None:
        """Return the hex id of the commit that a ref points to, or None.

        :param name: the full name, such as `refs/heads/main`.
        """
        loose = self.folder / name
        with contextlib.suppress(FileNotFoundError, IsADirectoryError, NotADirectoryError):
            words = loose.read_text(errors="replace").strip()
            if len(words) in (40, 64) and not words.startswith("ref:") and not loose.is_symlink():
                return words
        if not loose.exists():
            content = self._packed_refs()
            end = content.find(b" %s\n" % os.fsencode(name))
            found = content[content.rfind(b"\n", 0, end) + 1 : end] if end >= 0 else b""
            if re.fullmatch(rb"[0-9a-f]{40}|[0-9a-f]{64}", found):
                return found.decode()
        if not loose.exists() and not (self.folder / "reftable").exists():
            return None  # this saves a process
        # asked for exactly: to most commands, a tag of the name refs/heads/main would do as well
        done = self.attempt("show-ref", "--verify", "--hash", name)
        return done.stdout.decode().strip() if done.returncode == 0 else None

    def _packed_refs(self) -> bytes:
        """Return the file of the packed refs; it is read again when it changed."""
        try:
            now = (self.folder / "packed-refs").stat()
        except FileNotFoundError:
            return b""
        mark = (now.st_mtime_ns, now.st_size, now.st_ino)
        if self._packed[0] != mark:
            self._packed = mark, (self.folder / "packed-refs").read_bytes()
        return self._packed[1]


def _failed(folder: Path, command: str, said: bytes) -> NoReturn:
    words = said.decode(errors="replace").strip()
    refuse("TOOL_FAILED", f"git {command} failed: {words[-500:]}", f"git -C {folder} fsck")


def _parts(stream: IO[bytes], end: bytes) -> Iterator[bytes]:
    """Yield the parts of a stream that a mark ends; what follows the last mark is one too, if there is anything."""
    left = b""
    while some := stream.read(PIECE):
        *whole, left = (left + some).split(end)
        yield from whole
    if left:
        yield left


def _run(
    command: list[str], env: Mapping[str, str], given: bytes | BinaryIO = b""
) -> subprocess.CompletedProcess[bytes]:
    import subprocess

    stdin: dict[str, Any] = {"input": given} if isinstance(given, bytes) else {"stdin": given}
    try:
        return subprocess.run(command, **stdin, capture_output=True, check=False, env=env)
    except FileNotFoundError:
        _not_installed()


def _started(command: list[str], env: Mapping[str, str], **pipes: Any) -> subprocess.Popen[bytes]:
    import subprocess

    try:
        return subprocess.Popen(command, env=env, **pipes)
    except FileNotFoundError:
        _not_installed()


def _not_installed() -> NoReturn:
    refuse("TOOL_FAILED", "git is not installed", "install git 2.34 or newer")


def _ended(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(BrokenPipeError):  # the process has already ended
        process.communicate()


def make_repository(folder: Path, bare: bool = False) -> None:
    """Create a git repository with HEAD on main and without templates.

    :raises Refused: `DISK` if git cannot create it; `TOOL_FAILED` if git is not installed.
    """
    command = ["git", "init", "-q", "--template=", "-b", "main", *(["--bare"] if bare else []), str(folder)]
    done = _run(command, environment())
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()
        refuse("DISK", f"git could not make {folder}: {said}", "look at the folder and its rights")


def configure(folder: Path, settings: Mapping[str, str]) -> None:
    """Set values in a repository's own git configuration (through GitPython).

    :param folder: the git folder.
    :param settings: values by dotted name, such as `gpg.ssh.allowedSignersFile`.
    """
    from git import GitConfigParser

    with GitConfigParser(str(folder / "config"), read_only=False) as config:
        for dotted, value in settings.items():
            section, _, option = dotted.rpartition(".")
            head, _, sub = section.partition(".")
            config.set_value(f'{head} "{sub}"' if sub else head, option, value)


def copy_history(source: Path, commit: str, to: Path) -> None:
    """Copy a commit with its history into a new bare repository, as its branch main.

    git computes the id of every object anew, so that the copy holds what the id names whatever the source holds.

    :param source: the git folder to copy from.
    :param commit: the full hex id.
    :param to: the folder of the new repository.
    :raises Refused: `DELIVERABLE_MISSING` if the source does not hold all of it; also as `make_repository`.
    """
    import subprocess

    make_repository(to, bare=True)
    pipe, env = subprocess.PIPE, environment()
    command = ["git", f"--git-dir={source}", *FIXED, "pack-objects", "--revs", "--stdout", "-q"]
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, env=env) as pack:
        assert pack.stdin and pack.stdout
        pack.stdin.write(f"{commit}\n".encode())
        pack.stdin.close()
        take = ["git", f"--git-dir={to}", "index-pack", "--stdin"]
        subprocess.run(take, stdin=pack.stdout, capture_output=True, check=False, env=env)
    copy = Git(to)
    whole = copy.attempt("rev-list", "--objects", commit).returncode == 0
    if not whole or copy.attempt("update-ref", "refs/heads/main", commit).returncode:
        refuse("DELIVERABLE_MISSING", f"{source} does not hold all of commit {commit[:10]}", f"git -C {source} fsck")
