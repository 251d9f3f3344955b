"""What once went wrong and must not again: each found by somebody who tried."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from opsgit.cli.main import main
from opsgit.storage.disk import Damaged
from tests.conftest import Desk, git
from tests.operations.test_races import at_once


@pytest.mark.slow
def test_what_could_not_be_read_again_is_not_written(desk: Desk) -> None:
    tags = ",".join(str(number) for number in range(60))
    assert desk.refused("task", "add", "--title", "t", "--as", "dev", "--tag", tags) == "SCHEMA"
    desk.ok("task", "add", "--title", "t", "--desc", "x" * 63_000)
    codes = {desk.run("task", "comment", "T-1", "--text", "y" * 4000, "--as", "eye", "--json").exit for _ in range(60)}
    assert codes == {0, 5}
    (desk.path / ".git/opsgit/index.db").unlink()
    desk.ok("task", "list")
    desk.ok("task", "trim", "T-1", "--keep", "1")


def test_an_index_that_stays_unreadable_is_a_refusal(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []

    def unreadable(session: object) -> None:
        tried.append("once more")
        raise Damaged("disk I/O error")

    monkeypatch.setattr("opsgit.operations.session.Session.index", unreadable)
    assert desk.refused("task", "list") == "DISK"
    assert len(tried) == 2


@pytest.mark.slow
def test_two_policies_set_at_once_are_both_there(desk: Desk) -> None:
    for number in range(3):
        ended = at_once(
            desk,
            ["project", "set", "deploy.timeout", f"10{number}"],
            ["project", "set", "rollback.timeout", f"20{number}"],
        )
        assert [code for code, _, _ in ended] == [0, 0], ended
        policy = desk.ok("project", "show", "--json").json["project"]
        assert (policy["deploy"]["timeout"], policy["rollback"]["timeout"]) == (100 + number, 200 + number)


def test_the_clones_configuration_changes_nothing(done: Desk) -> None:
    for setting in ("log.showSignature=true", "log.mailmap=true", "color.ui=always", "diff.renames=copies", "log.date=relative",
                    "format.pretty=raw", "log.diffMerges=off", "core.abbrev=4", "log.follow=true"):  # fmt: skip
        git(done.path, "config", *setting.split("="))
    (done.path / ".git/opsgit/index.db").unlink()
    done.ok("task", "move", "T-1", "--to", "deployed")
    deployed = git(done.path, "rev-parse", "main").strip()
    done.ok("rollback", "T-1")
    assert f"This reverts commit {deployed}." in git(done.path, "log", "-1", "--format=%B", "--no-show-signature")
    assert len(done.ok("history", "T-1", "--json").json["history"]) == 6


def test_tags_and_dependencies_are_cleared_and_notes_are_tidied(desk: Desk) -> None:
    desk.ok("task", "add", "--title", "a", "--note", "hello \n\n")
    desk.ok("task", "add", "--title", "b", "--tag", "x", "--depends-on", "T-1")
    desk.ok("task", "edit", "T-2", "--tag", "", "--depends-on", "")
    task = desk.ok("task", "show", "T-2", "--json").json["task"]
    assert "tags" not in task and "depends_on" not in task


def test_numbering_survives_jokes(desk: Desk) -> None:
    desk.ok("task", "add", "--id", "t-1", "--title", "x")
    assert desk.refused("task", "add", "--id", "T-" + "9" * 60, "--title", "x") == "BAD_ID"
    desk.ok("task", "add", "--title", "x")
    assert desk.status("T-2") == "backlog"


def test_a_place_that_is_not_there_is_not_looked_for_above(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    assert main(["-C", str(desk.path / "typo"), "task", "list"]) == 3
    monkeypatch.setenv("OPS_STATE_DIR", str(desk.path / "nope"))
    assert main(["task", "list"]) == 3
    monkeypatch.setenv("OPS_STATE_DIR", str(desk.path / "tasks"))
    (desk.path / "tasks").mkdir(exist_ok=True)
    assert main(["task", "list"]) == 0


def test_an_ordinary_repository_is_left_without_a_trace(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "-b", "main", "code")
    git(tmp_path / "code", "-c", "user.name=x", "-c", "user.email=x@x", "commit", "-qm", "x", "--allow-empty")
    assert main(["-C", str(tmp_path / "code"), "task", "list"]) == 4
    assert not (tmp_path / "code/.git/opsgit").exists()


@pytest.mark.parametrize("stages", ["dev,qa,qa,ship", ",".join(["developer", *["reviewer"] * 30, "deployer"])])
def test_pipelines_that_nobody_could_finish(desk: Desk, stages: str) -> None:
    assert desk.refused("task", "add", "--title", "t", "--pipeline", stages) == "BAD_PIPELINE"


def test_a_removed_agent_in_the_default_pipeline_stops_only_the_default(desk: Desk) -> None:
    desk.ok("agent", "add", "qa2", "--role", "reviewer")
    desk.ok("project", "set", "pipeline", "[dev, qa, ship]")
    desk.ok("agent", "remove", "qa")
    assert desk.refused("task", "add", "--title", "t") == "BAD_PIPELINE"
    desk.ok("task", "add", "--title", "t", "--pipeline", "dev,qa2,ship")


@pytest.mark.parametrize(("key", "value"), [("deploy.command", ""), ("workspace", "a\nname: evil")])
def test_values_that_are_none_or_two_are_refused(desk: Desk, key: str, value: str) -> None:
    assert desk.refused("project", "set", key, value) == "BAD_VALUE"


def test_a_damaged_index_is_built_anew(desk: Desk) -> None:
    desk.ok("task", "add", "--title", "t")
    file = desk.path / ".git/opsgit/index.db"
    content = bytearray(file.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    file.write_bytes(bytes(content))
    assert "T-1" in desk.ok("task", "list").out
    desk.ok("task", "add", "--title", "t")


def test_a_lock_left_in_the_index_is_told_and_stops_nothing(desk: Desk) -> None:
    (desk.path / ".git/index.lock").touch()
    for number in (1, 2, 3):
        assert "index.lock" in desk.ok("task", "add", "--title", f"t{number}").err
    (desk.path / ".git/index.lock").unlink()
    desk.ok("task", "add", "--title", "t4")
    assert git(desk.path, "status", "--porcelain") == ""


def test_a_rejected_digest_does_not_come_back_by_a_detour(in_review: Desk, output: Path, tmp_path: Path) -> None:
    in_review.ok("review", "reject", "T-1", "--as", "qa", "--reason", "no")
    in_review.ok("task", "start", "T-1")
    (tmp_path / "other.txt").write_text("x")
    in_review.ok("task", "submit", "T-1", "--output", str(tmp_path / "other.txt"))
    assert in_review.refused("review", "revise", "T-1", "--output", str(output)) == "DELIVERABLE_UNCHANGED"
    in_review.ok("review", "withdraw", "T-1")
    assert in_review.refused("task", "submit", "T-1", "--output", str(output)) == "DELIVERABLE_UNCHANGED"


def test_setting_one_command_is_no_consent_to_another(done: Desk) -> None:
    done.ok("project", "set", "deploy.command", '["true"]')
    (done.path / ".git/opsgit/trusted").unlink()
    done.ok("project", "set", "rollback.timeout", "60")
    done.ok("project", "set", "rollback.command", '["echo"]')
    assert done.refused("task", "move", "T-1", "--to", "deployed") == "NOT_TRUSTED"


def test_a_relative_copy_is_the_one_that_is_deployed(
    done: Desk, output: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output.rename(tmp_path / "copy")
    (tmp_path / "s.sh").write_text(f'#!/bin/sh\ncat "$OPSGIT_DELIVERABLE/result.txt" > {tmp_path}/seen\n')
    (tmp_path / "s.sh").chmod(0o755)
    done.ok("project", "set", "deploy.command", json.dumps([str(tmp_path / "s.sh")]))
    monkeypatch.chdir(tmp_path)
    done.ok("task", "move", "T-1", "--to", "deployed", "--deliverable", "copy")
    assert (tmp_path / "seen").read_text() == "done\n"


def test_ending_opsgit_ends_the_command_and_is_recorded(done: Desk, tmp_path: Path) -> None:
    (tmp_path / "s.sh").write_text(f"#!/bin/sh\ntouch {tmp_path}/runs; sleep 30; touch {tmp_path}/finished\n")
    (tmp_path / "s.sh").chmod(0o755)
    done.ok("project", "set", "deploy.command", json.dumps([str(tmp_path / "s.sh")]))
    words = [sys.executable, "-m", "opsgit", "-C", str(done.path), "task", "move", "T-1", "--to", "deployed"]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not (tmp_path / "runs").exists():
        assert process.poll() is None
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGTERM)
    assert process.wait(timeout=20) == 5
    assert done.ok("task", "show", "T-1", "--json").json["task"]["deployment"]["evidence"] == "interrupted"
    assert not (tmp_path / "finished").exists()


@pytest.mark.slow
def test_two_rollbacks_at_once_run_the_command_once(done: Desk, tmp_path: Path) -> None:
    done.ok("task", "move", "T-1", "--to", "deployed")
    (tmp_path / "s.sh").write_text(f"#!/bin/sh\necho x >> {tmp_path}/runs; sleep 0.3\n")
    (tmp_path / "s.sh").chmod(0o755)
    done.ok("project", "set", "rollback.command", json.dumps([str(tmp_path / "s.sh")]))
    ended = at_once(done, ["rollback", "T-1"], ["rollback", "T-1"])
    assert sorted(code for code, _, _ in ended) == [0, 7], ended
    assert (tmp_path / "runs").read_text() == "x\n"


@pytest.mark.slow
def test_a_reader_that_goes_away_is_no_error(desk: Desk) -> None:
    for number in range(30):
        desk.ok("task", "add", "--title", f"t{number}")
    script = f"set -o pipefail; {sys.executable} -m opsgit -C {desk.path} history | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("0\n", "")


@pytest.mark.parametrize("odd", [{"pipeline": 5}, {"pipeline": True}, {"history": 5}, {"history": {"a": 1}}])
def test_a_state_of_other_shapes_is_imported_or_left_out(desk: Desk, tmp_path: Path, odd: dict[str, object]) -> None:
    (tmp_path / "state.json").write_text(
        json.dumps({"project": "x", "tasks": {"A-1": {"title": "t", "status": "backlog", **odd}}})
    )
    desk.ok("import", str(tmp_path / "state.json"))
    assert desk.status("A-1") == "backlog"


def test_no_founder_is_called_like_a_role_that_it_does_not_have(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["init", "--project", "p", "--state-dir", str(tmp_path / "x"), "--orchestrator", "developer"]) == 7
    assert "ID_TAKEN" in capsys.readouterr().err


def test_numbering_goes_on_after_odd_numbers_in_ids(desk: Desk) -> None:
    """A number with zeros before it, or an id in another case, is a word like any other, or the next number."""
    desk.ok("task", "add", "--id", "T-099999999", "--title", "x", "--as", "eye")
    desk.ok("task", "add", "--title", "one")
    assert desk.status("T-1") == "backlog"
    for alert in ("A-099999999", "a-1", "stale.0123456789-x"):
        desk.ok("alert", "raise", "--id", alert, "--message", "m", "--as", "eye")
    desk.ok("alert", "raise", "--message", "m", "--as", "eye")
    assert {one["id"] for one in desk.ok("alert", "list", "--json").json["alerts"]} >= {"a-1", "A-2"}


COMMAND = "import sys; from opsgit.cli.main import run; run(sys.argv[1:])"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shell", "exit_code", "code"),
    [("{} > /dev/full", 9, "OUTPUT"), ("{} --json > /dev/full", 9, "OUTPUT"), ("{} >&-", 0, ""), ("{} 2> /dev/full", 0, ""),
     ("{} --as nobody > /dev/full 2>&1", 3, ""), ("PYTHONIOENCODING=latin-1 {}", 0, "")],
)  # fmt: skip
def test_output_that_cannot_be_written_is_said_and_the_write_is_done_once(
    desk: Desk, shell: str, exit_code: int, code: str
) -> None:
    words = f"{sys.executable} -c '{COMMAND}' -C {desk.path} task add --title ✓"
    done = subprocess.run(["sh", "-c", shell.format(words)], capture_output=True, check=False)
    assert done.returncode == exit_code, done
    assert code.encode() in done.stderr and b"Traceback" not in done.stderr and b"INTERNAL" not in done.stderr
    assert len(desk.ok("task", "list", "--json").json["tasks"]) == (0 if "nobody" in shell else 1)


def test_json_stays_json_in_an_encoding_of_256_letters(desk: Desk) -> None:
    words = [sys.executable, "-c", COMMAND, "-C", str(desk.path), "task", "add", "--title", "😀 ✓", "--json"]
    done = subprocess.run(words, capture_output=True, check=True, env={**os.environ, "PYTHONIOENCODING": "latin-1"})
    assert json.loads(done.stdout)["operations"][0]["subject"] == "T-1: new → backlog"


def test_a_name_that_is_too_long_stops_no_import(desk: Desk, tmp_path: Path) -> None:
    long = "x" * 300
    state = {
        "agents": {long: {"role": "developer"}, "fine": {"role": "developer"}},
        "tasks": {"X-1": {"title": "t", "assigned": long, "history": [{"status": "done", "by": long}]}},
        "quotas": {long: {"limit": 3}},
        "metrics": {long: 1},
    }
    (tmp_path / "state.json").write_text(json.dumps(state))
    told = desk.run("import", str(tmp_path / "state.json"), "--json")
    fates = {one["record"]: one["fate"] for one in told.json["records"]}
    assert told.exit == 10 and fates["agent fine"] == "imported" and fates["task X-1"] == "changed"
    assert sum(fate == "left out" for fate in fates.values()) == 3


def test_unfinished_files_of_a_crash_are_removed_by_doctor(desk: Desk) -> None:
    desk.ok("task", "add", "--title", "t")
    left = [
        desk.path / ".state.json.12.part",
        desk.path / "tasks/t1/.T-1.yaml.12.part",
        desk.path / ".git/opsgit/.refreshed.3.part",
    ]
    mine = desk.path / "notes.part"
    for path in (*left, mine):
        path.write_text("x")
    assert "unfinished files" not in desk.run("doctor").out, "they may still be written"
    for path in left:
        os.utime(path, (1, 1))
    assert "3 unfinished files of a crash" in desk.run("doctor").out
    desk.run("doctor", "--fix")
    assert not any(path.exists() for path in left) and mine.exists()
