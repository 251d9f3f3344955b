"""Hand edits: `git commit` makes an operation of them, or is refused with the command that would do it right."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from pathlib import Path

import pytest

from opsgit.cli.main import main
from tests.conftest import Desk, git


def commit(path: Path, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    command = ["git", "-C", str(path), "commit", "-q", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **env})


def edit(desk: Desk, old: str, new: str, file: str = "tasks/t1/T-1.yaml") -> None:
    path = desk.path / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


@pytest.fixture
def task(desk: Desk) -> Desk:
    desk.ok("task", "add", "--title", "One", "--assign", "dev")
    return desk


EDITS = {
    "a title": ("title: One", 'title: "Two: it"', "T-1: edit"),
    "a priority and a tag": ("priority: medium", "priority: high\ntags: [a, 'b']", "T-1: edit"),
    "a comment": (
        "contributors:\n  - dev\n",
        "contributors:\n  - dev\ncomments:\n  - {by: x, at: '2020-01-01T00:00:00Z', text: hello}\n",
        "T-1: comment",
    ),
    "a cancellation": ("status: assigned", "status: cancelled", "T-1: assigned → cancelled"),
}


@pytest.mark.parametrize("what", [w if w == "a title" else pytest.param(w, marks=pytest.mark.slow) for w in EDITS])
@pytest.mark.parametrize("zone", ["UTC", pytest.param("Asia/Kolkata", marks=pytest.mark.slow)])
def test_a_hand_edit_becomes_a_signed_operation(task: Desk, what: str, zone: str) -> None:
    old, new, subject = EDITS[what]
    edit(task, old, new)
    done = commit(task.path, "-am", "because\n\n\n\nof this  ", TZ=zone)
    assert done.returncode == 0, done.stderr
    log = git(task.path, "log", "-1", "--format=%G? %an %s%n%b")
    assert log.startswith(f"G orchestrator {subject}\nbecause\n\nof this\n")
    assert git(task.path, "status", "--porcelain") == ""
    task.ok("verify")
    task.ok("fmt", "--check")
    task.ok("task", "add", "--title", "after")


@pytest.mark.slow
def test_the_policy_and_managed_files_are_edited_by_hand(task: Desk) -> None:
    edit(task, "rules: 1\n", "rules: 1\nidle: 3d  # a remark\n", "ops.yaml")
    assert commit(task.path, "-am", "x").returncode == 0
    edit(task, "The single", "the single", "README.md")
    assert commit(task.path, "-am", "x").returncode == 0
    assert "# a remark" in (task.path / "ops.yaml").read_text()
    task.ok("verify")


def test_no_hook_takes_what_no_server_would(task: Desk) -> None:
    (task.path / "README.md").write_text("x" * 300_000)
    done = commit(task.path, "-am", "large")
    assert done.returncode != 0 and "FILE_FULL" in done.stderr


def test_an_edit_that_is_staged_and_gone_from_the_checkout(task: Desk) -> None:
    edit(task, "title: ", "title:   ")
    git(task.path, "add", "-A")
    (task.path / "tasks/t1/T-1.yaml").unlink()
    done = commit(task.path, "-m", "spaces")
    assert done.returncode != 0 and "HAND_MADE" in done.stderr and "DISK" not in done.stderr


@pytest.mark.slow
def test_a_gate_is_added_made_executable_and_removed_by_hand(task: Desk) -> None:
    gate = task.path / "gates/deploy.sh"
    gate.parent.mkdir()
    gate.write_text("#!/bin/sh\n")
    git(task.path, "add", "gates")
    assert commit(task.path, "-m", "a gate").returncode == 0
    gate.chmod(0o755)
    assert commit(task.path, "-am", "it runs").returncode == 0
    task.ok("verify")
    git(task.path, "rm", "-q", "gates/deploy.sh")
    assert commit(task.path, "-m", "no gate").returncode == 0
    task.ok("verify")


REFUSED = {
    "done by hand": ("status: assigned", "status: done", "HAND_MADE"),
    "in review by hand": ("status: assigned", "status: review", "HAND_MADE"),
    "another's start": ("status: assigned", "status: in-progress", "NOT_ASSIGNEE"),
    "the creator": ("created_by: orchestrator", "created_by: qa", "HAND_MADE"),
    "a schema fault": ("priority: medium", "priority: huge", "SCHEMA"),
    "an anchor": ("priority: medium", "priority: &x medium", "BAD_YAML"),
    "an edit and a cancellation": ("title: One\nstatus: assigned", "title: Two\nstatus: cancelled", "HAND_MADE"),
    "another id": ("id: T-1", "id: T-2", "HAND_MADE"),
}


@pytest.mark.slow
@pytest.mark.parametrize("what", REFUSED)
def test_what_is_no_legal_operation_is_refused_with_its_code(task: Desk, what: str) -> None:
    old, new, code = REFUSED[what]
    edit(task, old, new)
    before, edited = git(task.path, "rev-parse", "main"), (task.path / "tasks/t1/T-1.yaml").read_text()
    done = commit(task.path, "-am", "x")
    assert done.returncode != 0
    assert code in done.stderr and "try:" in done.stderr and "Traceback" not in done.stderr, done.stderr
    assert git(task.path, "rev-parse", "main") == before
    assert (task.path / "tasks/t1/T-1.yaml").read_text() == edited


@pytest.mark.slow
def test_amending_merging_two_files_and_empty_commits_are_refused(in_review: Desk) -> None:
    in_review.ok("task", "add", "--title", "Two")
    assert "not amended" in commit(in_review.path, "--amend", "-m", "x").stderr
    edit(in_review, "title: Two", "title: x", "tasks/t2/T-2.yaml")
    assert "HAND_MADE" in commit(in_review.path, "--amend", "-am", "x").stderr
    git(in_review.path, "reset", "-q", "--hard")
    assert "NOTHING_CHANGES" in commit(in_review.path, "--allow-empty", "-m", "x").stderr
    merge = subprocess.run(
        ["git", "-C", str(in_review.path), "merge", "--no-ff", "-m", "x", "review/T-1"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert merge.returncode != 0 and "HAND_MADE" in merge.stderr
    git(in_review.path, "merge", "--abort", check=False)
    git(in_review.path, "reset", "-q", "--hard")
    edit(in_review, "title: Two", "title: x", "tasks/t2/T-2.yaml")
    edit(in_review, "The single", "the single", "README.md")
    assert "HAND_MADE" in commit(in_review.path, "-am", "x").stderr
    git(in_review.path, "reset", "-q", "--hard")
    git(in_review.path, "rm", "-q", "tasks/t2/T-2.yaml")
    assert "HAND_MADE" in commit(in_review.path, "-m", "x").stderr
    git(in_review.path, "reset", "-q", "--hard")
    git(in_review.path, "checkout", "-q", "review/T-1")
    edit(in_review, "title: One", "title: x")
    assert "HAND_MADE" in commit(in_review.path, "-am", "x").stderr


@pytest.mark.slow
def test_an_unsigned_clone_is_told(task: Desk) -> None:
    git(task.path, "config", "commit.gpgSign", "false")
    edit(task, "title: One", "title: Two")
    assert "BAD_SIGNATURE" in commit(task.path, "-am", "x").stderr
    task.ok("doctor", "--fix")
    assert commit(task.path, "-am", "x").returncode == 0


@pytest.mark.slow
def test_a_hook_that_is_there_is_called_and_comes_back(task: Desk, tmp_path: Path) -> None:
    hook = task.path / ".git/hooks/pre-commit"
    task.ok("hooks", "uninstall")
    assert not hook.exists()
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/called\n")
    hook.chmod(0o755)
    assert task.ok("hooks", "status", "--json").json["hooks"]["pre-commit"] == "foreign"
    for _ in range(2):
        task.ok("hooks", "install")
    edit(task, "title: One", "title: Two")
    assert commit(task.path, "-am", "x").returncode == 0
    assert (tmp_path / "called").exists()
    task.ok("hooks", "uninstall")
    assert "called" in hook.read_text()


@pytest.mark.slow
def test_init_and_clone_install_the_hooks(task: Desk, tmp_path: Path) -> None:
    assert main(["clone", str(task.path), str(tmp_path / "clone"), "--as", "dev"]) == 0
    clone = Desk(tmp_path / "clone", task.capsys)
    for one in (task, clone):
        assert set(one.ok("hooks", "status", "--json").json["hooks"].values()) == {"installed"}
    edit(clone, "status: assigned", "status: in-progress")
    assert commit(clone.path, "-am", "begin").returncode == 0
    assert git(clone.path, "log", "-1", "--format=%G? %an %s") == "G dev T-1: assigned → in-progress\n"
    clone.ok("verify")


@pytest.mark.slow
def test_newer_work_in_the_file_is_not_lost(task: Desk) -> None:
    edit(task, "title: One", 'title: "staged"')
    git(task.path, "add", "-A")
    edit(task, '"staged"', "later")
    assert commit(task.path, "-m", "x").returncode == 0
    assert "title: later" in (task.path / "tasks/t1/T-1.yaml").read_text()
    assert "title: staged" in git(task.path, "show", "HEAD:tasks/t1/T-1.yaml")


@pytest.mark.slow
def test_a_path_that_is_not_in_form_is_asked_for_first(task: Desk) -> None:
    edit(task, "title: One", 'title: "p1"')
    assert "NOT_CANONICAL" in commit(task.path, "-m", "x", "tasks/t1/T-1.yaml").stderr
    git(task.path, "add", "tasks/t1/T-1.yaml")
    assert commit(task.path, "-m", "x").returncode == 0
    assert git(task.path, "status", "--porcelain") == ""


@pytest.mark.parametrize(
    "words",
    [
        ["revert", "--no-edit", "HEAD"],
        ["commit", "--no-verify", "-am", "x"],
        ["commit", "-am", "x", "--author=qa <qa@x>"],
        ["commit", "-am", "x", "--date=2020-01-01T00:00:00Z"],
    ],
)
def test_git_does_not_rewrite_undo_or_pretend(task: Desk, words: list[str]) -> None:
    task.ok("task", "add", "--title", "Two")
    if words[0] == "commit":
        edit(task, "title: One", "title: x")
    before = git(task.path, "rev-parse", "main")
    done = subprocess.run(["git", "-C", str(task.path), *words], capture_output=True, text=True, check=False)
    assert done.returncode != 0 and ("HAND_MADE" in done.stderr or "CONFLICT" in done.stdout), done
    assert git(task.path, "rev-parse", "main") == before


def test_a_symlink_and_hooks_that_are_elsewhere(task: Desk) -> None:
    (task.path / "gates").mkdir()
    (task.path / "gates/l").symlink_to("/etc")
    git(task.path, "add", "-A")
    assert "WRONG_FILE" in commit(task.path, "-m", "x").stderr
    git(task.path, "config", "core.hooksPath", "/nowhere")
    assert set(task.ok("hooks", "status", "--json").json["hooks"].values()) == {"elsewhere"}


@pytest.mark.slow
@pytest.mark.parametrize(("words", "note"), [(["-m", "#12 fixes"], "#12 fixes"), (["-v", "-e", "-m", "kept"], "kept")])
def test_the_note_is_what_was_written(task: Desk, words: list[str], note: str) -> None:
    edit(task, "title: One", "title: x")
    assert commit(task.path, "-a", *words, GIT_EDITOR="true").returncode == 0
    log = git(task.path, "log", "-1", "--format=%B")
    assert f"\n\n{note}\n\nOpsgit-Op" in log and "diff --git" not in log
    task.ok("verify")


@pytest.mark.slow
def test_the_shim_stays_within_its_budget(task: Desk) -> None:
    """300 ms for the plain shim; measured, with room for a noisy machine."""
    times = []
    for number in range(5):
        edit(task, re.findall(r"title: .*", (task.path / "tasks/t1/T-1.yaml").read_text())[0], f"title: t{number}")
        git(task.path, "add", "-A")
        start = time.monotonic()
        env = {**os.environ, "GIT_AUTHOR_NAME": "orchestrator", "GIT_AUTHOR_DATE": f"@{int(time.time())} +0000"}
        subprocess.run([str(task.path / ".git/hooks/pre-commit")], cwd=task.path, env=env, check=True)
        times.append(time.monotonic() - start)
        git(task.path, "commit", "-qm", "x")
    assert sorted(times)[2] < 0.6, times


def test_the_users_own_configuration_counts_at_the_hook_and_for_doctor(task: Desk, tmp_path: Path) -> None:
    """git commits as the user's global configuration says, so the hook has to look there as well."""
    mine = tmp_path / "gitconfig"
    mine.write_text("[i18n]\n\tcommitEncoding = latin1\n[core]\n\thooksPath = /elsewhere\n")
    edit(task, "title: One", "title: Two")
    hooks = str(task.path / ".git/hooks")
    refused = commit(task.path, "-am", "x", GIT_CONFIG_GLOBAL=str(mine), GIT_CONFIG_COUNT="1",
                     GIT_CONFIG_KEY_0="core.hooksPath", GIT_CONFIG_VALUE_0=hooks)  # fmt: skip
    assert refused.returncode and "messages are UTF-8" in refused.stderr
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GIT_CONFIG_GLOBAL", str(mine))
        checks = task.run("doctor", "--json").json["checks"]
    assert [one["message"] for one in checks if one["check"] == "hooks" and one["state"] == "warning"] == [
        "core.hooksPath sends git to /elsewhere for hooks"
    ]


PAST = {
    "unsigned": (["--no-gpg-sign"], {}),
    "a committer's time": ([], {"GIT_COMMITTER_DATE": "2020-01-01T00:00:00Z"}),
    "another key": (["--gpg-sign={other}"], {}),
    "a time": (["--date=now", "--no-gpg-sign"], {}),
    "another committer": ([], {"GIT_COMMITTER_NAME": "qa"}),
    "an encoding": ([], {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "i18n.commitEncoding", "GIT_CONFIG_VALUE_0": "latin1"}),
    "a time zone of half a second": ([], {"GIT_COMMITTER_DATE": "@{now} +0530"}),
}  # fmt: skip


@pytest.mark.parametrize(
    "what", ["unsigned", *(pytest.param(what, marks=pytest.mark.slow) for what in PAST if what != "unsigned")]
)
def test_the_finished_commit_is_judged(task: Desk, tmp_path: Path, what: str) -> None:
    """What takes effect after the other hooks passes them, and is refused before main moves."""
    words, env = PAST[what]
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "other")], check=True)
    edit(task, "title: One", "title: Two")
    before = git(task.path, "rev-parse", "main")
    now = str(int(time.time()))
    given = [word.format(other=tmp_path / "other") for word in words]
    done = commit(task.path, "-am", "x", *given, **{name: value.format(now=now) for name, value in env.items()})
    assert done.returncode != 0, done
    assert re.search("BAD_SIGNATURE|BAD_COMMIT|HAND_MADE", done.stderr), done.stderr
    assert git(task.path, "rev-parse", "main") == before
    git(task.path, "reset", "-q", "--hard")
    task.ok("task", "add", "--title", "after")
    task.ok("verify")


@pytest.mark.slow
def test_a_merge_and_a_rewritten_history_do_not_become_main(task: Desk) -> None:
    git(task.path, "branch", "other", "main~1")
    before = git(task.path, "rev-parse", "main")
    other = git(
        task.path, "-c", "user.name=x", "-c", "user.email=x@x", "commit-tree", "other^{tree}", "-p", "other", "-m", "x"
    )
    merge = git(task.path, "-c", "user.name=x", "-c", "user.email=x@x", "commit-tree", "main^{tree}", "-p", "main", "-p", other.strip(), "-m", "x")  # fmt: skip
    moved = ["git", "-C", str(task.path), "update-ref", "refs/heads/main", merge.strip()]
    done = subprocess.run(moved, capture_output=True, text=True, check=False)
    assert done.returncode != 0 and "BAD_SIGNATURE" in done.stderr
    assert git(task.path, "rev-parse", "main") == before


@pytest.mark.slow
def test_what_was_pulled_is_judged_before_main_moves(task: Desk, tmp_path: Path) -> None:
    assert main(["clone", str(task.path), str(tmp_path / "clone"), "--as", "dev"]) == 0
    task.ok("task", "add", "--title", "new")
    pull = ["git", "-C", str(tmp_path / "clone"), "pull", "-q", "--ff-only"]
    assert subprocess.run(pull, capture_output=True, check=False).returncode == 0
    bad = git(
        task.path, "-c", "user.name=x", "-c", "user.email=x@x", "commit-tree", "main^{tree}", "-p", "main", "-m", "x"
    )
    git(task.path, "update-ref", "refs/heads/main", bad.strip())
    done = subprocess.run(pull, capture_output=True, text=True, check=False)
    assert done.returncode != 0 and "BAD_SIGNATURE" in done.stderr


def test_no_hook_of_another_program_is_overwritten(task: Desk) -> None:
    task.ok("hooks", "uninstall")
    for name in ("pre-commit", "pre-commit.chained"):
        (task.path / ".git/hooks" / name).write_text(f"#!/bin/sh\n# {name}\n")
    assert task.refused("hooks", "install") == "WRONG_FILE"
    for name in ("pre-commit", "pre-commit.chained"):
        assert f"# {name}\n" in (task.path / ".git/hooks" / name).read_text()


@pytest.mark.slow
def test_a_fork_that_does_not_hold_does_not_become_main_by_a_rebase(task: Desk, tmp_path: Path) -> None:
    """The host was rewound and forked; `git pull --rebase` has nothing of its own to replay, and would take the fork."""
    host = tmp_path / "host.git"
    git(tmp_path, "init", "-q", "--bare", str(host))
    git(task.path, "push", "-q", str(host), "main")
    assert main(["clone", str(host), str(tmp_path / "victim")]) == 0
    who = ("-c", "user.name=x", "-c", "user.email=x@x", "-c", "commit.gpgSign=false")
    evil = git(task.path, *who, "commit-tree", "main^{tree}", "-p", "main~1", "-m", "x").strip()
    git(task.path, "push", "-q", "--no-verify", "-f", str(host), f"{evil}:refs/heads/main")
    before = git(tmp_path / "victim", "rev-parse", "main")
    for words in (["pull", "-q", "--rebase"], ["rebase", "origin/main"], ["reset", "-q", "--hard", "origin/main"]):
        done = subprocess.run(
            ["git", "-C", str(tmp_path / "victim"), *words], capture_output=True, text=True, check=False
        )
        assert done.returncode != 0 and ("BAD_SIGNATURE" in done.stderr or "HAND_MADE" in done.stderr), done.stderr
        assert git(tmp_path / "victim", "rev-parse", "main") == before


def test_a_rebase_of_main_is_refused_before_it_begins(task: Desk) -> None:
    git(task.path, "branch", "other", "main~1")
    task.ok("task", "add", "--title", "two")
    done = subprocess.run(
        ["git", "-C", str(task.path), "rebase", "--onto", "other", "main~1"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0 and "opsgit sync" in done.stderr
    assert git(task.path, "status", "--porcelain") == "" and not (task.path / ".git/rebase-merge").exists()


@pytest.mark.slow
def test_what_follows_the_ledger_comes_along_with_a_pull(task: Desk, tmp_path: Path) -> None:
    assert main(["clone", str(task.path), str(tmp_path / "clone")]) == 0
    clone = tmp_path / "clone"
    task.ok("agent", "add", "new", "--role", "developer")
    task.ok("task", "comment", "T-1", "--text", "x", "--as", "new")
    git(clone, "pull", "-q")
    assert git(clone, "log", "-1", "--format=%G? %an").strip() == "G new"
    assert "new" in json.loads((clone / "state.json").read_text())["agents"]
