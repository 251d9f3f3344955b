"""Deploying and rolling back with real commands."""

from __future__ import annotations

import json
import shutil
import zlib
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Desk, git


def script(tmp_path: Path, body: str) -> str:
    path = tmp_path / "script.sh"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return str(path)


def deployment(desk: Desk) -> dict[str, str]:
    found: dict[str, str] = desk.ok("task", "show", "T-1", "--json").json["task"]["deployment"]
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("body", "evidence"),
    [("exit 3", "exit 3"), ("sleep 300", "timeout"), ("head -c 100000000 /dev/zero", "output"), (None, "missing")],
)
def test_a_command_that_fails_leaves_the_task_done_and_is_recorded(
    done: Desk, tmp_path: Path, body: str | None, evidence: str
) -> None:
    command = script(tmp_path, body) if body else "/no/such/command"
    done.ok("project", "set", "deploy.command", json.dumps([command]))
    done.ok("project", "set", "deploy.timeout", "1")
    result = done.run("task", "move", "T-1", "--to", "deployed", "--json")
    assert (result.exit, result.code) == (5, "DEPLOY_FAILED")
    assert done.status() == "done"
    assert (deployment(done)["state"], deployment(done)["evidence"]) == ("failed", evidence)
    done.ok("project", "set", "deploy.command", '["true"]')
    done.ok("task", "move", "T-1", "--to", "deployed")
    assert deployment(done)["evidence"] == "exit 0"


def test_without_a_command_the_signature_attests(done: Desk) -> None:
    done.ok("task", "move", "T-1", "--to", "deployed", "--deploy-ref", "v1")
    assert (deployment(done)["evidence"], deployment(done)["ref"]) == ("attested", "v1")


def test_a_deliverable_swapped_between_sign_off_and_deploy_is_refused(done: Desk, output: Path) -> None:
    (output / "result.txt").write_text("swapped")
    assert done.refused("task", "move", "T-1", "--to", "deployed") == "DELIVERABLE_CHANGED"
    assert done.status() == "done"


def test_a_deliverable_that_the_command_changes_is_not_deployed(done: Desk, tmp_path: Path) -> None:
    done.ok(
        "project", "set", "deploy.command", json.dumps([script(tmp_path, 'echo x >> "$OPSGIT_DELIVERABLE/result.txt"')])
    )
    assert done.run("task", "move", "T-1", "--to", "deployed", "--json").code == "DEPLOY_FAILED"
    assert deployment(done)["evidence"] == "changed"


def test_the_command_sees_the_task_and_runs_outside_the_repository(done: Desk, tmp_path: Path) -> None:
    body = f'pwd > {tmp_path}/where; echo "$OPSGIT_ACTION $OPSGIT_TASK $OPSGIT_REF" > {tmp_path}/seen'
    done.ok("project", "set", "deploy.command", json.dumps([script(tmp_path, body)]))
    done.ok("task", "move", "T-1", "--to", "deployed", "--deploy-ref", "$(id)")
    assert (tmp_path / "seen").read_text() == "deploy T-1 $(id)\n"
    assert not Path((tmp_path / "where").read_text().strip()).exists()


def test_what_is_deployed_is_what_was_approved_whatever_the_author_does_meanwhile(
    done: Desk, tmp_path: Path, output: Path
) -> None:
    """The author swaps the deliverable while the command runs, and swaps it back before it ends."""
    body = (
        f'echo swapped > {output}/result.txt; cp -r "$OPSGIT_DELIVERABLE" {tmp_path}/live; echo done > {output}/result.txt;'
        f' echo "$OPSGIT_DELIVERABLE" > {tmp_path}/seen'
    )
    done.ok("project", "set", "deploy.command", json.dumps([script(tmp_path, body)]))
    done.ok("task", "move", "T-1", "--to", "deployed")
    assert (tmp_path / "live/result.txt").read_text() == "done\n"
    private = Path((tmp_path / "seen").read_text().strip())
    assert private.name == output.name and output.parent not in private.parents
    assert not private.exists()


@pytest.mark.slow
def test_a_gate_script_that_changes_while_it_runs_has_failed(done: Desk) -> None:
    gates = done.path / "gates"
    gates.mkdir()
    (gates / "deploy.sh").write_text("#!/bin/sh\necho 'exit 0' >> gates/deploy.sh\n")
    (gates / "deploy.sh").chmod(0o755)
    git(done.path, "add", "gates")
    git(done.path, "-c", "core.hooksPath=.git/hooks", "commit", "-qm", "a gate")
    done.ok("project", "set", "deploy.command", '["gates/deploy.sh"]')
    assert done.run("task", "move", "T-1", "--to", "deployed", "--json").code == "DEPLOY_FAILED"
    assert deployment(done)["evidence"] == "changed"


def test_a_rollback_gets_what_was_deployed_and_needs_no_deliverable(done: Desk, tmp_path: Path, output: Path) -> None:
    body = f'cat "$OPSGIT_DELIVERABLE/result.txt" >> {tmp_path}/seen 2>&1; exit $(cat {tmp_path}/exit)'
    (tmp_path / "exit").write_text("1")
    done.ok("project", "set", "rollback.command", json.dumps([script(tmp_path, body)]))
    done.ok("task", "move", "T-1", "--to", "deployed")
    assert done.refused("rollback", "T-1") == "ROLLBACK_FAILED"
    assert (tmp_path / "seen").read_text() == "done\n"
    (output / "result.txt").write_text("other\n")
    (tmp_path / "exit").write_text("0")
    done.ok("rollback", "T-1")
    assert "other" not in (tmp_path / "seen").read_text()


def test_a_rollback_reverts_the_commit_and_a_failing_command_stops_it(done: Desk) -> None:
    done.ok("task", "move", "T-1", "--to", "deployed")
    deployed = git(done.path, "rev-parse", "main").strip()
    done.ok("task", "comment", "T-1", "--text", "hm", "--as", "orchestrator")
    done.ok("project", "set", "rollback.command", '["false"]')
    assert done.refused("rollback", "T-1") == "ROLLBACK_FAILED"
    done.ok("project", "set", "rollback.command", '["true"]')
    done.ok("rollback", "--id", "T-1", "--reason", "errors")
    assert f"This reverts commit {deployed}.\n\nerrors\n" in git(done.path, "log", "-1", "--format=%B")
    assert done.refused("rollback", "T-1") == "ALREADY_THERE"


def test_a_command_from_elsewhere_needs_consent_once(done: Desk) -> None:
    done.ok("project", "set", "deploy.command", '["true"]')
    (done.path / ".git/opsgit/trusted").unlink()
    assert done.refused("task", "move", "T-1", "--to", "deployed") == "NOT_TRUSTED"
    assert "true" in done.ok("deploy", "trust").out
    done.ok("task", "move", "T-1", "--to", "deployed")


@pytest.mark.slow
def test_the_gates_that_run_are_those_consented_to(done: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a fetch brings between consent and run is not run."""
    from opsgit.operations import deployments

    gate, ran = done.path / "gates/ship.sh", tmp_path / "ran"
    gate.parent.mkdir()
    for word in ("good", "evil"):
        gate.write_text(f"#!/bin/sh\necho {word} >> {ran}\n")
        gate.chmod(0o755)
        git(done.path, "add", "gates")
        git(done.path, "commit", "-qm", word)
        if word == "good":
            done.ok("project", "set", "deploy.command", '["gates/ship.sh"]')
            good = git(done.path, "rev-parse", "main:gates").strip()
    assert done.refused("task", "move", "T-1", "--to", "deployed") == "NOT_TRUSTED"
    monkeypatch.setattr(deployments, "_gates", lambda _: good)
    done.ok("task", "move", "T-1", "--to", "deployed")
    assert ran.read_text() == "good\n"


def test_a_rollback_names_who_did_it(done: Desk) -> None:
    done.ok("task", "move", "T-1", "--to", "deployed", "--deploy-ref", "v9")
    done.ok("rollback", "T-1", "--as", "orchestrator")
    assert "rolled-back by orchestrator  v9  (attested; deployed by ship)" in done.ok("task", "show", "T-1").out


def test_a_local_copy_stands_for_a_deliverable_elsewhere(in_review: Desk, output: Path, tmp_path: Path) -> None:
    output.rename(tmp_path / "copy")
    in_review.unattach()
    assert in_review.refused("review", "approve", "T-1", "--as", "qa") == "DELIVERABLE_MISSING"
    in_review.ok("review", "approve", "T-1", "--as", "qa", "--deliverable", str(tmp_path / "copy"))
    in_review.ok("task", "move", "T-1", "--to", "deployed", "--deliverable", str(tmp_path / "copy"))


@pytest.mark.parametrize("command", [None, '["true"]'])
def test_a_missing_deliverable_says_how_a_copy_is_named(done: Desk, output: Path, command: str | None) -> None:
    if command:
        done.ok("project", "set", "deploy.command", command)
    shutil.rmtree(output)
    done.unattach()
    refused = done.run("task", "move", "T-1", "--to", "deployed", "--json")
    assert refused.code == "DELIVERABLE_MISSING"
    assert "--deliverable PATH" in json.loads(refused.err)["error"]["hint"]


def test_an_abandoned_deployment_is_deployed_again(done: Desk) -> None:
    from opsgit.domain.request import Request
    from opsgit.operations.publication import write

    digest = done.ok("task", "show", "T-1", "--json").json["task"]["submission"]["digest"]
    session = done.session()
    write(session, Request("task.deploy-start", "ship", "T-1", {"digest": digest, "command": ()}))
    session.repository.close()
    assert done.refused("task", "move", "T-1", "--to", "deployed") == "DEPLOY_RUNNING"
    done.ok("deploy", "abandon", "T-1", "--reason", "its machine died")
    done.ok("task", "move", "T-1", "--to", "deployed")


def test_a_commit_as_deliverable(desk: Desk, tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "code")
    git(tmp_path / "code", "-c", "user.name=x", "-c", "user.email=x@x", "commit", "-q", "--allow-empty", "-m", "x")
    desk.ok("task", "add", "--title", "t", "--assign", "dev")
    desk.ok("task", "start", "T-1")
    assert desk.refused("task", "submit", "T-1", "--output", "commit: HEAD") == "DELIVERABLE_REQUIRED"
    desk.ok("task", "submit", "T-1", "--output", "commit: HEAD", "--repository", str(tmp_path / "code"))
    desk.ok("review", "approve", "T-1", "--as", "qa")
    body = f'git clone -q "$OPSGIT_REPOSITORY" {tmp_path}/live && echo "$OPSGIT_DELIVERABLE" > {tmp_path}/seen'
    desk.ok("project", "set", "deploy.command", json.dumps([script(tmp_path, body)]))
    desk.ok("task", "move", "T-1", "--to", "deployed")
    commit = git(tmp_path / "code", "rev-parse", "HEAD").strip()
    assert (tmp_path / "seen").read_text() == f"commit: {commit}\n"
    assert git(tmp_path / "live", "rev-parse", "HEAD").strip() == commit


def test_a_commit_of_which_a_file_was_swapped_is_not_deployed(desk: Desk, tmp_path: Path) -> None:
    """The author overwrites an object in place: its id stays, its content does not."""
    code = tmp_path / "code"
    git(tmp_path, "init", "-q", "code")
    (code / "a").write_text("good\n")
    git(code, "add", "a")
    git(code, "-c", "user.name=x", "-c", "user.email=x@x", "commit", "-q", "-m", "x")
    desk.ok("task", "add", "--title", "t", "--assign", "dev")
    desk.ok("task", "start", "T-1")
    desk.ok("task", "submit", "T-1", "--output", "commit: HEAD", "--repository", str(code))
    desk.ok("review", "approve", "T-1", "--as", "qa")
    desk.ok("project", "set", "deploy.command", json.dumps([script(tmp_path, f"touch {tmp_path}/ran")]))
    blob = git(code, "rev-parse", "HEAD:a").strip()
    loose = code / ".git/objects" / blob[:2] / blob[2:]
    loose.chmod(0o644)
    loose.write_bytes(zlib.compress(b"blob 4\0bad\n"))
    assert desk.refused("task", "move", "T-1", "--to", "deployed") == "DELIVERABLE_MISSING"
    assert not (tmp_path / "ran").exists()


def test_a_workspace_records_relative_paths(desk: Desk, output: Path, tmp_path: Path) -> None:
    desk.ok("project", "set", "workspace", str(tmp_path))
    desk.ok("task", "add", "--title", "t", "--assign", "dev")
    desk.ok("task", "start", "T-1")
    (tmp_path.parent / "outside.txt").write_text("x")
    assert (
        desk.refused("task", "submit", "T-1", "--output", str(tmp_path.parent / "outside.txt")) == "DELIVERABLE_OUTSIDE"
    )
    desk.ok("task", "submit", "T-1", "--output", str(output))
    assert desk.ok("task", "show", "T-1", "--json").json["task"]["submission"]["deliverable"] == "output"
    desk.ok("review", "approve", "T-1", "--as", "qa")


@pytest.mark.slow
def test_the_command_is_told_of_its_own_deployment_even_if_main_here_did_not_move(
    done: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The start is at the remote, and the disk here is full: the ref is not the one of the deployment before."""
    from opsgit.cli.main import main
    from opsgit.operations.transactions import Transaction

    assert main(["server", "init", str(tmp_path / "hub.git")]) == 0
    git(done.path, "remote", "add", "origin", str(tmp_path / "hub.git"))
    command = ["sh", "-c", f'echo "$OPSGIT_REF $OPSGIT_TITLE" >> {tmp_path}/runs; [ "$OPSGIT_REF" != v1 ]']
    done.ok("project", "set", "deploy.command", json.dumps(command))
    assert done.run("task", "move", "T-1", "--to", "deployed", "--deploy-ref", "v1").exit == 5
    real = Transaction.publish

    def publish(transaction: Transaction, **more: Any) -> None:
        if transaction.written[0].change.request.op == "task.deploy-start":
            raise OSError(28, "No space left on device")
        real(transaction, **more)

    monkeypatch.setattr(Transaction, "publish", publish)
    done.run("task", "move", "T-1", "--to", "deployed", "--deploy-ref", "v2")
    assert (tmp_path / "runs").read_text() == "v1 One\nv2 One\n"
