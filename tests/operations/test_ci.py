"""`ci init`: the job has its forge's shape, trusts only what it brings, and its commands do what they say."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from opsgit.operations import ci
from tests.conftest import Desk, git

SCHEMAS = {"github": "vendor.github-workflows", "forgejo": "vendor.github-workflows", "gitlab": "vendor.gitlab-ci"}


def job(desk: Desk, forge: str, tmp_path: Path) -> tuple[Path, Any]:
    """The file that `ci init` commits, and its content."""
    desk.ok("ci", "init", forge)
    file = desk.path / ci.FORGES[forge][0]
    return file, YAML(typ="safe", pure=True).load(file.read_text())


@pytest.mark.slow
@pytest.mark.parametrize("forge", ci.FORGES)
def test_the_job_fits_the_schema_of_its_forge(desk: Desk, forge: str, tmp_path: Path) -> None:
    """The schemas are those of SchemaStore, as check-jsonschema brings them; Forgejo reads GitHub's format."""
    file, _ = job(desk, forge, tmp_path)
    words = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", SCHEMAS[forge], str(file)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    file.write_text(file.read_text().replace("runs-on:", "runs-at:").replace("script:", "skript:"))
    assert subprocess.run(words, capture_output=True, check=False).returncode == 1, "the check sees a fault"


@pytest.mark.parametrize("forge", ["github", "forgejo"])
def test_a_request_brings_nothing_that_is_trusted(desk: Desk, forge: str, tmp_path: Path) -> None:
    _, found = job(desk, forge, tmp_path)
    assert "pull_request_target" in found["on"] and "pull_request" not in found["on"]
    assert found["permissions"] == {"contents": "read"}
    steps = found["jobs"]["verify"]["steps"]
    assert steps[0]["with"] == {"fetch-depth": 0, "persist-credentials": False}, "the base, with its whole history"
    assert not any(".head" in str(step) for step in steps)
    genesis = git(desk.path, "rev-list", "--max-parents=0", "main").strip()
    assert f"--require-pin --pin {genesis}" in steps[2]["run"]


@pytest.mark.slow
@pytest.mark.parametrize("forge", ci.FORGES)
def test_beside_code_the_branches_are_found(
    forge: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from opsgit.cli.main import main

    git(tmp_path, "init", "-q", "--bare", "-b", "main", "code.git")
    git(tmp_path, "clone", "-q", str(tmp_path / "code.git"), "code")
    monkeypatch.chdir(tmp_path / "code")
    assert main(["init", "--in-repo", "--project", "demo"]) == 0
    beside = Desk(tmp_path / "code/.opsgit", capsys)
    _, found = job(beside, forge, tmp_path)
    place = tmp_path / "job"
    git(tmp_path, "clone", "-q", "-b", "opsgit/main", str(tmp_path / "code.git"), str(place))
    done = play(script(found, forge)[0], place, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "opsgit/main" in str(
        found["pages"]["rules"] if forge == "gitlab" else found["jobs"].get("pages", "opsgit/main")
    )


def script(found: Any, forge: str) -> tuple[str, str]:
    """The commands of the job without the installation, and those of its summary."""
    if forge == "gitlab":
        lines, after = found["verify"]["script"], found["verify"]["after_script"]
        return "\n".join(line for line in lines if not line.startswith("pip")), "\n".join(after)
    steps = {step.get("name"): step for step in found["jobs"]["verify"]["steps"]}
    assert steps["summary"]["if"] == "always()"
    run = steps["verify and report"]["run"].splitlines()
    return "\n".join(line for line in run if not line.startswith("pip")), steps["summary"]["run"]


def play(text: str, folder: Path, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    env = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "GITHUB_STEP_SUMMARY": "summary.md",
    }
    env["XDG_STATE_HOME"] = str(tmp_path / "pins")
    words = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", text]
    return subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True, check=False)


@pytest.mark.slow
@pytest.mark.parametrize("forge", ci.FORGES)
def test_its_commands_run(in_review: Desk, forge: str, tmp_path: Path) -> None:
    _, found = job(in_review, forge, tmp_path)
    run, after = script(found, forge)
    place = tmp_path / "job"
    git(tmp_path, "clone", "-q", str(in_review.path), str(place))
    done = play(run, place, tmp_path)
    assert done.returncode == 0, done.stderr
    assert play(after, place, tmp_path).returncode == 0
    assert "<html" in (place / "site/index.html").read_text()
    assert "<html" in (place / "site/task/T-1.html").read_text()
    assert "# demo" in (place / "summary.md").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("where", ["main", "review/T-1"])
def test_it_fails_on_a_forged_commit(in_review: Desk, where: str, tmp_path: Path) -> None:
    """Of main, or of the review branch that a request brings along."""
    _, found = job(in_review, "github", tmp_path)
    run, after = script(found, "github")
    hub, place = tmp_path / "hub.git", tmp_path / "job"
    git(tmp_path, "clone", "-q", "--bare", str(in_review.path), str(hub))
    tree = git(hub, "rev-parse", f"{where}^{{tree}}").strip()
    who = {**os.environ, "GIT_AUTHOR_NAME": "qa", "GIT_AUTHOR_EMAIL": "q@x", "GIT_COMMITTER_NAME": "qa",
           "GIT_COMMITTER_EMAIL": "q@x"}  # fmt: skip
    made = git(hub, "commit-tree", tree, "-p", where, "-m", "approved, honestly", env=who).strip()
    git(hub, "update-ref", f"refs/heads/{where}", made)
    git(tmp_path, "clone", "-q", str(hub), str(place))
    done = play(run, place, tmp_path)
    assert done.returncode == 10
    assert play(after, place, tmp_path).returncode == 0
    assert made[:10] in (place / "summary.md").read_text()
