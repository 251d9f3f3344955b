"""Runs a project's command: an argument list, in a process group of its own, with a time and an output limit."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from opsgit.domain.model import Run

CHUNK = 1 << 16
SHOWN = 4000
PAUSE = 0.02  # seconds between looks at the command


@dataclass(frozen=True, repr=False)
class Ended:
    """How a command ended: `evidence` as in `Deployment`, and the last of its output (at most 4,000 characters)."""

    evidence: str
    output: str = ""


def run(command: Run, folder: Path, variables: Mapping[str, str]) -> Ended:
    """Run a command to its end or its limits; then the whole process group is killed.

    :param folder: where it runs.
    :param variables: added to the environment.
    """
    try:
        process = subprocess.Popen(
            command.command,
            cwd=folder,
            env={**os.environ, **variables},
            stdin=subprocess.DEVNULL,
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
    """Whether somebody asks us to end: then the command is ended too, and that is its evidence."""

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
                if not chunk:  # it closed its output and goes on
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
    with contextlib.suppress(ProcessLookupError):  # nobody of the group is left
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdout:
        process.stdout.close()
