"""A lead and three agents, each with a clone and a key folder of its own, and a server between them."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from opsgit.cli.main import main
from tests.conftest import Desk, Result, git
from tests.operations.test_sync import tips

ROUNDS = int(os.environ.get("OPSGIT_ROUNDS", "10"))


@contextlib.contextmanager
def keys_in(folder: Path) -> Iterator[None]:
    before = os.environ["XDG_DATA_HOME"]
    os.environ["XDG_DATA_HOME"] = str(folder)
    try:
        yield
    finally:
        os.environ["XDG_DATA_HOME"] = before


@dataclass
class Machine(Desk):
    """A clone whose commands find only the keys of its own folder."""

    keys: Path = Path()

    def run(self, *words: str) -> Result:
        with keys_in(self.keys):
            return super().run(*words)

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start a command as a process."""
        command = [sys.executable, "-m", "opsgit", "-C", str(self.path), *words]
        return subprocess.Popen(
            command,
            env={**os.environ, "XDG_DATA_HOME": str(self.keys)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


def join(lead: Desk, hub: Path, name: str, role: str = "developer") -> Machine:
    """The agent's machine runs `join`; the lead pastes the line that it printed."""
    agent = Machine(hub.parent / "on" / name, lead.capsys, hub.parent / "keys" / name)
    lead.capsys.readouterr()
    with keys_in(agent.keys):
        assert main(["join", str(hub), name, str(agent.path), "--role", role]) == 0
    lead.ok(*shlex.split(lead.capsys.readouterr().out)[1:])
    return agent


@pytest.fixture
def hub(desk: Desk, tmp_path: Path) -> Path:
    """A server that has the desk's ledger."""
    place = tmp_path / "hub.git"
    assert main(["server", "init", str(place)]) == 0
    git(desk.path, "remote", "add", "origin", str(place))
    desk.ok("task", "add", "--title", "first")
    return place


def keys(agent: Machine) -> set[str]:
    return {path.name for path in agent.keys.rglob("*") if path.is_file() and "PRIVATE" in path.read_text()}


@pytest.mark.slow
def test_seven_operations_made_offline_are_synced_at_once(desk: Desk, hub: Path) -> None:
    """Others push meanwhile, and one takes the task: six land in order with time and note, one is reported."""
    ann, ben, cat = (join(desk, hub, name) for name in ("ann", "ben", "cat"))
    assert [len(keys(one)) for one in (ann, ben, cat)] == [1, 1, 1]
    ann.ok("task", "claim", "T-1")
    for title in ("second", "third"):
        desk.ok("task", "add", "--title", title, "--assign", "ann")
    ann.ok("sync")
    work = [
        ["task", "start", "T-1"],
        ["task", "comment", "T-1", "--text", "one", "--note", "because"],
        ["task", "progress", "T-1", "--text", "half"],
        ["task", "start", "T-2"],
        ["task", "comment", "T-3", "--text", "mine next"],
        ["task", "add", "--title", "found on the way"],
        ["task", "comment", "T-1", "--text", "two"],
    ]
    for words in work:
        ann.ok(*words, "--offline")
    desk.ok("task", "assign", "T-2", "--to", "ben")
    ben.ok("task", "start", "T-2")
    cat.ok("task", "comment", "T-1", "--text", "meanwhile")
    done = ann.run("sync", "--json")
    told = done.json["operations"]
    assert done.exit == 7
    assert [one["fate"] for one in told] == ["published"] * 3 + ["dropped"] + ["published"] * 3
    assert "ben" in told[3]["why"]
    landed = git(hub, "log", "-6", "--reverse", "--format=%an %s", "main").splitlines()
    assert landed == [
        "ann T-1: assigned → in-progress",
        "ann T-1: comment",
        "ann T-1: progress",
        "ann T-3: comment",
        "ann T-4: new → backlog",
        "ann T-1: comment",
    ]
    notes = git(hub, "log", "-6", "--format=%b", "main")
    assert notes.count("Made offline at 2") == 6 and "because" in notes
    kept = git(ann.path, "log", "--format=%s", told[3]["was"]).splitlines()
    assert kept[:4] == ["T-2: assigned → in-progress", "T-1: progress", "T-1: comment", landed[0][4:]]
    for one in (desk, ann, ben, cat):
        one.ok("sync")
        one.ok("verify")
    assert len(tips(hub, desk.path, ann.path, ben.path, cat.path)) == 1


@pytest.mark.slow
def test_one_of_8_clones_wins_a_claim(desk: Desk, hub: Path) -> None:
    """`OPSGIT_ROUNDS=50` makes so many rounds."""
    agents = {name: join(desk, hub, name) for name in (f"w{number}" for number in range(8))}
    for number in range(ROUNDS):
        desk.ok("task", "add", "--id", f"R-{number}", "--title", "r")
        started = [one.start("task", "claim", f"R-{number}", "--json") for one in agents.values()]
        said = [process.communicate(timeout=120)[1] for process in started]
        ended = dict(zip(agents, (process.returncode for process in started), strict=True))
        desk.ok("sync")
        winner = desk.ok("task", "show", f"R-{number}", "--json").json["task"]["assigned"]
        assert [name for name, code in ended.items() if code == 0] == [winner]
        assert Counter(ended.values()) == {0: 1, 7: 7}, said
        errors = [json.loads(err.splitlines()[-1])["error"] for err in said if '"error"' in err]
        assert all(error["code"] == "ALREADY_CLAIMED" and winner in error["message"] for error in errors)
        assert len(errors) == 7


@pytest.mark.slow
def test_4_clones_spend_a_quota_to_its_last_unit(desk: Desk, hub: Path) -> None:
    desk.ok("quota", "set", "q", "--limit", "25", "--period", "none")
    agents = [join(desk, hub, f"w{number}") for number in range(4)]
    codes: Counter[int] = Counter()
    for _ in range(10):
        started = [one.start("quota", "use", "q", "--json") for one in agents]
        for process in started:
            process.communicate(timeout=120)
            codes[process.returncode] += 1
    assert codes == {0: 25, 8: 15}
    desk.ok("sync")
    assert desk.run("quota", "check", "q", "--json").json["quota"]["used"] == 25


@pytest.mark.slow
def test_two_reviewers_at_once_one_merges_and_the_other_is_told(desk: Desk, hub: Path, tmp_path: Path) -> None:
    dev = join(desk, hub, "ann")
    judges = [join(desk, hub, name, "reviewer") for name in ("rev1", "rev2")]
    (tmp_path / "out").write_text("x")
    for number in range(3):
        name = f"V-{number}"
        desk.ok("task", "add", "--id", name, "--title", "v", "--assign", "ann")
        dev.ok("task", "start", name)
        dev.ok("task", "submit", name, "--output", str(tmp_path / "out"))
        started = [one.start("review", "approve", name, "--json") for one in judges]
        said = [process.communicate(timeout=120)[1] for process in started]
        assert sorted(process.returncode for process in started) == [0, 7], said
        loser = next(err for process, err in zip(started, said, strict=True) if process.returncode)
        error = json.loads(loser.splitlines()[-1])["error"]
        assert error["code"] == "ALREADY_THERE" and f"{name} is done already" in error["message"]
    desk.ok("sync")
    desk.ok("verify")
