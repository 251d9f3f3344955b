"""A ledger beside the code: one remote serves both, and neither touches the other's branches."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from opsgit.cli.main import main
from tests.conftest import Desk, git


def commit(folder: Path, name: str, text: str) -> str:
    (folder / name).write_text(text)
    git(folder, "add", name)
    git(folder, "-c", "user.name=x", "-c", "user.email=x@x", "commit", "-qm", f"code: {name}")
    return git(folder, "rev-parse", "HEAD").strip()


@pytest.fixture
def hub(tmp_path: Path) -> Path:
    """The bare repository of the code."""
    git(tmp_path, "init", "-q", "--bare", "-b", "main", "code.git")
    return tmp_path / "code.git"


@pytest.fixture
def code(hub: Path, tmp_path: Path) -> Path:
    """A clone of the code with one commit, published."""
    git(tmp_path, "clone", "-q", str(hub), "code")
    commit(tmp_path / "code", "main.py", "print(1)\n")
    git(tmp_path / "code", "push", "-q", "origin", "HEAD:main")
    return tmp_path / "code"


def at(folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: str) -> str:
    """Run a command that must succeed, in a folder and without -C."""
    monkeypatch.chdir(folder)
    capsys.readouterr()
    assert main(list(words)) == 0, capsys.readouterr().err
    return capsys.readouterr().out


@pytest.fixture
def team(code: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Desk:
    """The ledger beside the code, with a developer, a reviewer and a deployer."""
    at(code, capsys, monkeypatch, "init", "--in-repo", "--project", "shop")
    for name, role in (("dev", "developer"), ("qa", "reviewer"), ("ship", "deployer")):
        at(code, capsys, monkeypatch, "agent", "add", name, "--role", role)
    return Desk(code / ".opsgit", capsys)


def refs(hub: Path) -> set[str]:
    return set(git(hub, "for-each-ref", "--format=%(refname)").split())


def test_one_remote_serves_both(team: Desk, code: Path, hub: Path, tmp_path: Path) -> None:
    before = git(hub, "rev-parse", "main")
    team.ok("task", "add", "--title", "one", "--assign", "dev")
    assert refs(hub) == {"refs/heads/main", "refs/heads/opsgit/main"}
    assert git(hub, "rev-parse", "main") == before
    assert git(hub, "rev-parse", "opsgit/main") == git(team.path, "rev-parse", "main")
    assert git(code, "status", "--porcelain") == ""
    assert git(code, "branch", "--format=%(refname:short)").split() == ["main"]
    assert git(team.path, "branch", "-r", "--format=%(refname:short)").split() == ["origin/main"]


@pytest.mark.slow
def test_commands_in_the_code_find_the_ledger(
    team: Desk, code: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (code / "src/deep").mkdir(parents=True)
    assert "dev" in at(code / "src/deep", capsys, monkeypatch, "agent", "list")


@pytest.mark.slow
def test_a_commit_of_the_code_is_the_deliverable(team: Desk, code: Path, hub: Path, tmp_path: Path) -> None:
    for number in (1, 2):
        team.ok("task", "add", "--title", f"task {number}", "--assign", "dev")
        team.ok("task", "start", f"T-{number}")
    made = commit(code, "new.py", "print(2)\n")
    (code / "dirty.py").write_text("x\n")
    said = team.ok("task", "submit", "T-1")
    assert "what is not committed" in said.err
    submission = team.ok("task", "show", "T-1", "--json").json["task"]["submission"]
    assert (submission["deliverable"], submission["repository"]) == (f"commit: {made}", ".")
    (code / "dirty.py").unlink()
    assert team.refused("task", "submit", "T-2") == "DELIVERABLE_REQUIRED", "nothing was committed for it"
    commit(code, "two.py", "print(3)\n")
    assert "is not on the code's remote" in team.ok("task", "submit", "T-2").err
    assert refs(hub) >= {"refs/heads/opsgit/review/T-1", "refs/heads/opsgit/review/T-2"}
    shown = team.ok("review", "show", "T-1", "--as", "qa", "--json").json
    assert shown["deliverable"]["here"] == "same"
    changed = team.ok("review", "diff", "T-1", "--as", "qa").out
    assert "new.py" in changed
    assert "main.py" not in changed, "what was there before is no part of the work"
    team.ok("review", "approve", "T-1", "--as", "qa")
    team.ok("project", "set", "deploy.command", '["true"]')
    team.ok("task", "move", "T-1", "--to", "deployed")
    assert "refs/heads/opsgit/review/T-1" not in refs(hub)
    assert team.ok("verify").exit == 0


@pytest.mark.slow
def test_a_teammate_s_clone(
    team: Desk,
    code: Path,
    hub: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    team.ok("task", "add", "--title", "one", "--assign", "dev")
    git(tmp_path, "clone", "-q", str(hub), "other")
    there = tmp_path / "other"
    at(there, capsys, monkeypatch, "clone", "--in-repo", "--as", "dev")
    assert git(there, "status", "--porcelain") == ""
    at(there, capsys, monkeypatch, "task", "start", "T-1")
    made = commit(there, "new.py", "print(2)\n")
    at(there, capsys, monkeypatch, "task", "submit", "T-1")
    assert team.run("review", "approve", "T-1", "--as", "qa").exit == 5, "the commit is not in this clone of the code"
    git(there, "push", "-q", "origin", "HEAD:main")
    git(code, "pull", "-q", "origin", "main")
    team.ok("review", "approve", "T-1", "--as", "qa")
    assert team.ok("task", "show", "T-1", "--json").json["task"]["submission"]["digest"] == f"git:{made}"
    assert '"agent": "dev"' in at(there, capsys, monkeypatch, "whoami", "--json")


@pytest.mark.slow
def test_plain_git_in_the_clone_cannot_hit_the_code(team: Desk, hub: Path) -> None:
    before = git(hub, "rev-parse", "main")
    for words in (["push", "-q"], ["push", "-q", "origin", "main"], ["fetch", "-q"], ["pull", "-q"]):
        git(team.path, *words)
    assert git(hub, "rev-parse", "main") == before
    assert git(team.path, "for-each-ref", "--format=%(refname)", "refs/remotes").split() == ["refs/remotes/origin/main"]


def test_without_a_remote_the_code_repository_is_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    git(tmp_path, "init", "-q", "-b", "main", "alone")
    commit(tmp_path / "alone", "x", "x")
    at(tmp_path / "alone", capsys, monkeypatch, "init", "--in-repo", "--project", "p")
    assert refs(tmp_path / "alone") == {"refs/heads/main", "refs/heads/opsgit/main"}
    assert "project: founded" in git(tmp_path / "alone", "log", "--format=%s", "opsgit/main")
    capsys.readouterr()
    assert main(["init", "--in-repo", "--project", "p", "--json"]) == 4
    assert "ALREADY_A_REPOSITORY" in capsys.readouterr().err


def test_refusals(tmp_path: Path, team: Desk, code: Path, hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for words, code_ in ((["init", "--in-repo", "--project", "p"], "NO_REPOSITORY"), (["clone", "--in-repo"], "NO_REPOSITORY"),
                         (["init", "--in-repo", "--state-dir", "x", "--project", "p"], "USAGE"), (["clone", "x"], "USAGE")):  # fmt: skip
        team.capsys.readouterr()
        assert main(words) != 0
        assert code_ in team.capsys.readouterr().err
    git(tmp_path, "clone", "-q", str(hub), "second")
    monkeypatch.chdir(tmp_path / "second")
    assert main(["init", "--in-repo", "--project", "p"]) == 4
    assert "opsgit clone --in-repo" in team.capsys.readouterr().err
    assert not (tmp_path / "second/.opsgit").exists()


@pytest.mark.slow
def test_offline_and_sync(team: Desk, hub: Path, tmp_path: Path) -> None:
    team.ok("task", "add", "--title", "one", "--offline")
    hub.rename(tmp_path / "away")
    assert team.refused("task", "add", "--title", "two") == "UNREACHABLE"
    (tmp_path / "away").rename(hub)
    team.ok("sync")
    assert git(hub, "rev-parse", "opsgit/main") == git(team.path, "rev-parse", "main")


@pytest.mark.slow
def test_a_spawned_agent_works_in_a_work_tree_of_its_own(team: Desk, code: Path) -> None:
    for name in ("dev", "dev2"):
        if name == "dev2":
            team.ok("agent", "add", name, "--role", "developer")
        team.ok("task", "add", "--id", f"for-{name}", "--title", "one", "--assign", name)
        told = team.ok("agent", "spawn", name, f"for-{name}", "--json").json
        assert told["folder"] == str(code / f".opsgit.agents/{name}")
        assert told["workplace"] == str(code / f".opsgit.agents/{name}.work")
        assert told["commits"] is True
        assert f"Work in {told['workplace']}, a work tree of the code" in told["prompt"]
        agent = Desk(Path(told["folder"]), team.capsys)
        agent.ok("task", "start", f"for-{name}")
        made = commit(Path(told["workplace"]), f"{name}.py", "x\n")
        agent.ok("task", "submit", f"for-{name}")
        team.ok("sync")
        submission = team.ok("task", "show", f"for-{name}", "--json").json["task"]["submission"]
        assert submission["deliverable"] == f"commit: {made}"
    assert git(code, "status", "--porcelain") == ""
    team.ok("review", "approve", "for-dev", "--as", "qa")


@pytest.mark.slow
def test_a_new_agent_joins_in_a_clone_of_the_code(
    team: Desk, hub: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    git(tmp_path, "clone", "-q", str(hub), "other")
    monkeypatch.chdir(tmp_path / "other")
    assert main(["task", "list"]) == 4
    assert "opsgit clone --in-repo --as NAME; for a new agent: opsgit join NAME --in-repo" in capsys.readouterr().err
    line = at(tmp_path / "other", capsys, monkeypatch, "join", "eve", "--in-repo", "--role", "developer")
    team.ok(*shlex.split(line)[1:])
    assert '"agent": "eve"' in at(tmp_path / "other", capsys, monkeypatch, "whoami", "--json")
    assert git(tmp_path / "other", "status", "--porcelain") == ""
    assert main(["join", "eve"]) == 2


@pytest.fixture
def judged(team: Desk, hub: Path) -> Desk:
    assert main(["server", "install", "--in-repo", str(hub)]) == 0
    return team


@pytest.mark.slow
def test_the_server_judges_the_ledger_and_lets_code_pass(judged: Desk, code: Path, hub: Path, tmp_path: Path) -> None:
    judged.ok("task", "add", "--title", "one", "--assign", "dev")
    judged.ok("task", "start", "T-1")
    made = commit(code, "new.py", "print(2)\n")
    git(code, "push", "-q", "origin", "HEAD:main", "HEAD:feature")
    (tmp_path / "file").write_text("x\n")
    judged.ok("task", "submit", "T-1", "--output", str(tmp_path / "file"))
    assert "refs/opsgit/deliverables/T-1/1" in refs(hub)
    judged.ok("review", "approve", "T-1", "--as", "qa")
    assert git(hub, "rev-parse", "feature").strip() == made
    tip = git(hub, "rev-parse", "opsgit/main").strip()
    tree = git(hub, "rev-parse", f"{tip}^{{tree}}").strip()
    forged = git(code, "-c", "user.name=qa", "-c", "user.email=q@x", "fetch", "-q", "origin", "opsgit/main") or git(
        code, "-c", "user.name=qa", "-c", "user.email=q@x", "commit-tree", tree, "-p", tip, "-m", "approved"
    )
    for spec in (f"{forged.strip()}:refs/heads/opsgit/main", "HEAD:refs/heads/opsgit/other", f"+{made}:refs/heads/opsgit/main",
                 ":refs/heads/opsgit/main", f"{made}:refs/opsgit/deliverables/T-1/2"):  # fmt: skip
        said = subprocess.run(
            ["git", "-C", str(code), "push", "origin", spec], capture_output=True, text=True, check=False
        )
        assert said.returncode != 0, spec
        assert "opsgit: " in said.stderr
        assert git(hub, "rev-parse", "opsgit/main").strip() == tip
    mixed = commit(code, "more.py", "print(3)\n")
    judged.ok("task", "add", "--title", "two", "--offline")
    both = [f"{mixed}:refs/heads/main", f"{forged.strip()}:refs/heads/opsgit/main"]
    said = subprocess.run(
        ["git", "-C", str(code), "push", "--atomic", "origin", *both], capture_output=True, text=True, check=False
    )
    assert said.returncode != 0
    judged.ok("sync")
    git(code, "push", "-q", "origin", "HEAD:main")


@pytest.mark.slow
def test_eight_claims_at_a_judged_code_repository(judged: Desk, code: Path) -> None:
    names = [f"w{number}" for number in range(8)]
    for name in names:
        judged.ok("agent", "add", name, "--role", "developer")
        judged.ok("agent", "checkout", name, str(code / f".opsgit.agents/{name}"))
    judged.ok("task", "add", "--title", "for one")
    running = [
        subprocess.Popen([sys.executable, "-m", "opsgit", "-C", str(code / f".opsgit.agents/{name}"), "task", "claim", "T-1"],
                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for name in names
    ]  # fmt: skip
    assert sorted(process.wait() for process in running) == [0, 7, 7, 7, 7, 7, 7, 7]
    judged.ok("sync")
    assert judged.ok("verify").exit == 0


def test_a_ledger_that_came_with_the_code_is_not_opened(
    desk: Desk, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """git tracks a bare repository, whose configuration could run commands; it never tracks a folder .git."""
    git(tmp_path, "init", "-q", "victim")
    git(tmp_path, "clone", "-q", "--bare", str(desk.path), str(tmp_path / "victim/.opsgit"))
    git(tmp_path / "victim/.opsgit", "config", "opsgit.agent", "root")
    assert at(tmp_path / "victim", capsys, monkeypatch, "prime") == ""
    (tmp_path / "victim/.opsgit").rename(tmp_path / "victim/aside")
    (tmp_path / "victim/.opsgit").symlink_to(desk.path)
    assert at(tmp_path / "victim", capsys, monkeypatch, "prime") == ""


def test_a_repository_with_hooks_elsewhere_is_left_alone(hub: Path, capsys: pytest.CaptureFixture[str]) -> None:
    git(hub, "config", "core.hooksPath", "custom")
    assert main(["server", "install", "--in-repo", str(hub)]) == 4
    assert "core.hooksPath is custom" in capsys.readouterr().err
    assert git(hub, "config", "core.hooksPath").strip() == "custom"


@pytest.mark.parametrize("name", ["receive.denyDeletes", "receive.denyNonFastForwards"])
def test_a_server_that_would_refuse_approvals_is_told_at_once(
    hub: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    git(hub, "config", name, "true")
    assert main(["server", "install", "--in-repo", str(hub)]) == 4
    assert f"BAD_VALUE: {name} is set" in capsys.readouterr().err
    assert not (hub / "hooks/pre-receive").exists()
    git(hub, "config", name, "false")
    assert main(["server", "install", "--in-repo", str(hub)]) == 0


def pushed(code: Path, spec: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["git", "-C", str(code), "push", "origin", spec], capture_output=True, check=False)


@pytest.mark.slow
def test_another_name_of_the_ledger_is_no_way_around_the_judge(judged: Desk, code: Path, hub: Path) -> None:
    git(hub, "symbolic-ref", "refs/heads/alias", "refs/heads/opsgit/main")
    tip = git(hub, "rev-parse", "opsgit/main")
    said = pushed(code, "+HEAD:refs/heads/alias")
    assert b"WRONG_REF" in said.stderr
    assert git(hub, "rev-parse", "opsgit/main") == tip


@pytest.mark.slow
def test_a_branch_of_code_can_have_any_name(judged: Desk, code: Path) -> None:
    name = os.fsdecode(b"refs/heads/caf\xe9")
    said = pushed(code, f"HEAD:{name}")
    assert said.returncode == 0, said.stderr
    said = pushed(code, os.fsdecode(b"HEAD:refs/heads/opsgit/review/caf\xe9"))
    assert b"WRONG_REF" in said.stderr
    assert b"INTERNAL" not in said.stderr


@pytest.mark.slow
def test_the_judge_leaves_nothing_behind_and_knows_the_pusher(
    judged: Desk, hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(hub, "config", "opsgit.pusherVariable", "WHO")
    monkeypatch.setenv("WHO", "dev")
    assert judged.refused("task", "add", "--title", "one") == "WRONG_PUSHER"
    git(hub, "config", "--unset", "opsgit.pusherVariable")
    judged.ok("task", "add", "--title", "one")
    assert not (hub / "opsgit").exists()


def test_a_code_repository_of_sha256_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    git(tmp_path, "init", "-q", "--object-format=sha256", "code")
    monkeypatch.chdir(tmp_path / "code")
    assert main(["init", "--in-repo", "--project", "p"]) == 4
    assert "BAD_VALUE" in capsys.readouterr().err
    assert not (tmp_path / "code/.opsgit").exists()


def test_what_git_ignores_already_stays_byte_for_byte(
    code: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (code / ".git/info/exclude").write_bytes(b"caf\xe9\r\nlast")
    at(code, capsys, monkeypatch, "init", "--in-repo", "--project", "shop")
    assert (code / ".git/info/exclude").read_bytes() == b"caf\xe9\r\nlast\n/.opsgit/\n/.opsgit.agents/\n"
