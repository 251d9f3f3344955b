"""A project for many workers, and runs of them: in one folder or in clones, with faults that are put in on purpose."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from opsgit.cli.main import main
from tests.conftest import git
from tests.history.checker import History, check, read_calls, read_ledger

TOP = Path(__file__).parent.parent.parent
LIMIT = 25


@dataclass
class Team:
    """A state repository with developers, deployers, tasks to claim, tasks to deploy and a quota; perhaps a remote."""

    box: Path
    size: int
    tasks: int = 12
    done: int = 4
    remote: str = ""
    hub: Path | None = None
    places: list[Path] = field(default_factory=list)
    logs: list[Path] = field(default_factory=list)

    @property
    def state(self) -> Path:
        return self.box / "state"

    def do(self, *words: str, place: Path | None = None) -> None:
        assert main(["-C", str(place or self.state), *words]) == 0, words

    def found(self) -> None:
        """Make the repository, with all that the workers need."""
        assert main(["init", "--project", "history", "--state-dir", str(self.state)]) == 0
        for number in range(self.size):
            self.do("agent", "add", f"dev{number}", "--role", "developer")
        for name, role in (("qa", "reviewer"), ("ship0", "deployer"), ("ship1", "deployer")):
            self.do("agent", "add", name, "--role", role)
        (self.box / "output").write_text("x")
        for number in range(self.done):
            self.do("task", "add", "--id", f"D-{number}", "--title", "d", "--assign", "dev0")
            self.do("task", "start", f"D-{number}", "--as", "dev0")
            self.do("task", "submit", f"D-{number}", "--output", str(self.box / "output"), "--as", "dev0")
            self.do("review", "approve", f"D-{number}", "--as", "qa")
        for number in range(self.tasks):
            self.do("task", "add", "--id", f"C-{number}", "--title", "c")
        self.do("quota", "set", "q", "--limit", str(LIMIT), "--period", "none")
        script = f'echo "$OPSGIT_REF" >> {self.box / "runs"}; [ $(( $$ % 3 )) = 0 ]'
        self.do("project", "set", "deploy.command", json.dumps(["sh", "-c", script]))

    def share(self, url: str, hub: Path) -> None:
        """Publish at a bare repository, and make a clone for each worker."""
        self.hub = hub
        git(self.state, "remote", "add", "origin", url)
        self.do("sync")
        for number in range(self.size):
            place = self.box / f"clone{number}"
            assert main(["clone", url, str(place)]) == 0
            self.do("deploy", "trust", place=place)
            self.places.append(place)

    def config(self, number: int, seed: int, **more: Any) -> dict[str, Any]:
        log = self.box / f"calls-{number}-{seed}.jsonl"
        self.logs.append(log)
        return {
            "place": str(self.places[number] if self.places else self.state),
            "by": f"dev{number}",
            "ship": f"ship{number % 2}",
            "seed": seed,
            "log": str(log),
            "tasks": [f"C-{one}" for one in range(self.tasks)],
            "done": [f"D-{one}" for one in range(self.done)],
            "online": bool(self.places),
            **more,
        }

    def start(self, number: int, seed: int, **more: Any) -> subprocess.Popen[str]:
        config = self.config(number, seed, **more)
        command = [sys.executable, "-m", "tests.history.worker", json.dumps(config)]
        with open(self.box / f"worker-{number}-{seed}.err", "w") as error:
            return subprocess.Popen(
                command, cwd=TOP, text=True, stdout=subprocess.DEVNULL, stderr=error, start_new_session=True
            )

    def run(self, **more: Any) -> None:
        """Let all workers run at once, until each has ended by itself."""
        workers = [self.start(number, 0, **more) for number in range(self.size)]
        for number, worker in enumerate(workers):
            assert worker.wait(timeout=3000) == 0, (self.box / f"worker-{number}-0.err").read_text()[-3000:]

    def run_killed(self, rounds: int, seconds: float, rng: random.Random, **more: Any) -> int:
        """Kill workers, each with its children or alone, at random instants; returns how many were killed."""
        killed = 0
        for seed in range(rounds):
            workers = [self.start(number, seed, seconds=seconds * 3, **more) for number in range(self.size)]
            end = time.monotonic() + seconds
            for worker in sorted(workers, key=lambda _: rng.random()):
                time.sleep(max(0.0, rng.random() * (end - time.monotonic()) / 2))
                if worker.poll() is None:
                    (os.killpg if rng.random() < 0.5 else os.kill)(worker.pid, signal.SIGKILL)
                    killed += 1
                worker.wait()
        return killed

    def settle(self, last: Callable[[], None] = lambda: None) -> None:
        """What is kept in clones is synced, as the next command of each agent would do; no help of any other kind."""
        last()
        for number, _ in enumerate(self.places):
            worker = self.start(number, 10_000 + number, count=0)
            assert worker.wait(timeout=600) == 0

    def history(self) -> History:
        runs = self.box / "runs"
        return History(
            calls=read_calls(self.logs),
            ledger=read_ledger(self.hub or self.state / ".git"),
            runs=runs.read_text().split() if runs.exists() else [],
            limits={"q": LIMIT},
        )

    def judge(self) -> History:
        """All promises, asked of the history; git and opsgit find nothing wrong, and the next command works."""
        found = self.history()
        wrong = check(found)
        assert not wrong, "\n".join(wrong[:20])
        for place in self.places or [self.state]:
            self.do("verify", place=place)
            git(place, "fsck", "--strict", "--no-dangling")
            self.do("task", "add", "--title", "after all that", place=place)  # a comment finds no room by then
            left = git(place, "status", "--porcelain")
            assert left == "", (left, git(place, "diff"))
        return found
