"""A real ssh server for tests, on 127.0.0.1, with keys and configuration of its own."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass
class Sshd:
    """A running server."""

    port: int

    def url(self, path: Path) -> str:
        return f"ssh://{getpass.getuser()}@127.0.0.1:{self.port}{path}"


@contextmanager
def sshd(box: Path) -> Iterator[Sshd]:
    """Run sshd until the block ends; GIT_SSH_COMMAND leads git to it."""
    program = shutil.which("sshd") or "/usr/sbin/sshd"
    if not Path(program).exists():
        pytest.skip("there is no sshd on this machine")
    folder = box / "ssh"
    folder.mkdir(mode=0o700)
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    shutil.copy(folder / "user.pub", folder / "authorized")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {
        "Port": port, "ListenAddress": "127.0.0.1", "HostKey": folder / "host", "AuthorizedKeysFile": folder / "authorized",
        "StrictModes": "no", "PidFile": folder / "pid", "UsePAM": "no", "MaxStartups": "100:30:200", "LogLevel": "ERROR",
        "PasswordAuthentication": "no", "SetEnv": f"HOME={folder}",  # nothing of this user's shell and git settings
    }  # fmt: skip
    (folder / "config").write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
    Path("/run/sshd").mkdir(exist_ok=True)
    with open(folder / "log", "w") as log:
        server = subprocess.Popen([program, "-D", "-e", "-f", str(folder / "config")], stderr=log)
    options = f"-i {folder / 'user'} -o IdentitiesOnly=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile={folder / 'known'}"
    before = os.environ.get("GIT_SSH_COMMAND")
    os.environ["GIT_SSH_COMMAND"] = f"ssh {options} -o LogLevel=ERROR -o BatchMode=yes"
    try:
        _wait_for(port, server, folder / "log")
        yield Sshd(port)
    finally:
        os.environ.pop("GIT_SSH_COMMAND") if before is None else os.environ.update(GIT_SSH_COMMAND=before)
        server.terminate()
        server.wait()


def _wait_for(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(100):
        assert server.poll() is None, log.read_text()
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError("sshd did not answer")
