"""The private keys of the user of this machine: make, find and use them. They are never stored in a repository."""

from __future__ import annotations

import contextlib
import os
import subprocess
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from opsgit.domain.refusals import refuse
from opsgit.domain.values import Value, positional
from opsgit.storage import sshsig
from opsgit.storage.disk import sync_folder

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def data_home() -> Path:
    """Return the XDG data folder."""
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")


@positional
class KeyStore(Value):
    """The keys for one repository id: the files `opsgit/keys/<repository id>/<agent>` in the XDG data folder."""

    repository: str

    @property
    def folder(self) -> Path:
        """The folder that holds the keys."""
        return data_home() / "opsgit" / "keys" / self.repository

    def path(self, agent: str) -> Path:
        """Return the path of an agent's private key."""
        return self.folder / agent

    def holds(self, agent: str) -> bool:
        """Return whether a private key of an agent is here, or a public key whose private key ssh-agent may hold."""
        return self.path(agent).exists() or self.path(f"{agent}.pub").exists()

    def make(self, agent: str) -> str:
        """Make an agent's key and return its public line; a key file that already exists is used.

        :returns: `ssh-ed25519 AAAA...`, without a comment.
        :raises Refused: `KEY_UNFIT` if the existing file has a passphrase, cannot be read or is not an ed25519 key.
        """
        path = self.path(agent)
        if not path.exists():
            self._write(path)
        key = _load(path)
        if key is None:
            refuse("KEY_UNFIT", f"a key that needs a passphrase lies at {path}", f"ssh-keygen -p -f {path}")
        return sshsig.public_line(key.public_key().public_bytes_raw())

    def make_next(self, agent: str) -> str:
        """Make the key that will replace an agent's present key, and return its public line.

        :raises Refused: `KEY_UNFIT` as `make`.
        """
        return self.make(f"{agent}.next")

    def promote(self, agent: str) -> None:
        """Replace an agent's present key by its next key; the present one is renamed to `<agent>.retired-<n>`."""
        path = self.path(agent)
        if path.exists():
            number = sum(1 for _ in self.folder.glob(f"{agent}.retired-*")) + 1
            path.rename(self.path(f"{agent}.retired-{number}"))
        self.path(f"{agent}.next").rename(path)
        sync_folder(self.folder)

    def _write(self, path: Path) -> None:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        form = serialization.PrivateFormat.OpenSSH
        key = Ed25519PrivateKey.generate()
        content = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        part = path.with_name(f".{path.name}.{os.getpid()}")
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):  # another process was first: its key is used
            os.link(part, path)
        part.unlink()
        sync_folder(path.parent)

    def need(self, agent: str) -> None:
        """Refuse what an agent is to sign if its key is not on this machine.

        :raises Refused: `KEY_MISSING`.
        """
        if not self.holds(agent):
            refuse("KEY_MISSING", f"the key of {agent} is not on this machine ({self.path(agent)})",
                   "run the command where the key is, or opsgit agent rotate as an orchestrator")  # fmt: skip

    def sign(self, agent: str, message: bytes, namespace: str = sshsig.GIT) -> str:
        """Return an armored SSH signature by an agent's key.

        :param message: the bytes to sign.
        :param namespace: the SSHSIG namespace: `git` for commits, `opsgit-proof` for a proof of possession.
        :raises Refused: `KEY_MISSING` if the key is not on this machine; `KEY_UNFIT` if it cannot be used;
            `TOOL_FAILED` if ssh-keygen is needed and cannot be run.
        """
        self.need(agent)
        path = self.path(agent)
        key = _load(path) if path.exists() else None
        if key is not None:
            return sshsig.sign(key, message, namespace)
        return _sign_with_keygen(path if path.exists() else self.path(f"{agent}.pub"), message, namespace)


def _load(path: Path) -> Ed25519PrivateKey | None:
    """Return the key in a file, or None if it has a passphrase, so that only ssh-keygen can use it."""
    try:
        now = path.stat()
    except OSError:
        return _read(path, ())  # says what is wrong
    return _read(path, (now.st_ino, now.st_size, now.st_mtime_ns, now.st_ctime_ns))


@lru_cache(maxsize=8)  # a batch signs many times with one key
def _read(path: Path, mark: tuple[int, ...]) -> Ed25519PrivateKey | None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    try:
        content = path.read_bytes()
        key = _plain(content) or _by_library(content)
    except (TypeError, ValueError, OSError) as error:
        # Which error stands for a passphrase depends on the version of cryptography.
        if isinstance(error, TypeError) or "password-protected" in str(error):
            return None
        refuse("KEY_UNFIT", f"{path} is no private key that can be read: {error}", "restore it from a backup")
    if not isinstance(key, Ed25519PrivateKey):
        refuse("KEY_UNFIT", f"{path} is not an ed25519 key", "opsgit agent rotate")
    return key


def _plain(content: bytes) -> Ed25519PrivateKey | None:
    """Return the key of a file in the usual form; None for another form.

    :raises ValueError: if the public half is not that of the private half.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    found = sshsig.halves(content)
    if not found:
        return None
    key = Ed25519PrivateKey.from_private_bytes(found[0])
    if key.public_key().public_bytes_raw() != found[1]:
        raise ValueError("the public half is not that of the private half")
    return key


def _by_library(content: bytes) -> object:
    from cryptography.hazmat.primitives.serialization import load_ssh_private_key  # takes 6 ms

    return load_ssh_private_key(content, None)


def _sign_with_keygen(path: Path, message: bytes, namespace: str) -> str:
    """Sign with ssh-keygen, which asks for the passphrase on the terminal or uses ssh-agent."""
    command = ["ssh-keygen", "-q", "-Y", "sign", "-n", namespace, "-f", str(path)]
    try:
        done = subprocess.run(command, input=message, capture_output=True, check=False, timeout=300)
    except (OSError, subprocess.TimeoutExpired) as error:
        refuse("TOOL_FAILED", f"ssh-keygen: {error}", "install OpenSSH 8.0 or newer")
    if done.returncode:
        refuse("KEY_UNFIT", f"ssh-keygen could not sign with {path}: {done.stderr.decode(errors='replace').strip()}",
               "ssh-add the key, or run from a terminal that can ask for its passphrase")  # fmt: skip
    return done.stdout.decode()
