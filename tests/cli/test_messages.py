"""What refusals say: the command that does it right, never the one that was just refused."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from opsgit.cli.main import main
from tests.conftest import Desk, git


def hint(desk: Desk, *words: str) -> str:
    result = desk.run(*words, "--json")
    assert result.exit not in (0, 1), result
    return str(json.loads(result.err)["error"]["hint"])


REFUSED = [
    "import state.json", "import {folder}", "task show T-9", "task show ../x", "task add --title x --priority nope", "task list --assigned nobody",
    "task list --fields nope", "task list --updated-since soon", "agent show nobody", "quota check nope", "quota use nope", "quota set q --limit 3",
    "quota set q --limit -1 --period daily", "metric set alerts 3", "alert resolve A-9", "history T-9", "whoami --as nobody", "project set nope 1",
    "project set name x", "report --since soon", "rollback T-2", "rollback T-1 --as eye", "rollback T-1 --as eye --alert A-1", "review approve T-1 --as qa",
    "review reject T-1 --as qa", "review withdraw T-1", "review sign-off T-1 --as qa", "task start T-1", "task claim T-1 --as dev", "task submit T-1 --output x",
    "task release T-1", "task assign T-1 --to nobody", "task edit T-1 --title x --as eye", "deploy abandon T-1", "agent add dev --role developer",
    "agent add --name new --role nope", "agent remove nobody", "agent rotate nobody", "agent ratify 0123456", "agent compromise dev --since 0123456", "clone nowhere {folder}",
    "server install {folder}", "init --project x --state-dir {folder}", "fmt nope", "task trim T-1 --keep 5",
]  # fmt: skip


def test_a_hint_never_repeats_the_command(deployed: Desk) -> None:
    for command in REFUSED:
        words = command.format(folder=deployed.path).split()
        if words[0] in ("clone", "server", "init"):
            deployed.capsys.readouterr()
            assert main([*words, "--json"]) not in (0, 1), command
            said = str(json.loads(deployed.capsys.readouterr().err)["error"]["hint"])
        else:
            said = hint(deployed, *words)
        assert said, command
        assert shlex.join(words) not in said
        assert "opsgit " + " ".join(words) not in said


@pytest.fixture
def deployed(done: Desk) -> Desk:
    """A desk with T-1 deployed and T-2 in the backlog; A-1 is an alert of eye's own."""
    done.ok("task", "move", "T-1", "--to", "deployed")
    done.ok("task", "add", "--id", "T-2", "--title", "two")
    done.ok("alert", "raise", "--message", "x", "--as", "eye")
    return done


def test_an_observer_is_told_who_may_roll_back(done: Desk) -> None:
    done.ok("task", "move", "T-1", "--to", "deployed")
    done.ok("alert", "raise", "--message", "x", "--task", "T-1", "--as", "eye")
    for words, code in ((["--alert", "A-1"], "ALERT_UNFIT"), ([], "ALERT_REQUIRED")):
        refused = done.run("rollback", "T-1", "--as", "eye", *words).err
        assert code in refused
        assert "deployer or an orchestrator may roll it back without an alert" in refused


def test_a_deliverable_that_is_not_on_this_machine_can_be_named(in_review: Desk, output: Path) -> None:
    output.rename(output.with_name("elsewhere"))
    in_review.unattach()
    assert "--deliverable PATH" in hint(in_review, "review", "approve", "T-1", "--as", "qa")
    copy = str(output.with_name("elsewhere"))
    assert "--deliverable" not in hint(in_review, "review", "approve", "T-1", "--as", "qa", "--deliverable", copy + "x")
    in_review.ok("review", "approve", "T-1", "--as", "qa", "--deliverable", copy)
    assert "--deliverable PATH" in hint(in_review, "task", "move", "T-1", "--to", "deployed")


def test_what_a_refused_revert_leaves_is_put_back_by_the_command_that_it_names(desk: Desk) -> None:
    desk.ok("task", "add", "--title", "one")
    import subprocess

    done = subprocess.run(
        ["git", "-C", str(desk.path), "revert", "--no-edit", "HEAD"], capture_output=True, text=True, check=False
    )
    assert done.returncode
    assert git(desk.path, "status", "--porcelain") == "D  tasks/t1/T-1.yaml\n"
    command = done.stderr.partition("try: ")[2].partition(" puts back")[0]
    git(desk.path, *shlex.split(command)[1:])
    assert git(desk.path, "status", "--porcelain") == ""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "ends"),
    [("pull -q --no-rebase . other", "git merge --abort")],
)  # fmt: skip
def test_what_git_began_is_ended_by_the_command_that_is_named(desk: Desk, command: str, ends: str) -> None:
    import subprocess

    desk.ok("task", "add", "--title", "one")
    git(desk.path, "branch", "other", "main~1")
    git(desk.path, "checkout", "-q", "other")
    git(
        desk.path,
        "-c",
        "core.hooksPath=/dev/null",
        "-c",
        "commit.gpgSign=false",
        "commit",
        "-q",
        "--allow-empty",
        "-m",
        "x",
    )
    git(desk.path, "checkout", "-q", "main")
    before = git(desk.path, "rev-parse", "main")
    done = subprocess.run(["git", "-C", str(desk.path), *command.split()], capture_output=True, text=True, check=False)
    assert done.returncode
    assert ends in done.stderr
    git(desk.path, *ends.split()[1:])
    assert git(desk.path, "status", "--porcelain") == ""
    assert git(desk.path, "rev-parse", "main") == before


@pytest.mark.slow
def test_a_review_that_was_half_pushed_is_named_and_mended(in_review: Desk, tmp_path: Path) -> None:
    hub, place = tmp_path / "hub.git", tmp_path / "qa"
    assert main(["server", "init", str(hub)]) == 0
    git(in_review.path, "remote", "add", "origin", str(hub))
    git(in_review.path, "push", "-q", "origin", "main")
    assert main(["clone", str(hub), str(place), "--as", "qa"]) == 0
    qa = Desk(place, in_review.capsys)
    refused = qa.run("review", "approve", "T-1", "--json")
    assert refused.code == "REVIEW_BRANCH_MISSING"
    assert "git push origin review/T-1" in refused.err
    assert "main came without it" in qa.ok("task", "show", "T-1").err
    assert "main came without it" in qa.run("doctor").out
    git(in_review.path, "push", "-q", "origin", "review/T-1")
    git(place, "fetch", "-q")
    assert "main came without it" not in qa.ok("task", "show", "T-1").err
    qa.ok("review", "approve", "T-1")


def test_the_columns_of_history_have_names(done: Desk) -> None:
    lines = done.ok("history", "T-1").out.splitlines()
    assert lines[0].split("  ")[0] == "AT"
    assert all(name in lines[0] for name in ("BY", "WHAT", "STATUS OR STEP", "COMMIT", "ASSIGNED", "DETAILS"))
    assert "output: " in lines[3]


def test_a_step_too_early_names_the_command_that_comes_next(desk: Desk, output: Path) -> None:
    desk.ok("task", "add", "--title", "one", "--assign", "dev")
    assert hint(desk, "task", "submit", "T-1", "--output", str(output)) == "opsgit task start T-1"
    desk.ok("task", "start", "T-1")
    assert hint(desk, "task", "move", "T-1", "--to", "deployed") == "opsgit task submit T-1 --output PATH"
    desk.ok("task", "submit", "T-1", "--output", str(output))
    assert "opsgit review approve T-1" in hint(desk, "rollback", "T-1")
    assert hint(desk, "review", "approve", "T-1") == "--as qa", "who could is named"
    desk.ok("review", "approve", "T-1", "--as", "qa")
    assert hint(desk, "rollback", "T-1") == "opsgit task move T-1 --to deployed"


def test_the_author_is_told_who_may_approve(desk: Desk, output: Path) -> None:
    desk.ok("task", "add", "--title", "one", "--assign", "dev", "--pipeline", "dev,qa,ship")
    desk.ok("task", "start", "T-1")
    desk.ok("task", "submit", "T-1", "--output", str(output))
    assert hint(desk, "review", "approve", "T-1", "--as", "dev") == "opsgit review approve T-1 --as qa"


def test_a_review_that_was_merged_by_git_is_not_built_on(in_review: Desk) -> None:
    """What was judged as a review is no ledger."""
    in_review.ok("task", "show", "T-1")
    git(in_review.path, "-c", "core.hooksPath=/dev/null", "merge", "-q", "--ff-only", "review/T-1")
    for words in (["task", "add", "--title", "x"], ["review", "approve", "T-1", "--as", "qa"], ["task", "list"]):
        result = in_review.run(*words, "--json")
        assert result.code == "WRONG_REF", words


def test_a_folder_that_is_not_there_is_no_full_disk(desk: Desk) -> None:
    assert "its folder must be there" in hint(desk, "monitor", "--alert-to", "/nonexistent/alerts.log")


def test_in_an_agents_own_clone_nobody_is_told_to_act_as_another(desk: Desk) -> None:
    desk.ok("task", "add", "--title", "t", "--assign", "dev")
    assert hint(desk, "task", "start", "T-1", "--as", "qa") == "opsgit task start T-1 --as dev"
    git(desk.path, "config", "opsgit.agent", "qa")
    assert hint(desk, "task", "start", "T-1") == "ask dev: opsgit task start T-1"
