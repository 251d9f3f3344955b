"""Requests on forges. Push options go to a real bare repository; `gh` is a fake, because no forge can run here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import Desk, git
from tests.operations.test_clones import clone


@pytest.fixture
def host(in_review: Desk, tmp_path: Path) -> Path:
    """A bare repository that takes push options and says what it got."""
    place = tmp_path / "host.git"
    git(tmp_path, "init", "-q", "--bare", "-b", "main", str(place))
    git(place, "config", "receive.advertisePushOptions", "true")
    hook = place / "hooks/pre-receive"
    hook.write_text("#!/bin/sh\nenv | grep ^GIT_PUSH_OPTION_ | sort > options\ncat > asked\n")
    hook.chmod(0o755)
    git(in_review.path, "remote", "add", "origin", str(place))
    in_review.ok("sync")
    return place


def test_a_host_that_is_no_forge(in_review: Desk, host: Path) -> None:
    refused = in_review.run("review", "open", "T-1", "--json")
    assert refused.code == "BAD_VALUE" and "git config opsgit.forge" in refused.err


@pytest.mark.parametrize(
    ("url", "forge"),
    [
        ("https://github.com/team/state.git", "gh pr create"),
        ("git@github.example.com:team/state.git", "gh pr create"),
        ("https://gitlab.com/team/state.git", "merge_request.create"),
        ("ssh://git@codeberg.org/team/state.git", "refs/for/main"),
        ("https://forgejo.example.org/team/state.git", "refs/for/main"),
    ],
)
def test_the_command_of_each_forge(in_review: Desk, host: Path, url: str, forge: str) -> None:
    git(in_review.path, "config", "opsgit.sync", "manual")  # nothing is fetched: the hosts are not there
    git(in_review.path, "config", "remote.origin.url", url)
    assert forge in in_review.ok("review", "open", "T-1").out


@pytest.mark.slow
@pytest.mark.parametrize(("forge", "ref"), [("gitlab", "refs/heads/review/T-1"), ("gitea", "refs/for/main")])
def test_push_options(in_review: Desk, host: Path, forge: str, ref: str) -> None:
    git(in_review.path, "config", "opsgit.forge", forge)
    in_review.ok("review", "open", "T-1", "--run")
    said = (host / "options").read_text()
    assert "T-1" in said and ("merge_request.create" in said or "topic=review-T-1" in said)
    assert (host / "asked").read_text().split()[2] == ref


@pytest.mark.slow
def test_gh_is_run_in_the_clone(in_review: Desk, host: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tmp_path / "bin/gh"
    fake.parent.mkdir()
    fake.write_text(
        f'#!/bin/sh\nfor word in "$@"; do printf "%s\\n" "$word" >> {tmp_path}/words; done\necho https://forge/pull/7\n'
    )
    fake.chmod(0o755)
    import os

    monkeypatch.setenv("PATH", f"{fake.parent}:{os.environ['PATH']}")
    git(in_review.path, "config", "opsgit.forge", "github")
    done = in_review.ok("review", "open", "T-1", "--run", "--json").json
    assert done["said"] == "https://forge/pull/7" and done["commands"][0][0] == "gh"
    words = (tmp_path / "words").read_text()
    assert "review/T-1" in words and "opsgit review show T-1" in words
    fake.write_text("#!/bin/sh\necho no >&2; exit 3\n")
    assert in_review.refused("review", "open", "T-1", "--run") == "TOOL_FAILED"


@pytest.mark.slow
def test_the_verdict_leaves_the_branch_to_the_forge(in_review: Desk, host: Path) -> None:
    """A forge marks the request as merged when main holds its branch; without a forge the branch goes with the verdict."""
    qa = clone(in_review, host, "qa")
    git(qa.path, "config", "opsgit.forge", "github")
    qa.ok("review", "approve", "T-1")
    branches = git(host, "for-each-ref", "--format=%(refname)", "refs/heads").split()
    assert branches == ["refs/heads/main", "refs/heads/review/T-1"]
    assert git(host, "merge-base", "--is-ancestor", "review/T-1", "main") == ""
    qa.ok("verify")
    qa.ok("sync")
    in_review.ok("sync")
    in_review.ok("task", "move", "T-1", "--to", "deployed")
    assert json.loads(in_review.ok("status", "--json").out)["kind"] == "status"
    assert in_review.refused("review", "open", "T-1") == "ILLEGAL_TRANSITION"
