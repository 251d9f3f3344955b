"""One process that writes: `python -m tests.history.worker CONFIG`. It notes each call before and after it.

The command line runs in this process, many times. Faults that a config asks for are put in on purpose: a disk that
refuses writes, a clock that jumps.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import io
import json
import random
import sys
import time
from pathlib import Path
from typing import Any

from opsgit.cli.main import main
from opsgit.operations.session import Session
from opsgit.storage import disk, objects
from tests.history.checker import LOCAL, OK, REFUSED, UNKNOWN

REAL = time.time


class Worker:
    """The calls of one process. `config`: place, by, ship, seed, seconds or count, log, tasks, done, disk, clock, online."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.config, self.random = config, random.Random(config["seed"])
        self.log = open(config["log"], "a", buffering=1)  # noqa: SIM115 - for as long as the process lives
        self.number, self.held, self.offset = 0, list[str](), 0.0
        self.stamp = f"{config['by']}-{config['seed']}"

    def run(self) -> None:
        end = time.monotonic() + self.config.get("seconds", 3600)
        for _ in range(self.config.get("count", 1 << 30)):
            if time.monotonic() > end:
                break
            self._jump()
            self.random.choices(
                [self.claim, self.release, self.use, self.comment, self.add, self.deploy, self.offline],
                [3, 3, 2, 4, 1, 1 if self.config["done"] else 0, 1 if self.config["online"] else 0],
            )[0]()
        self.offset = 0
        if self.config["online"]:
            self.sync()

    def _jump(self) -> None:
        if self.config.get("clock") and self.random.random() < 0.1:
            self.offset = self.random.choice([0, 0, 100, -100, 250, -3000])

    def call(self, op: str, target: str, *words: str, by: str = "", as_local: bool = False) -> str:
        """Run a command, and note what it was told; returns the outcome."""
        self.number += 1
        op_id, by = f"{self.stamp}-{self.number}", by or self.config["by"]
        self._note(op_id=op_id, by=by, op=op, target=target, began=time.monotonic())
        code, _, err = self._main(*words, "--as", by, "--op-id", op_id)
        outcome, said = self._outcome(code, err)
        if outcome == OK and as_local:
            outcome = LOCAL
        self._note(op_id=op_id, ended=time.monotonic(), outcome=outcome, code=said)
        return outcome

    def _main(self, *words: str) -> tuple[int, str, str]:
        with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
            code = main(["-C", self.config["place"], *words, "--json"])
        return code, out.getvalue(), err.getvalue()

    def _outcome(self, code: int, err: str) -> tuple[str, str]:
        if code == 0:
            return OK, ""
        said = json.loads(err.strip().splitlines()[-1])["error"]["code"]
        if code == 1:
            raise RuntimeError(err)
        return (UNKNOWN if said in ("UNCONFIRMED", "OUTPUT") else REFUSED), said

    def _note(self, **fields: Any) -> None:
        self.log.write(json.dumps(fields) + "\n")

    def claim(self) -> None:
        task = self.random.choice(self.config["tasks"])
        if self.call("task.claim", task, "task", "claim", task) == OK:
            self.held.append(task)

    def release(self) -> None:
        task = (
            self.held.pop(self.random.randrange(len(self.held)))
            if self.held
            else self.random.choice(self.config["tasks"])
        )
        self.call("task.release", task, "task", "release", task)

    def use(self) -> None:
        self.call("quota.use", "q", "quota", "use", "q")

    def comment(self) -> None:
        task = self.random.choice(self.config["tasks"])
        self.call("task.comment", task, "task", "comment", task, "--text", f"{self.stamp} {self.number}")

    def add(self) -> None:
        self.call("task.add", "", "task", "add", "--title", f"{self.stamp} {self.number}")

    def deploy(self) -> None:
        """The deploy command's ref is the operation id, so that each run can be told apart."""
        task = self.random.choice(self.config["done"])
        self.number += 1
        ref = f"{self.stamp}-{self.number}"
        code, _, err = self._main(
            "task", "move", task, "--to", "deployed", "--deploy-ref", ref, "--as", self.config["ship"]
        )
        if code == 1:
            raise RuntimeError(err)

    def offline(self) -> None:
        task = self.random.choice(self.config["tasks"])
        text = f"{self.stamp} {self.number} offline"
        self.call("task.comment", task, "task", "comment", task, "--text", text, "--offline", as_local=True)
        if self.random.random() < 0.5:
            self.sync()

    def sync(self) -> None:
        for _ in range(50):
            code, out, err = self._main("sync")
            if code == 1:
                raise RuntimeError(err)
            if code in (0, 7) and out:
                self._dropped(json.loads(out)["operations"])
                return
            time.sleep(0.2)

    def _dropped(self, fates: list[dict[str, str]]) -> None:
        """Note the operation ids of what was dropped, which the old commits hold."""
        import subprocess

        for one in fates:
            if one["fate"] in ("dropped", "waiting") and one["was"]:  # the outcome of a command was no commit yet
                form = "--format=%(trailers:key=Opsgit-Id,valueonly,separator=)"
                words = ["git", "-C", self.config["place"], "log", "-1", form, one["was"]]
                op_id = subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()
                self._note(by=one["by"], dropped=[op_id])


def fail_writes(worker: Worker, share: float) -> None:
    """Let a share of the writes to the disk fail as if it were full."""
    real = disk.put

    def put(path: Path, *words: Any, **more: Any) -> None:
        if worker.random.random() < share:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        real(path, *words, **more)

    for name, module in list(sys.modules.items()):
        if name.startswith("opsgit.") and getattr(module, "put", None) is real:
            module.__dict__["put"] = put
    assert objects.__dict__["put"] is put


def start(config: dict[str, Any]) -> None:
    """Run a worker in this process."""
    # all that writes is imported before it is changed
    from opsgit.cli import options  # noqa: F401
    from opsgit.operations import publication  # noqa: F401

    worker = Worker(config)
    if config.get("disk"):
        fail_writes(worker, config["disk"])
    if config.get("clock"):
        made = functools.partial(Session, clock=lambda: REAL() + worker.offset)
        sys.modules["opsgit.cli.options"].__dict__["Session"] = made
    worker.run()


if __name__ == "__main__":
    start(json.loads(sys.argv[1]))
