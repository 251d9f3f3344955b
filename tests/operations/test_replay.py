"""Every commit that the operations make is judged again and found to be what the rule book makes of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from opsgit.domain.refusals import Refused
from opsgit.domain.request import Change
from opsgit.operations import demo
from opsgit.storage.repository import Repository
from opsgit.verification.replay import Judge
from tests.conftest import Desk, git


def judged(path: Path) -> dict[str, Change]:
    """The change of each commit but the genesis."""
    repository = Repository((path / ".git").resolve(), path)
    judge = Judge(repository.objects(), repository.index)
    commits = git(path, "rev-list", "--reverse", "--min-parents=1", "--all").split()
    found = {commit: judge.judge(commit) for commit in commits}
    repository.close()
    return found


def test_the_whole_demo_replays(tmp_path: Path) -> None:
    list(demo.walk(tmp_path / "demo"))
    found = judged(tmp_path / "demo" / "state")
    ops = {change.request.op for change in found.values()}
    assert ops >= {"agent.add", "task.add", "task.start", "task.submit", "review.request", "review.comment", "review.approve",
                   "project.set", "task.deploy-start", "task.deploy-finish", "task.rollback"}  # fmt: skip


def test_the_other_operations_replay(desk: Desk, output: Path) -> None:
    desk.ok("agent", "add", "qa2", "--role", "reviewer", "--email", "qa2@example.org", "--kind", "human")
    desk.ok("agent", "edit", "qa2", "--desc", "second\nstage", "--email", "new@example.org")
    desk.ok("project", "set", "roles.webmaster", "[work]")
    desk.ok("project", "set", "pipeline", "[developer, reviewer, reviewer, deployer]")
    desk.ok("task", "add", "--title", "a", "--as", "eye", "--note", "found it\n\nOpsgit-Op: task.cancel")
    desk.ok("task", "edit", "T-1", "--title", "b", "--tag", "x", "--desc", "one\ntwo", "--as", "eye")
    desk.ok("task", "edit", "T-1", "--pipeline", "dev,qa,qa2,ship", "--priority", "low")
    desk.ok("task", "claim", "T-1", "--as", "dev")
    desk.ok("task", "start", "T-1")
    desk.ok("task", "progress", "T-1", "--text", "half")
    desk.ok("task", "comment", "T-1", "--text", "hm", "--as", "orchestrator")
    desk.ok("task", "comment", "T-1", "--text", "hm hm", "--as", "orchestrator")
    desk.ok("task", "trim", "T-1", "--keep", "1")
    desk.ok("task", "submit", "T-1", "--output", str(output))
    desk.ok("review", "sign-off", "T-1", "--as", "qa")
    (output / "more").write_text("x")
    desk.ok("review", "revise", "T-1", "--output", str(output))
    desk.ok("review", "withdraw", "T-1", "--reason", "one more thing")
    desk.ok("task", "submit", "T-1", "--output", str(output))
    desk.ok("review", "sign-off", "T-1", "--as", "qa")
    desk.ok("review", "reject", "T-1", "--as", "qa2", "--reason", "no")
    desk.ok("task", "release", "T-1")
    desk.ok("task", "assign", "T-1", "--to", "dev")
    desk.ok("task", "cancel", "T-1")
    desk.ok(
        "task",
        "add",
        "--title",
        "b",
        "--depends-on",
        "T-1",
        "--assign",
        "dev",
        "--pipeline",
        "developer->reviewer->deployer",
    )
    desk.ok("agent", "remove", "eye")
    found = judged(desk.path)
    assert len(found) == 4 + 27
    assert desk.status() == "cancelled"


def test_cancelling_in_review_merges_the_branch_so_that_no_comment_is_lost(in_review: Desk) -> None:
    in_review.ok("review", "comment", "T-1", "--text", "keep me", "--as", "orchestrator")
    in_review.ok("task", "cancel", "T-1")
    assert "keep me" in in_review.ok("task", "show", "T-1").out
    judged(in_review.path)
    assert git(in_review.path, "branch", "--list", "review/*") == ""


SPOILS = {
    "status": ("CONTENT_MISMATCH", "status: assigned", "status: done"),
    "title": ("MESSAGE_MISMATCH", "title: One", "title: Two"),
    "form": ("NOT_CANONICAL", "title: One", 'title: "One"'),
    "schema": ("SCHEMA", "priority: medium", "priority: huge"),
    "yaml": ("BAD_YAML", "priority: medium", "priority: &a medium"),
    "creator": ("CONTENT_MISMATCH", "created_by: orchestrator", "created_by: qa"),
    "time": ("CONTENT_MISMATCH", 'created: "2', 'created: "1'),
    "contributors": ("CONTENT_MISMATCH", "  - dev\n", "  - qa\n"),
}


@pytest.mark.parametrize("what", SPOILS)
def test_one_changed_field_is_found(desk: Desk, what: str) -> None:
    code, old, new = SPOILS[what]
    desk.ok("task", "add", "--title", "One", "--assign", "dev")
    file = desk.path / "tasks/t1/T-1.yaml"
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))
    git(
        desk.path,
        "-c",
        "core.hooksPath=/dev/null",
        "commit",
        "-q",
        "--amend",
        "-a",
        "--no-edit",
        "--cleanup=verbatim",
        env=signing(desk.path),
    )
    with pytest.raises(Refused) as caught:
        judged(desk.path)
    assert caught.value.refusal.code == code


def signing(path: Path) -> dict[str, str]:
    """An environment in which plain git commits as the orchestrator of the clone, at the time of the last commit."""
    import os

    at = git(path, "log", "-1", "--format=%cD").strip()
    return {**os.environ, "GIT_COMMITTER_DATE": at, "TZ": "UTC"}


def test_the_same_signed_again_by_plain_git_is_honest(desk: Desk) -> None:
    desk.ok("task", "add", "--title", "One")
    git(
        desk.path,
        "-c",
        "core.hooksPath=/dev/null",
        "commit",
        "-q",
        "--amend",
        "--no-edit",
        "--cleanup=verbatim",
        env=signing(desk.path),
    )
    judged(desk.path)


def test_another_key_is_not_its_authors(desk: Desk) -> None:
    desk.ok("task", "add", "--title", "One")
    key = desk.session().repository.keys.path("dev")
    command = [
        "-c",
        "core.hooksPath=/dev/null",
        "-c",
        f"user.signingKey={key}",
        "commit",
        "-q",
        "--amend",
        "--no-edit",
        "--cleanup=verbatim",
    ]
    git(desk.path, *command, env=signing(desk.path))
    with pytest.raises(Refused) as caught:
        judged(desk.path)
    assert caught.value.refusal.code == "BAD_SIGNATURE"
