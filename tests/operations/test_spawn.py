"""`agent spawn`: the call for each harness, and the original's integration played with it alone."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from opsgit.cli.main import main
from tests.conftest import Desk, git
from tests.operations.test_teams import Machine, hub, keys_in  # noqa: F401 - a fixture


def spawned(desk: Desk, *words: str) -> Any:
    return json.loads(desk.ok("agent", "spawn", *words).out)


def test_the_call_for_openclaw(desk: Desk, tmp_path: Path) -> None:
    desk.ok("task", "add", "--id", "SKILL-001", "--title", "Build <it>", "--assign", "dev", "--desc", "Line\nTwo")
    call = spawned(desk, "dev", "SKILL-001", "--format", "openclaw", "--timeout", "60")
    assert call["tool"] == "sessions_spawn"
    words = call["arguments"]
    assert set(words) == {"task", "taskName", "label", "cwd", "completionTarget", "runTimeoutSeconds"}
    assert (words["taskName"], words["completionTarget"], words["runTimeoutSeconds"]) == ("dev-skill-001", "parent", 60)
    assert words["cwd"] == str(tmp_path / "state.agents/dev")
    built = str(tmp_path / "state.agents/dev.work/SKILL-001")
    assert Path(built).is_dir()
    assert words["task"].splitlines()[-5:] == [
        f"cd {words['cwd']}",
        "opsgit task start SKILL-001 --as dev",
        "opsgit task show SKILL-001 --as dev",
        "# now do the work, and then:",
        f"opsgit task submit SKILL-001 --output {built} --as dev",
    ]
    assert "title: Build <it>\n  | Line\n  | Two\n</data" in words["task"]


def test_the_calls_for_others(desk: Desk) -> None:
    desk.ok("task", "add", "--title", "It's", "--assign", "dev")
    call = spawned(desk, "dev", "T-1", "--format", "claude")
    assert (call["tool"], call["arguments"]["subagent_type"]) == ("Agent", "opsgit:dev")
    line = desk.ok("agent", "spawn", "dev", "T-1", "--format", "codex").out
    words = shlex.split(line)
    assert words[:5] == ["timeout", "3600", "codex", "exec", "--cd"]
    without_marks = [re.sub("data [0-9a-f]{16}", "data", text) for text in (words[6], call["arguments"]["prompt"])]
    assert without_marks[0] == without_marks[1]
    assert "It's" not in call["arguments"]["description"]
    told = spawned(desk, "dev", "T-1")
    assert told["commands"][0] == "opsgit task start T-1 --as dev"
    assert re.sub("data [0-9a-f]{16}", "data", told["prompt"]) == without_marks[0]


def test_the_checkout_is_made_once_and_brought_up_to_date(desk: Desk, tmp_path: Path) -> None:
    desk.ok("task", "add", "--title", "one", "--assign", "dev")
    place = Path(spawned(desk, "dev", "T-1")["folder"])
    assert git(place, "config", "opsgit.agent").strip() == "dev"
    desk.ok("task", "add", "--title", "two", "--assign", "dev")
    assert spawned(desk, "dev", "T-2")["folder"] == str(place)
    assert git(place, "rev-parse", "main") == git(desk.path, "rev-parse", "main")
    other = spawned(desk, "dev", "T-2", "--dir", str(tmp_path / "there"))
    assert other["folder"] == str(tmp_path / "there")


def test_what_has_no_step_is_refused(desk: Desk, output: Path, tmp_path: Path) -> None:
    desk.ok("task", "add", "--title", "one", "--assign", "dev")
    assert desk.refused("agent", "spawn", "qa", "T-1") == "NOTHING_TO_DO"
    said = desk.run("agent", "spawn", "qa", "T-1").err
    assert "it waits for dev to start" in said
    assert "try: opsgit agent spawn dev T-1" in said
    desk.ok("task", "add", "--title", "blocked", "--assign", "dev", "--depends-on", "T-1")
    assert "try: opsgit task show T-2" in desk.run("agent", "spawn", "dev", "T-2").err
    assert desk.refused("agent", "spawn", "dev", "T-9") == "NOT_FOUND"
    assert desk.refused("agent", "spawn", "stranger", "T-1") == "NOT_FOUND"
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken/file").touch()
    assert desk.refused("agent", "spawn", "dev", "T-1", "--dir", str(tmp_path / "taken")) == "NO_REPOSITORY"
    main(["init", "--project", "other", "--state-dir", str(tmp_path / "other")])
    assert desk.refused("agent", "spawn", "dev", "T-1", "--dir", str(tmp_path / "other")) == "ALREADY_A_REPOSITORY"
    assert not (tmp_path / "state.agents").exists()


def test_each_step_has_its_orders(in_review: Desk) -> None:
    def orders(name: str) -> list[str]:
        return [one.removeprefix("opsgit ") for one in spawned(in_review, name, "T-1")["commands"]]

    assert orders("qa") == ["review show T-1 --as qa", "review diff T-1 --as qa"]
    told = spawned(in_review, "qa", "T-1")
    assert told["either"] == [
        "opsgit review approve T-1 --as qa", 'opsgit review reject T-1 --reason "WHY" --as qa',
    ]  # fmt: skip
    assert "# then exactly one of these" in told["prompt"]
    assert told["workplace"] == ""
    in_review.ok("review", "approve", "T-1", "--as", "qa")
    assert orders("ship") == ["task move T-1 --to deployed --as ship"]
    in_review.ok("project", "set", "deploy.command", '["true"]')
    in_review.ok("task", "move", "T-1", "--to", "deployed")
    assert orders("eye")[:2] == ["task show T-1 --as eye", "monitor --raise --as eye"]
    assert in_review.refused("agent", "spawn", "dev", "T-1") == "NOTHING_TO_DO"


def test_without_the_key_it_is_said(desk: Desk, tmp_path: Path) -> None:
    desk.ok("task", "add", "--title", "one", "--assign", "dev")
    for key in (tmp_path / "data").rglob("dev"):
        key.unlink()
    assert "the key of dev is not in this key folder" in desk.ok("agent", "spawn", "dev", "T-1").err


def child(call: Any, keys: Path, *, other: str = "") -> list[subprocess.CompletedProcess[str]]:
    """An agent that does what its text says: the lines after the last empty one, in a shell of its own.

    It builds where the text says, and of the decisions it takes the first.
    """
    text = call["arguments"]["task"]
    cd, *lines = text.rsplit("\n\n", 1)[1].splitlines()
    place = re.search("Build in (.*): this folder", text)
    done = []
    for line in lines:
        if line == "# now do the work, and then:" and place:
            (Path(place[1]) / "made.txt").write_text("made\n")
        if line.startswith("#") or "review reject" in line:
            continue
        command = line.replace("opsgit ", f"{sys.executable} -m opsgit ", 1)
        if other:
            command = command.rsplit(" --as ", 1)[0] + f" --as {other}"
        env = {**os.environ, "XDG_DATA_HOME": str(keys), "XDG_STATE_HOME": str(keys / "pins")}
        script = f"{cd}\n{command}"
        done.append(subprocess.run(["sh", "-c", script], env=env, capture_output=True, text=True, check=False))
    return done


@pytest.mark.slow
def test_the_original_s_integration(desk: Desk, hub: Path, tmp_path: Path) -> None:  # noqa: F811
    """An orchestrator and three spawned agents: own processes, own keys, and only what `agent spawn` printed."""
    agents = {"dora": "developer", "quin": "reviewer", "sven": "deployer"}
    folders = {name: tmp_path / "keys" / name for name in agents}
    for name, role in agents.items():  # each key is made where its agent lives
        made = Machine(tmp_path / "first" / name, desk.capsys, folders[name])
        desk.capsys.readouterr()
        with keys_in(folders[name]):
            assert main(["join", str(hub), name, str(made.path), "--role", role]) == 0
        desk.ok(*shlex.split(desk.capsys.readouterr().out)[1:])
    desk.ok(
        "task", "add", "--id", "SKILL-001", "--title", "Build it", "--assign", "dora", "--pipeline", "dora→quin→sven"
    )
    for name in agents:
        said = desk.ok("agent", "spawn", name, "SKILL-001", "--format", "openclaw")
        assert f"the key of {name} is not in this key folder" in said.err
        call = json.loads(said.out)
        cheats = child(call, folders[name], other="orchestrator")
        writes = [one for one in cheats if " show " not in one.args[2] and " diff " not in one.args[2]]
        assert writes
        assert {one.returncode for one in writes} == {6}, [one.stderr for one in writes]
        done = child(call, folders[name])
        assert [one.returncode for one in done] == [0] * len(done), [one.stderr for one in done]
    desk.ok("sync")
    assert desk.status("SKILL-001") == "deployed"
    log = git(desk.path, "log", "--format=%an %s %G?", "main")
    steps = [line.split() for line in log.splitlines() if "SKILL-001" in line]
    who = {(words[0], words[-1]) for words in steps}
    assert who == {("orchestrator", "G"), ("dora", "G"), ("quin", "G"), ("sven", "G")}
    by = {name: [line for line in log.splitlines() if line.startswith(f"{name} SKILL-001")] for name in agents}
    assert len(by["dora"]) >= 3
    assert any("done" in line for line in by["quin"])
    assert any("deployed" in line for line in by["sven"])
    assert desk.ok("verify").exit == 0
