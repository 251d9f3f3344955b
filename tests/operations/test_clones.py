"""Agents in clones of their own: reviews that come from the server."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import time
from pathlib import Path

import pytest

from opsgit.cli.main import main
from tests.conftest import Desk, git


def clone(desk: Desk, hub: Path, name: str) -> Desk:
    """A clone of the hub that acts as an agent."""
    place = hub.parent / name
    assert main(["clone", str(hub), str(place), "--as", name]) == 0
    desk.capsys.readouterr()
    return Desk(place, desk.capsys)


@pytest.fixture
def team(in_review: Desk, tmp_path: Path) -> dict[str, Desk]:
    """Clones of dev, qa and eye; T-1 is in review."""
    hub = tmp_path / "hub.git"
    assert main(["server", "init", str(hub)]) == 0
    git(in_review.path, "push", "-q", str(hub), "main", "review/T-1")
    return {name: clone(in_review, hub, name) for name in ("dev", "qa", "eye")}


@pytest.mark.slow
def test_a_review_needs_no_git_command(team: dict[str, Desk]) -> None:
    """No local branch is needed, and a stale one does not hide what the server has."""
    dev, qa, eye = team["dev"], team["qa"], team["eye"]
    assert qa.ok("task", "next", "--json").json["steps"][0]["command"] == "opsgit review show T-1 --as qa"
    qa.ok("review", "comment", "T-1", "--text", "first")
    eye.ok("review", "comment", "T-1", "--text", "second")
    dev.ok("review", "comment", "T-1", "--text", "third")
    qa.ok("review", "approve", "T-1")
    dev.ok("sync")
    words = dev.ok("task", "show", "T-1", "--json").json["task"]["review"]["comments"]
    assert [one["text"] for one in words] == ["first", "second", "third"]
    for clone in (dev, qa, eye):
        assert clone.status() == "done" if clone is not eye else clone.ok("sync").exit == 0
        clone.ok("verify")
        assert git(clone.path, "for-each-ref", "--format=%(refname)", "refs/heads") == "refs/heads/main\n"
    assert git(dev.path.parent / "hub.git", "for-each-ref", "--format=%(refname)") == "refs/heads/main\n"


@pytest.mark.slow
def test_a_review_that_went_on_in_two_places_is_said_and_synced(team: dict[str, Desk]) -> None:
    qa, eye = team["qa"], team["eye"]
    qa.ok("review", "comment", "T-1", "--text", "made offline", "--offline")
    eye.ok("review", "comment", "T-1", "--text", "meanwhile")
    assert qa.run("review", "approve", "T-1", "--json").code == "STALE"
    assert [one["fate"] for one in qa.ok("sync", "--json").json["operations"]] == ["published"]
    words = qa.ok("task", "show", "T-1", "--json").json["task"]["review"]["comments"]
    assert [one["text"] for one in words] == ["meanwhile", "made offline"]
    qa.ok("review", "approve", "T-1")


def test_nothing_is_shown_or_said_upon_a_review_that_does_not_hold(team: dict[str, Desk]) -> None:
    """A plain host lets anything in; the clone judges it before it is shown or signed upon."""
    qa, hub = team["qa"], team["qa"].path.parent / "hub.git"
    (hub / "hooks/pre-receive").unlink()
    who = [
        word
        for name in ("name", "email")
        for word in ("-c", f"user.{name}={git(qa.path, 'log', '-1', f'--format=%a{name[0]}', 'main').strip()}")
    ]
    text = git(qa.path, "log", "-1", "--format=%B", "origin/review/T-1")

    def forge(*words: str) -> None:
        bad = git(qa.path, *who, "commit-tree", *words).strip()
        git(qa.path, "update-ref", "refs/heads/bad", bad)
        git(hub, "fetch", "-q", str(qa.path), "+refs/heads/bad:refs/heads/review/T-1")

    forge(
        "-S",
        "origin/review/T-1^{tree}",
        "-p",
        "origin/review/T-1",
        "-m",
        text.replace("review.request", "review.comment"),
    )
    git(qa.path, "fetch", "-q")
    shown = qa.run("task", "show", "T-1")
    assert shown.exit == 0 and "BAD_SIGNATURE" in shown.err and "left out" in shown.err
    forge("main^{tree}", "-m", "x")
    git(qa.path, "fetch", "-q")
    assert qa.run("task", "show", "T-1").exit == 0  # what is no review branch at all is nobody's
    nowhere = re.sub("Opsgit-Ledger: .*", f"Opsgit-Ledger: {'1' * 40}", text)
    forge("-S", "origin/main^{tree}", "-p", git(qa.path, "rev-parse", "main").strip(), "-m", nowhere)
    qa.ok("review", "reject", "T-1", "--reason", "it may be rejected whatever lies there")
    assert git(hub, "for-each-ref", "refs/heads/review") == ""


@pytest.mark.slow
def test_the_next_round_is_found_when_the_branch_of_the_last_is_still_here(
    team: dict[str, Desk], tmp_path: Path
) -> None:
    qa, dev = team["qa"], team["dev"]
    git(qa.path, "branch", "-q", "review/T-1", "origin/review/T-1")
    dev.ok("review", "withdraw", "T-1")
    (tmp_path / "better").write_text("better")
    dev.ok("task", "submit", "T-1", "--output", str(tmp_path / "better"))
    git(dev.path, "push", "-q", "origin", "main", "+review/T-1")
    subprocess.run(["git", "-C", str(qa.path), "pull", "-q", "--ff-only"], check=True, capture_output=True)
    qa.ok("review", "approve", "T-1")
    qa.ok("verify")


@pytest.mark.slow
def test_a_key_that_was_lost_is_replaced_by_one_made_on_its_agents_machine(
    team: dict[str, Desk], in_review: Desk
) -> None:
    dev = team["dev"]
    keys = dev.session().repository.keys
    keys.path("dev").unlink()
    assert any(
        s["state"] == "bad" and "acts as dev" in s["message"] for s in dev.run("doctor", "--json").json["checks"]
    )
    printed = dev.ok("agent", "prove", "dev").out
    assert printed.startswith("opsgit agent rotate --name dev --public-key")
    in_review.ok(*shlex.split(printed)[1:], "--as", "orchestrator")
    git(in_review.path, "push", "-q", str(dev.path.parent / "hub.git"), "main")
    git(dev.path, "pull", "-q", "--ff-only")
    dev.ok("review", "withdraw", "T-1")


@pytest.mark.slow
def test_plain_git_commits_as_the_agent_that_the_clone_acts_as(in_review: Desk, tmp_path: Path) -> None:
    assert main(["clone", str(in_review.path), str(tmp_path / "plain")]) == 0
    plain = Desk(tmp_path / "plain", in_review.capsys)
    symptoms = plain.run("doctor", "--fix", "--json").json["checks"]
    assert any("opsgit.agent" in one["message"] for one in symptoms if one["check"] == "git")
    assert git(plain.path, "config", "--get", "user.name", check=False) == ""
    git(plain.path, "config", "opsgit.agent", "orchestrator")
    plain.run("doctor", "--fix")
    assert git(plain.path, "config", "user.name").strip() == "orchestrator"
    (plain.path / "README.md").write_text("hello\n")
    git(plain.path, "commit", "-qam", "words")
    assert git(plain.path, "log", "-1", "--format=%an").strip() == "orchestrator"
    plain.ok("verify")


@pytest.mark.slow
def test_a_review_that_is_ahead_of_main_is_no_attack(team: dict[str, Desk]) -> None:
    """Only the review was fetched: its latest comment names a ledger commit that is not here yet."""
    qa, dev = team["qa"], team["dev"]
    dev.ok("task", "add", "--title", "another")
    dev.ok("review", "comment", "T-1", "--text", "since then", "--as", "dev")
    git(qa.path, "fetch", "-q", "origin", "+refs/heads/review/*:refs/remotes/origin/review/*")
    for _ in range(2):  # nothing is taken for verified in between
        told = qa.run("verify", "--json")
        assert (told.exit, told.code) == (9, "REVIEW_AHEAD")
    assert qa.refused("task", "show", "T-1") == "REVIEW_AHEAD"
    git(qa.path, "fetch", "-q")
    assert qa.refused("task", "show", "T-1") == "REVIEW_AHEAD", "main itself has not moved"
    qa.ok("review", "approve", "T-1")
    qa.ok("verify")


def test_a_tree_bomb_is_cloned_and_not_checked_out(desk: Desk, tmp_path: Path) -> None:
    """A tree of 10^9 files in a few objects: only what is verified is written to the checkout."""
    blob = git(desk.path, "hash-object", "-w", "ops.yaml").strip()
    tree = git(desk.path, "mktree", input=f"100644 blob {blob}\tf\n").strip()
    for _ in range(9):
        lines = "".join(f"040000 tree {tree}\td{number}\n" for number in range(10))
        tree = git(desk.path, "mktree", input=lines).strip()
    who = ("-c", "user.name=x", "-c", "user.email=x@x")
    bomb = git(desk.path, *who, "commit-tree", tree, "-p", "main", "-m", "x").strip()
    git(desk.path, "update-ref", "refs/heads/main", bomb)
    start = time.monotonic()
    assert main(["clone", str(desk.path), str(tmp_path / "clone"), "--json"]) == 6
    assert json.loads(desk.capsys.readouterr().err)["error"]["code"] == "BAD_SIGNATURE"
    assert time.monotonic() - start < 10
    assert not (tmp_path / "clone").exists()


def test_a_tag_called_main_is_not_taken_for_the_ledger(desk: Desk, tmp_path: Path) -> None:
    """The host's HEAD is another branch, and a tag is called main: what was not verified is not checked out."""
    host = tmp_path / "host.git"
    git(tmp_path, "init", "-q", "--bare", str(host))
    git(desk.path, "push", "-q", str(host), "main")
    tree = git(desk.path, "mktree", input=f"100644 blob {git(desk.path, 'hash-object', '-w', 'ops.yaml').strip()}\tx\n")
    who = ("-c", "user.name=x", "-c", "user.email=x@x", "-c", "commit.gpgSign=false")
    evil = git(desk.path, *who, "commit-tree", tree.strip(), "-m", "x").strip()
    git(desk.path, "push", "-q", "--no-verify", str(host), f"{evil}:refs/tags/main", f"{evil}:refs/heads/zzz")
    git(host, "symbolic-ref", "HEAD", "refs/heads/zzz")
    assert main(["clone", str(host), str(tmp_path / "clone")]) == 0
    assert (
        git(tmp_path / "clone", "rev-parse", "HEAD", "refs/heads/main").split()
        == [git(desk.path, "rev-parse", "main").strip()] * 2
    )
    assert not (tmp_path / "clone/x").exists()


@pytest.mark.parametrize("url", ["ext::sh -c id", "ext::true", "--upload-pack=id"])
def test_a_url_that_is_a_command_is_refused(desk: Desk, tmp_path: Path, url: str) -> None:
    desk.capsys.readouterr()
    assert main(["clone", url, str(tmp_path / "clone"), "--json"]) in (2, 4, 9)
    assert not (tmp_path / "clone").exists() or not any((tmp_path / "clone").iterdir())


@pytest.mark.slow
def test_a_review_of_a_remote_with_a_slash_in_its_name_is_found(team: dict[str, Desk], tmp_path: Path) -> None:
    qa = team["qa"]
    git(qa.path, "remote", "rename", "origin", "team/hub")
    assert "review" in qa.ok("task", "show", "T-1", "--json").json["task"]
    assert qa.ok("task", "show", "T-1", "--json").json["task"]["review"]["request"]


@pytest.mark.parametrize("name", ["a\nb", "a\\b"])
def test_a_folder_that_no_configuration_can_hold(desk: Desk, tmp_path: Path, name: str) -> None:
    for words in (
        ["init", "--project", "p", "--state-dir", str(tmp_path / name)],
        ["clone", str(desk.path), str(tmp_path / name)],
    ):
        desk.capsys.readouterr()
        assert main([*words, "--json"]) == 4
        assert json.loads(desk.capsys.readouterr().err)["error"]["code"] == "BAD_VALUE"
        assert not (tmp_path / name).exists()
