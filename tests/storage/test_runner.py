"""Commands end: by themselves, at the time limit, at the output limit, with their whole process group."""

from __future__ import annotations

import gc
import os
import time
from pathlib import Path

import pytest

from opsgit.domain.model import Run
from opsgit.storage import runner


def run(tmp_path: Path, *command: str, timeout: int = 20, output: int = 100_000) -> runner.Ended:
    return runner.run(Run(command=command, timeout=timeout, output=output), tmp_path, {"OPSGIT_TASK": "$(id) `x` 🎉"})


@pytest.mark.parametrize(
    ("script", "evidence"), [("exit 0", "exit 0"), ("exit 3", "exit 3"), ("kill -9 $$", "exit -9")]
)
def test_the_exit_is_the_evidence(tmp_path: Path, script: str, evidence: str) -> None:
    assert run(tmp_path, "sh", "-c", script).evidence == evidence


@pytest.mark.parametrize("command", ["/no/such/thing", "no-such-command", "/etc/passwd", "a\0b"])
def test_a_command_that_is_not_there(tmp_path: Path, command: str) -> None:
    assert run(tmp_path, command).evidence == "missing"


def test_the_task_comes_in_variables_and_nothing_runs_in_them(tmp_path: Path) -> None:
    assert run(tmp_path, "printenv", "OPSGIT_TASK").output == "$(id) `x` 🎉\n"
    assert run(tmp_path, "echo", "$(id)", ";", "`id`").output == "$(id) ; `id`\n"


@pytest.mark.slow
def test_a_hanging_command_is_ended_with_its_children(tmp_path: Path) -> None:
    start = time.monotonic()
    ended = run(tmp_path, "sh", "-c", "sleep 300 & echo $! > child; sleep 300", timeout=1)
    assert ended.evidence == "timeout"
    assert time.monotonic() - start < 5
    child = int((tmp_path / "child").read_text())
    for _ in range(100):
        if not Path(f"/proc/{child}").exists() or " Z " in Path(f"/proc/{child}/stat").read_text():
            return
        time.sleep(0.05)
    os.kill(child, 9)
    pytest.fail("the child outlived its group")


@pytest.mark.slow
def test_a_command_that_closes_its_output_is_still_watched(tmp_path: Path) -> None:
    assert run(tmp_path, "sh", "-c", "exec >&- 2>&-; sleep 300", timeout=1).evidence == "timeout"
    assert run(tmp_path, "sh", "-c", "exec >&- 2>&-; sleep 0.2; exit 4").evidence == "exit 4"


def test_a_background_child_that_keeps_the_pipe_open_does_not_hold_us(tmp_path: Path) -> None:
    start = time.monotonic()
    assert run(tmp_path, "sh", "-c", "sleep 300 & exit 0").evidence == "exit 0"
    assert time.monotonic() - start < 5


def test_a_gigabyte_of_output_ends_it(tmp_path: Path) -> None:
    start = time.monotonic()
    ended = run(tmp_path, "sh", "-c", "head -c 1000000000 /dev/zero | tr '\\0' x")
    assert ended.evidence == "output"
    assert len(ended.output) <= runner.SHOWN
    assert time.monotonic() - start < 10


def test_the_last_words_are_kept(tmp_path: Path) -> None:
    ended = run(tmp_path, "sh", "-c", "seq 10000; echo the end; exit 1")
    assert ended.evidence == "exit 1"
    assert ended.output.endswith("the end\n")


@pytest.mark.slow
def test_a_detached_command_goes_on_and_is_no_child_of_ours(tmp_path: Path) -> None:
    mark = tmp_path / "a name with spaces"
    before = time.monotonic()
    runner.detach(["sh", "-c", 'sleep 0.4; echo $PPID > "$0"; mv "$0" "$0.done"', str(mark)])
    assert time.monotonic() - before < 0.4
    gc.collect()  # a child that nobody waits for would be warned of, and warnings are errors
    while not mark.with_name(f"{mark.name}.done").exists():
        time.sleep(0.02)
        assert time.monotonic() - before < 10
    assert mark.with_name(f"{mark.name}.done").read_text().strip() != str(os.getpid())
