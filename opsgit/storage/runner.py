"""Run a project's command: an argument list in its own process group, with a time limit and an output limit."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from opsgit.domain.model import Run
from opsgit.domain.values import Value, positional

CHUNK = 1 << 16
SHOWN = 4000
PAUSE = 0.02  # seconds between two checks of the command


@positional
class Ended(Value):
    """How a command ended. `output` is the end of its output (at most 4,000 bytes).

    `evidence` is `exit N`, `timeout`, `output` (too much output), `interrupted` (opsgit got a signal) or `missing` (the
    command could not be started).
    """

    evidence: str
    output: str = ""


def run(command: Run, folder: Path, variables: Mapping[str, str], given: bytes = b"") -> Ended:
    """Run a command until it ends or reaches a limit, then kill its process group.

    :param command: the argument list, the time limit in seconds and the output limit in bytes.
    :param folder: the working folder.
    :param variables: added to the environment.
    :param given: what the command reads on its standard input.
    """
    with tempfile.TemporaryFile() as stdin:
        stdin.write(given)
        stdin.seek(0)
        try:
            process = subprocess.Popen(
                command.command,
                cwd=folder,
                env={**os.environ, **variables},
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            return Ended("missing", str(error))
    stop = _Stop()
    try:
        with stop:
            return _watch(process, command, stop)
    finally:
        _end_group(process)


class _Stop:
    """Records a signal to end, while the command runs: the command is then ended too, and the evidence says so."""

    SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)

    def __init__(self) -> None:
        self.asked = False

    def __enter__(self) -> None:
        mine = threading.current_thread() is threading.main_thread()
        self.old = {number: signal.signal(number, self._ask) for number in self.SIGNALS} if mine else {}

    def __exit__(self, *_: object) -> None:
        for number, handler in self.old.items():
            signal.signal(number, handler)

    def _ask(self, *_: object) -> None:
        self.asked = True


def _watch(process: subprocess.Popen[bytes], command: Run, stop: _Stop) -> Ended:
    assert process.stdout
    end, tail, size = time.monotonic() + command.timeout, b"", 0
    os.set_blocking(process.stdout.fileno(), False)
    with selectors.DefaultSelector() as ready:
        ready.register(process.stdout, selectors.EVENT_READ)
        while process.poll() is None:
            if time.monotonic() > end or stop.asked:
                return Ended("interrupted" if stop.asked else "timeout", _text(tail))
            if ready.get_map() and ready.select(PAUSE):
                chunk = process.stdout.read(CHUNK)
                if not chunk:  # the command closed its output but still runs
                    ready.unregister(process.stdout)
                tail, size = (tail + (chunk or b""))[-SHOWN:], size + len(chunk or b"")
            elif not ready.get_map():
                time.sleep(PAUSE)
            if size > command.output:
                return Ended("output", _text(tail))
    tail += process.stdout.read(CHUNK) or b""
    return Ended(f"exit {process.returncode}", _text(tail[-SHOWN:]))


def _text(tail: bytes) -> str:
    return tail.decode(errors="replace")


def _end_group(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):  # no process of the group is left
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdout:
        process.stdout.close()


def detach(command: Sequence[str]) -> None:
    """Start a command that outlives this process; nothing is told of it.

    :param command: an argument list.
    """
    nothing = subprocess.DEVNULL
    # the shell ends at once and is waited for, so that a caller that lives on has no unfinished child
    words = ["/bin/sh", "-c", '"$@" &', "sh", *command]
    subprocess.run(words, stdin=nothing, stdout=nothing, stderr=nothing, start_new_session=True, check=False)
