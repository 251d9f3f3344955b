"""Makes the ledger that is kept for a version of the rule book: `python -m tests.ledgers.make`.

It holds every operation, every way a review goes, keys that are rotated, retired and compromised, and an import. It is
written to `rules-<version>.bundle` beside this file, with what `verify` says of it in `rules-<version>.json`. Until the
version is frozen (1.0), run it again after a change of the rule book; from then on the file stays as it is.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import tempfile
import time
from pathlib import Path

from opsgit.cli.main import main
from opsgit.domain.request import Request
from opsgit.operations.publication import write
from opsgit.operations.session import Session
from opsgit.storage.repository import Repository

HERE = Path(__file__).parent
VERSION = 1
OLD = {
    "agents": {"dev3": {"role": "developer", "tasks_completed": 20, "last_active": "long ago"}},
    "tasks": {
        "OLD-1": {"title": "one", "status": "deployed", "assigned": "dev3", "priority": "high", "tags": ["a"],
                  "history": [{"status": "assigned", "at": "...", "by": "boss"}, {"status": "done", "by": "qa", "notes": "fine"}]},
        "OLD-2": {"title": "two", "status": "done", "assigned": "dev3"},
        "OLD-3": {"title": "three", "status": "review", "assigned": "dev3"},
        "OLD-4": {"title": "four", "status": "cancelled"},
    },
    "quotas": {"old_daily": {"limit": 100, "used": 45, "reset_at": "2024-03-13T00:00:00Z"}},
    "metrics": {"old_downloads": 7591, "alerts": [{"message": "old trouble"}]},
}  # fmt: skip


class Maker:
    """One state repository and the command line on it."""

    def __init__(self, box: Path) -> None:
        self.box, self.state = box, box / "state"
        self.output = box / "output"
        self.output.mkdir()
        self.version("1")

    def version(self, words: str) -> None:
        """Another version of the deliverable."""
        (self.output / "result.txt").write_text(words)

    def do(self, *words: str, code: int = 0) -> None:
        """Run a command, which must end with a code."""
        with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
            found = main(["-C", str(self.state), *words])
        assert found == code, (words, found, out.getvalue(), err.getvalue())

    def git(self, *words: str) -> str:
        """Plain git."""
        done = subprocess.run(["git", "-C", str(self.state), *words], capture_output=True, text=True, check=False)
        assert done.returncode == 0, (words, done.stderr)
        return done.stdout.strip()

    def submitted(self, task: str, *more: str) -> None:
        """A task of dev's in review."""
        self.do("task", "add", "--id", task, "--title", f"about {task}", "--assign", "dev", *more)
        self.do("task", "start", task)
        self.do("task", "submit", task, "--output", str(self.output), "--note", "please look")


def people(m: Maker) -> None:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        assert main(["init", "--project", "kept", "--state-dir", str(m.state)]) == 0
    roles = {"dev": "developer", "dev2": "developer", "qa": "reviewer", "qa2": "reviewer", "ship": "deployer", "eye": "observer"}  # fmt: skip
    for name, role in roles.items():
        m.do("agent", "add", name, "--role", role, "--desc", f"the {role}")
    m.do("agent", "edit", "qa2", "--email", "qa2@example.org", "--kind", "human")
    m.do("project", "set", "roles.webmaster", "[work]")
    m.do("project", "set", "stale.review", "12h")
    gate = m.state / "gates" / "ship.sh"
    gate.parent.mkdir()
    gate.write_text("#!/bin/sh\nexit 0\n")
    gate.chmod(0o755)
    m.git("add", "gates")
    m.git("commit", "-q", "-m", "the gate")


def lifecycle(m: Maker) -> None:
    m.do("task", "add", "--id", "T-1", "--title", "found", "--as", "eye", "--note", "two\n\nparagraphs")
    m.do("task", "edit", "T-1", "--desc", "line one\nline two", "--tag", "x", "--as", "eye")
    m.do("task", "claim", "T-1", "--as", "dev", "--lease", "2h")
    m.do("task", "start", "T-1")
    m.do("task", "progress", "T-1", "--text", "half")
    for words in ("one", "two"):
        m.do("task", "comment", "T-1", "--text", words, "--as", "qa")
    m.do("task", "trim", "T-1", "--keep", "1")
    m.do("task", "release", "T-1")
    m.do("task", "assign", "T-1", "--to", "dev2")
    m.do("task", "cancel", "T-1", "--reason", "no longer needed")


def reviews(m: Maker) -> None:
    two = ("--pipeline", "dev,qa,qa2,ship")
    m.submitted("R-1", *two)  # withdrawn, rejected in the first stage, in the last, then approved and reopened
    m.do("review", "comment", "R-1", "--text", "what about zero?", "--as", "eye")
    m.do("review", "comment", "R-1", "--text", "this fails", "--as", "qa", "--blocking", "--at", "result.txt:1")
    m.do("review", "comment", "R-1", "--text", "mended", "--reply-to", "1-2", "--as", "dev")
    m.do(
        "review", "check", "R-1", "--name", "tests", "--status", "pass", "--url", "https://example.org/1", "--as", "eye"
    )
    m.do("review", "withdraw", "R-1", "--reason", "one more thing")
    m.do("task", "submit", "R-1", "--output", str(m.output))
    m.do("review", "reject", "R-1", "--as", "qa", "--reason", "fails on empty input")
    m.do("task", "start", "R-1")
    m.version("2")
    m.do("task", "submit", "R-1", "--output", str(m.output))
    m.do("review", "resolve", "R-1", "1-2", "--as", "qa")
    m.do("review", "sign-off", "R-1", "--as", "qa")
    m.do("review", "reject", "R-1", "--as", "qa2", "--reason", "not fast enough")
    m.do("task", "start", "R-1")
    m.version("3")
    m.do("task", "submit", "R-1", "--output", str(m.output))
    m.do("review", "sign-off", "R-1", "--as", "qa")
    m.version("4")
    m.do("review", "revise", "R-1", "--output", str(m.output), "--note", "faster")
    m.do("review", "sign-off", "R-1", "--as", "qa")
    m.do("review", "approve", "R-1", "--as", "qa2", "--note", "all tests pass")
    m.do("task", "assign", "R-1", "--to", "dev", "--reason", "a bug was found")
    m.submitted("R-2")  # cancelled in review
    m.do("review", "comment", "R-2", "--text", "keep me", "--as", "qa")
    m.do("task", "cancel", "R-2")
    m.submitted("R-3", "--pipeline", "developer,reviewer*2,deployer")  # stays in review, with one sign-off of two
    m.do("review", "sign-off", "R-3", "--as", "qa")


def deployments(m: Maker) -> None:
    m.submitted("D-1")
    m.do("review", "approve", "D-1", "--as", "qa")
    m.do("project", "set", "deploy.command", '["false"]')
    m.do("task", "move", "D-1", "--to", "deployed", code=5)
    m.do("project", "set", "deploy.command", "[gates/ship.sh]")
    m.do("task", "move", "D-1", "--to", "deployed", "--deploy-ref", "v1")
    m.do("alert", "raise", "--message", "errors doubled", "--task", "D-1", "--as", "eye")
    m.do("agent", "add", "eye2", "--role", "observer")
    m.do("rollback", "D-1", "--alert", "A-1", "--as", "eye2")
    m.do("alert", "resolve", "A-1", "--as", "eye")
    m.do("project", "set", "deploy.command", "--unset")
    m.submitted("D-2")
    m.do("review", "approve", "D-2", "--as", "qa")
    abandoned(m)
    m.do("task", "move", "D-2", "--to", "deployed")
    m.do("rollback", "D-2", "--reason", "errors")


def abandoned(m: Maker) -> None:
    """A deployment whose agent is gone."""

    repository = Repository((m.state / ".git").resolve(), m.state)
    session = Session(repository)
    submission = session.look().task("D-2").submission
    assert submission
    write(session, Request("task.deploy-start", "ship", "D-2", {"digest": submission.digest, "command": ()}))
    repository.close()
    m.do("deploy", "abandon", "D-2", "--reason", "its machine died")


def observations(m: Maker) -> None:
    m.do("quota", "set", "publish_daily", "--limit", "5", "--agent", "dev")
    m.do("quota", "use", "publish_daily", "2", "--as", "dev")
    m.do("quota", "set", "publish_daily", "--limit", "9")
    m.do("metric", "set", "downloads", "1.5", "--as", "eye")
    m.do("monitor", "--check-quota", "--raise", "--as", "eye")
    (m.box / "old.json").write_text(json.dumps(OLD))
    m.do("import", str(m.box / "old.json"))


def clock(m: Maker) -> None:
    """A commit from a clock that was ahead, and the reset."""
    repository = Repository((m.state / ".git").resolve(), m.state)
    session = Session(repository, (("here", "eye"),), clock=lambda: time.time() + 86_400)
    write(session, Request("metric.set", "eye", "tomorrow", {"value": 1}))
    repository.close()
    m.do("project", "reset-clock", "--note", "the clock of eye was wrong")


def keys(m: Maker) -> None:
    m.do("agent", "rotate", "dev")
    m.do("task", "add", "--id", "K-1", "--title", "after the rotation", "--as", "dev")
    cut = m.git("rev-parse", "main")
    m.do("task", "add", "--id", "K-2", "--title", "by somebody else", "--as", "dev2")
    m.do("task", "add", "--id", "K-3", "--title", "by somebody else too", "--as", "dev2")
    bad = m.git("rev-parse", "main")
    m.do("agent", "compromise", "dev2", "--since", cut)
    m.do("agent", "ratify", bad)
    m.do("agent", "rotate", "dev2", "--as", "orchestrator")
    m.do("agent", "retire-key", "qa2", "--key", retired(m), "--as", "orchestrator")
    m.do("agent", "remove", "eye2")


def retired(m: Maker) -> str:
    """The active key of qa2."""
    text = (m.state / "agents/qa2.yaml").read_text()
    return next(line.partition("key: ")[2].strip().strip('"') for line in text.splitlines() if "key: " in line)


def build(box: Path) -> Maker:
    """The whole ledger, in a folder of its own."""
    os.environ.update({"HOME": str(box), "XDG_DATA_HOME": str(box / "data"), "XDG_STATE_HOME": str(box / "pins")})
    os.environ["GIT_CONFIG_NOSYSTEM"] = "1"
    m = Maker(box)
    for part in (people, lifecycle, reviews, deployments, observations, clock, keys):
        part(m)
    return m


def save() -> None:
    """Write the bundle and what verify says of it."""
    with tempfile.TemporaryDirectory() as folder:
        m = build(Path(folder).resolve())
        name = f"rules-{VERSION}"
        m.git("bundle", "create", "-q", str(HERE / f"{name}.bundle"), "--all")
        with contextlib.redirect_stdout(io.StringIO()) as out:
            main(["-C", str(m.state), "verify", "--json"])
        found = json.loads(out.getvalue())["findings"]
        expected = {
            "genesis": m.git("rev-list", "--first-parent", "--max-parents=0", "main"),
            "main": m.git("rev-parse", "main"),
            "findings": [{"code": one["code"], "commit": one["commit"]} for one in found],
        }
        (HERE / f"{name}.json").write_text(json.dumps(expected, indent=2) + "\n")


if __name__ == "__main__":
    save()
