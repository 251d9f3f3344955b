"""Completion: what a shell is offered, and by a real bash."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import Desk


def offered(desk: Desk, line: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What bash gets for a line whose last word is to be completed."""
    words = line.split(" ")
    monkeypatch.setenv("_OPSGIT_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
    monkeypatch.setenv("OPS_STATE_DIR", str(desk.path))
    from opsgit.cli.main import main

    desk.capsys.readouterr()
    assert main([]) == 0
    return [row.partition(",")[2] for row in desk.capsys.readouterr().out.splitlines() if row]


@pytest.fixture
def filled(in_review: Desk) -> Desk:
    in_review.ok("task", "add", "--title", "two", "--assign", "dev")
    in_review.ok("task", "add", "--title", "three")
    in_review.ok("task", "add", "--title", "four")
    in_review.ok("task", "cancel", "T-4")
    in_review.ok("quota", "set", "q_daily", "--limit", "3")
    in_review.ok("alert", "raise", "--message", "m")
    return in_review


OFFERS = [
    ("opsgit task show ", ["T-1", "T-2", "T-3", "T-4"]),
    ("opsgit task show t-", ["T-1", "T-2", "T-3", "T-4"]),
    ("opsgit task show T_", []),
    ("opsgit task start ", ["T-2"]),
    ("opsgit task claim ", ["T-2", "T-3"]),
    ("opsgit review approve ", ["T-1"]),
    ("opsgit task show --id T-2", ["T-2"]),
    ("opsgit agent spawn d", ["dev"]),
    ("opsgit agent spawn dev ", ["T-1", "T-2", "T-3"]),
    ("opsgit agent show ", ["dev", "eye", "orchestrator", "qa", "ship"]),
    ("opsgit task list --as q", ["qa"]),
    ("opsgit task assign T-3 --to d", ["dev"]),
    ("opsgit task move T-2 --to re", ["review", "rejected"]),
    ("opsgit task list --status in", ["in-progress"]),
    ("opsgit task add --priority c", ["critical"]),
    ("opsgit quota check ", ["q_daily"]),
    ("opsgit alert resolve ", ["A-1"]),
    ("opsgit history T-4", ["T-4"]),
    ("opsgit help lif", ["lifecycle"]),
    ("opsgit hel", ["help"]),
    ("opsgit -C /nowhere task show ", []),
]


def test_offers(filled: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    for line, found in OFFERS:
        assert offered(filled, line, monkeypatch) == found, line


def test_a_directory_that_is_named(filled: Desk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    nowhere = Desk(tmp_path, filled.capsys)
    assert offered(nowhere, "opsgit task show ", monkeypatch) == []
    assert offered(nowhere, f"opsgit -C {filled.path} task show T-1", monkeypatch) == ["T-1"]
    assert offered(nowhere, f"opsgit task show -C {filled.path} T-1", monkeypatch) == ["T-1"]


def test_text_by_others_cannot_break_a_line(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.ok("task", "add", "--title", "a,b 'c' \"d\" $(touch x)")
    assert offered(desk, "opsgit task show T", monkeypatch) == ["T-1"]


@pytest.mark.slow
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script(shell: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "opsgit", "completion", shell], capture_output=True, text=True, check=True
    )
    assert f"{shell}_complete" in done.stdout


@pytest.mark.slow
def test_in_a_real_bash(filled: Desk, tmp_path: Path) -> None:
    bash = shutil.which("bash")
    assert bash
    script = (
        'eval "$(opsgit completion bash)"; COMP_WORDS=(opsgit task start ""); COMP_CWORD=3; '
        '_opsgit_completion opsgit; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    env = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "OPS_STATE_DIR": str(filled.path),
    }
    done = subprocess.run([bash, "-c", script], env=env, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["T-2"], done.stderr


@pytest.mark.slow
def test_it_is_fast(filled: Desk) -> None:
    """The budget is 100 ms; here only that it costs no more than twice a list, because machines differ."""
    env = {**os.environ, "OPS_STATE_DIR": str(filled.path)}
    tab = {**env, "_OPSGIT_COMPLETE": "bash_complete", "COMP_WORDS": "opsgit task start ", "COMP_CWORD": "3"}
    took: dict[str, list[float]] = {"tab": [], "list": []}
    for _ in range(9):
        for name, words, given in (("tab", [], tab), ("list", ["task", "list"], env)):
            begun = time.monotonic()
            subprocess.run([sys.executable, "-m", "opsgit", *words], env=given, capture_output=True, check=True)
            took[name].append(time.monotonic() - begun)
    tab_, list_ = (sorted(took[name])[4] for name in ("tab", "list"))
    print(f"completion {tab_ * 1000:.0f} ms, task list {list_ * 1000:.0f} ms")
    assert tab_ < 2 * list_
