"""The private keys of this machine's user: made, found, used. They never enter a repository."""

from __future__ import annotations

import contextlib
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from opsgit.domain.refusals import refuse
from opsgit.storage import sshsig
from opsgit.storage.disk import sync_folder

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def data_home() -> Path:
    """The XDG data folder."""
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")


@dataclass(frozen=True, repr=False)
class KeyStore:
    """The keys for one repository id: files `opsgit/keys/<repository id>/<agent>` in the XDG data folder."""

    repository: str

    @property
    def folder(self) -> Path:
        """Where the keys lie."""
        return data_home() / "opsgit" / "keys" / self.repository

    def path(self, agent: str) -> Path:
        """The private key's file."""
        return self.folder / agent

    def holds(self, agent: str) -> bool:
        """Whether this machine can sign as an agent: by a private key, or a public one that ssh-agent knows."""
        return self.path(agent).exists() or self.path(f"{agent}.pub").exists()

    def make(self, agent: str) -> str:
        """Make a key (or take the one that an interrupted try left), and return its public line."""
        path = self.path(agent)
        if not path.exists():
            self._write(path)
        key = _load(path)
        if key is None:
            refuse("KEY_UNFIT", f"a key that needs a passphrase lies at {path}", f"ssh-keygen -p -f {path}")
        return sshsig.public_line(key.public_key().public_bytes_raw())

    def make_next(self, agent: str) -> str:
        """Make the key that will follow an agent's present one, and return its public line."""
        return self.make(f"{agent}.next")

    def promote(self, agent: str) -> None:
        """Let the next key take the place of the present one, which is kept beside it as `<agent>.retired-<n>`."""
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
        with contextlib.suppress(FileExistsError):  # another process was first: its key is the one
            os.link(part, path)
        part.unlink()
        sync_folder(path.parent)

    def sign(self, agent: str, message: bytes, namespace: str = sshsig.GIT) -> str:
        """An armored signature by an agent's key; refuses with `KEY_MISSING` when this machine does not hold it."""
        path = self.path(agent)
        if not self.holds(agent):
            refuse("KEY_MISSING", f"the key of {agent} is not on this machine ({path})",
                   "run the command where the key is, or opsgit agent rotate as an orchestrator")  # fmt: skip
        key = _load(path) if path.exists() else None
        if key is not None:
            return sshsig.sign(key, message, namespace)
        return _sign_with_keygen(path if path.exists() else self.path(f"{agent}.pub"), message, namespace)


def _load(path: Path) -> Ed25519PrivateKey | None:
    """The key of a file, or None when only ssh-keygen can open it (a passphrase)."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_ssh_private_key

    try:
        key = load_ssh_private_key(path.read_bytes(), None)
    except (TypeError, ValueError, OSError) as error:
        if isinstance(error, TypeError) or "password-protected" in str(error):  # by the version of cryptography
            return None
        refuse("KEY_UNFIT", f"{path} is no private key that can be read: {error}", "restore it from a backup")
    if not isinstance(key, Ed25519PrivateKey):
        refuse("KEY_UNFIT", f"{path} is not an ed25519 key", "opsgit agent rotate")
    return key


def _sign_with_keygen(path: Path, message: bytes, namespace: str) -> str:
    """Sign through ssh-keygen, which asks for a passphrase on the terminal or uses ssh-agent."""
    command = ["ssh-keygen", "-q", "-Y", "sign", "-n", namespace, "-f", str(path)]
    try:
        done = subprocess.run(command, input=message, capture_output=True, check=False, timeout=300)
    except (OSError, subprocess.TimeoutExpired) as error:
        refuse("TOOL_FAILED", f"ssh-keygen: {error}", "install OpenSSH 8.0 or newer")
    if done.returncode:
        refuse("KEY_UNFIT", f"ssh-keygen could not sign with {path}: {done.stderr.decode(errors='replace').strip()}",
               "ssh-add the key, or run from a terminal that can ask for its passphrase")  # fmt: skip
    return done.stdout.decode()
