"""Clones of one remote: what is published, what is made offline, and what `opsgit sync` makes of it."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

from opsgit.cli.main import main
from tests.cli.test_json import fits
from tests.conftest import Desk, git
from tests.operations.test_clones import clone


@pytest.fixture
def hub(desk: Desk, tmp_path: Path) -> Path:
    """A server that has the desk's ledger; the desk publishes there."""
    place = tmp_path / "hub.git"
    assert main(["server", "init", str(place)]) == 0
    git(desk.path, "remote", "add", "origin", str(place))
    desk.ok("task", "add", "--title", "first", "--assign", "dev")
    return place


@pytest.fixture
def dev(desk: Desk, hub: Path) -> Desk:
    return clone(desk, hub, "dev")


def fates(desk: Desk, exit_code: int = 0) -> list[tuple[str, str]]:
    """Sync, and return fate and subject of each operation."""
    done = desk.run("sync", "--json")
    assert done.exit == exit_code, done
    fits(done.json)
    return [(one["fate"], one["subject"]) for one in done.json["operations"]]


def tips(*places: Path) -> set[str]:
    return {git(place, "rev-parse", "refs/heads/main").strip() for place in places}


def test_a_write_is_at_the_remote_before_it_is_acknowledged(desk: Desk, dev: Desk, hub: Path) -> None:
    dev.ok("task", "start", "T-1")
    assert len(tips(dev.path, hub)) == 1
    assert "1 operations behind" not in desk.run("task", "list").err, "only what was fetched is known"
    git(desk.path, "fetch", "-q")
    assert "1 operations behind" in desk.run("task", "list").err
    desk.ok("task", "comment", "T-1", "--text", "good", "--as", "orchestrator")
    assert len(tips(desk.path, hub)) == 1
    assert git(desk.path, "status", "--porcelain") == ""


@pytest.mark.slow
def test_who_loses_a_race_decides_again(desk: Desk, dev: Desk, hub: Path) -> None:
    """Each clone is behind when it begins to write."""
    for number in range(3):
        desk.ok("task", "comment", "T-1", "--text", f"a {number}", "--as", "orchestrator")
        dev.ok("task", "comment", "T-1", "--text", f"b {number}")
    texts = [one["text"] for one in dev.ok("task", "show", "T-1", "--json").json["task"]["comments"]]
    assert texts == ["a 0", "b 0", "a 1", "b 1", "a 2", "b 2"]
    dev.ok("verify")


@pytest.mark.slow
def test_a_push_that_meets_another_is_decided_anew(
    desk: Desk, dev: Desk, hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between fetch and push somebody else claims the task: the loser is told who has it."""
    from opsgit.storage.remote import Remote

    desk.ok("task", "add", "--title", "open")
    desk.ok("agent", "add", "dev2", "--role", "developer")
    real = Remote.push
    met: list[int] = []

    def meanwhile(self: Any, moves: Any) -> Any:
        if not met:
            met.append(1)
            assert main(["-C", str(desk.path), "task", "claim", "T-2", "--as", "dev2"]) == 0
            desk.capsys.readouterr()
        return real(self, moves)

    monkeypatch.setattr(Remote, "push", meanwhile)
    refused = dev.run("task", "claim", "T-2", "--json")
    assert (refused.exit, refused.code) == (7, "ALREADY_CLAIMED") and "dev2" in refused.err
    assert len(tips(desk.path, dev.path, hub)) == 1


def test_nothing_changes_while_the_remote_is_away(dev: Desk, hub: Path) -> None:
    hub.rename(hub.with_name("away"))
    before = dev.refs()
    for words in (["task", "start", "T-1"], ["sync"]):
        refused = dev.run(*words, "--json")
        assert (refused.exit, refused.code) == (9, "UNREACHABLE")
    assert dev.refs() == before
    hub.with_name("away").rename(hub)
    dev.ok("task", "start", "T-1")


OFFLINE = [
    ["task", "claim", "T-2"],
    ["quota", "use", "q"],
    ["review", "approve", "T-3", "--as", "qa"],
    ["review", "sign-off", "T-3", "--as", "qa"],
    ["review", "reject", "T-3", "--as", "qa", "--reason", "no"],
    ["task", "move", "T-4", "--to", "deployed", "--as", "ship"],
]


@pytest.mark.slow
@pytest.mark.parametrize("how", ["flag", pytest.param("manual", marks=pytest.mark.slow)])
def test_what_needs_the_remote_is_refused_offline(in_review: Desk, tmp_path: Path, output: Path, how: str) -> None:
    desk = in_review
    desk.ok("task", "add", "--title", "two")
    desk.ok("quota", "set", "q", "--limit", "3", "--period", "daily")
    desk.ok("task", "add", "--title", "three", "--assign", "dev")
    desk.ok("task", "start", "T-3")
    desk.ok("task", "submit", "T-3", "--output", str(output))
    desk.ok("task", "add", "--title", "four", "--assign", "dev")
    desk.ok("task", "start", "T-4")
    desk.ok("task", "submit", "T-4", "--output", str(output))
    desk.ok("review", "approve", "T-4", "--as", "qa")
    assert main(["server", "init", str(tmp_path / "hub.git")]) == 0
    git(desk.path, "remote", "add", "origin", str(tmp_path / "hub.git"))
    desk.ok("sync")
    if how == "manual":
        git(desk.path, "config", "opsgit.sync", "manual")
    for words in OFFLINE:
        assert desk.refused(*words, *(["--offline"] if how == "flag" else [])) == "OFFLINE"
    desk.ok(
        "task",
        "comment",
        "T-2",
        "--text",
        "kept here",
        *(["--offline"] if how == "flag" else []),
        "--as",
        "orchestrator",
    )
    assert desk.run("status", "--json").json["ahead"][0]["subject"] == "T-2: comment"


def test_offline_work_lands_in_order_and_one_is_reported(desk: Desk, dev: Desk, hub: Path) -> None:
    """Seven operations made offline while others pushed; the task of one was taken away meanwhile."""
    dev.ok("task", "start", "T-1")
    desk.ok("task", "add", "--title", "second", "--assign", "dev")
    desk.ok("agent", "add", "dev2", "--role", "developer")
    dev.ok("sync")
    work = [
        ["task", "progress", "T-1", "--text", "half"],
        ["task", "comment", "T-1", "--text", "one"],
        ["task", "start", "T-2"],
        ["task", "comment", "T-1", "--text", "two", "--note", "because"],
        ["task", "add", "--title", "found on the way"],
        ["task", "comment", "T-3", "--text", "on the new one"],
        ["task", "progress", "T-1", "--text", "done"],
    ]
    for words in work:
        dev.ok(*words, "--offline")
    assert "7 operations are not published" in dev.run("task", "list").err
    desk.ok("task", "assign", "T-2", "--to", "dev2")
    desk.ok("task", "add", "--title", "third")
    desk.ok("task", "comment", "T-1", "--text", "meanwhile", "--as", "orchestrator")
    refused = dev.run("task", "comment", "T-1", "--text", "x", "--json")
    assert (refused.exit, refused.code) == (9, "UNSYNCED")
    done = dev.run("sync", "--json")
    assert done.exit == 7
    told = done.json["operations"]
    assert [one["fate"] for one in told] == ["published"] * 2 + ["dropped"] + ["published"] * 4
    assert "NOT_ASSIGNEE" in told[2]["why"] and "dev2" in told[2]["why"]
    assert "as T-4: T-3 was taken meanwhile" in told[4]["why"]
    assert len(tips(dev.path, hub)) == 1
    task = dev.ok("task", "show", "T-1", "--json").json["task"]
    assert [one["text"] for one in task["comments"]] == ["meanwhile", "one", "two"]
    assert task["progress"]["note"] == "done"
    assert [one["text"] for one in dev.ok("task", "show", "T-4", "--json").json["task"]["comments"]] == [
        "on the new one"
    ]
    assert "because\n\nMade offline at 2" in git(dev.path, "log", "--format=%b", "--grep=because")
    assert dev.ok("sync", "--log", "--json").json["syncs"][0]["operations"] == told
    assert git(dev.path, "log", "-1", "--format=%s", told[2]["was"]).strip() == "T-2: assigned → in-progress"
    assert git(dev.path, "for-each-ref", "refs/opsgit/kept") and git(dev.path, "status", "--porcelain") == ""
    assert fates(dev) == []
    dev.ok("verify")


@pytest.mark.slow
def test_a_sync_is_undone_and_tried_again(desk: Desk, dev: Desk) -> None:
    dev.ok("task", "comment", "T-1", "--text", "mine", "--offline")
    dev.ok("task", "start", "T-1", "--offline")
    desk.ok("agent", "add", "dev2", "--role", "developer")
    desk.ok("task", "assign", "T-1", "--to", "dev2")
    assert fates(dev, 7) == [("published", "T-1: comment"), ("dropped", "T-1: assigned → in-progress")]
    desk.ok("task", "assign", "T-1", "--to", "dev")
    assert len(dev.ok("sync", "--undo", "--json").json["ahead"]) == 2
    assert fates(dev) == [("landed", "T-1: comment"), ("published", "T-1: assigned → in-progress")]
    assert dev.status() == "in-progress"
    assert len(dev.ok("task", "show", "T-1", "--json").json["task"]["comments"]) == 1


@pytest.mark.slow
def test_what_goes_on_from_the_remote_keeps_its_commits(dev: Desk, hub: Path) -> None:
    dev.ok("task", "start", "T-1", "--offline")
    here = tips(dev.path)
    assert fates(dev) == [("published", "T-1: assigned → in-progress")]
    assert tips(hub) == here
    fits(dev.ok("sync", "--log", "--json").json)


@pytest.mark.slow
def test_a_review_made_offline_travels_and_its_end_is_given_after_reading(
    desk: Desk, dev: Desk, hub: Path, output: Path
) -> None:
    dev.ok("task", "start", "T-1")
    dev.ok("task", "submit", "T-1", "--output", str(output), "--offline")
    dev.ok("review", "comment", "T-1", "--text", "look at line 3", "--offline")
    desk.ok("task", "add", "--title", "meanwhile")
    assert [fate for fate, _ in fates(dev)] == ["published"] * 3
    dev.ok("review", "withdraw", "T-1", "--offline")
    desk.ok("review", "comment", "T-1", "--text", "wait", "--as", "orchestrator")
    assert fates(dev, 7) == [("waiting", "T-1: review → in-progress")]
    assert [one["text"] for one in dev.ok("task", "show", "T-1", "--json").json["task"]["review"]["comments"]][
        -1
    ] == "wait"
    dev.ok("review", "withdraw", "T-1")
    assert git(hub, "for-each-ref", "refs/heads/review") == ""
    dev.ok("verify")


@pytest.mark.slow
def test_what_rests_on_a_dropped_operation_is_dropped_too(desk: Desk, dev: Desk, output: Path) -> None:
    dev.ok("task", "start", "T-1", "--offline")
    dev.ok("task", "submit", "T-1", "--output", str(output), "--offline")
    desk.ok("task", "release", "T-1")
    told = dev.run("sync", "--json").json["operations"]
    assert [one["fate"] for one in told] == ["dropped"] * 3
    assert dev.status() == "backlog"
    assert git(dev.path, "for-each-ref", "refs/heads/review") == ""


@pytest.mark.slow
@pytest.mark.parametrize("command", ["merge --no-ff", "revert", "cherry-pick"])
def test_nothing_is_written_while_git_is_in_the_middle(dev: Desk, command: str) -> None:
    name, ends = {"merge --no-ff": ("MERGE_HEAD", "merge"), "revert": ("REVERT_HEAD", "revert"),
                  "cherry-pick": ("CHERRY_PICK_HEAD", "cherry-pick")}[command]  # fmt: skip
    (dev.path / ".git" / name).write_text(git(dev.path, "rev-parse", "main"))
    for words in (["task", "start", "T-1"], ["task", "start", "T-1", "--offline"], ["sync"]):
        refused = dev.run(*words, "--json")
        assert (refused.exit, refused.code) == (9, "UNFINISHED")
        assert f"git {ends} --abort" in refused.err
    assert f"git {ends} --abort" in dev.ok("status").out
    (dev.path / ".git" / name).unlink()
    dev.ok("task", "start", "T-1")


@pytest.mark.slow
def test_the_same_id_is_done_once(desk: Desk, dev: Desk, output: Path) -> None:
    first = dev.ok("task", "start", "T-1", "--op-id", "run-1", "--json").json["operations"][0]["commit"]
    assert dev.ok("task", "start", "T-1", "--op-id", "run-1", "--json").json["operations"][0]["commit"] == first
    assert dev.run("task", "comment", "T-1", "--text", "x", "--op-id", "run-1", "--json").code == "OP_ID_TAKEN"
    assert dev.run("task", "start", "T-1", "--note", "other", "--op-id", "run-1", "--json").code == "OP_ID_TAKEN"
    desk.ok("task", "comment", "T-1", "--text", "mine is another's", "--op-id", "run-1", "--as", "orchestrator")
    added = [
        dev.ok("task", "add", "--title", "t", "--op-id", "add-1", "--json").json["operations"][0]["target"]
        for _ in range(2)
    ]
    assert added == ["T-2", "T-2"]
    for _ in range(2):
        dev.ok("task", "submit", "T-1", "--output", str(output), "--op-id", "sub-1")
        dev.ok("review", "comment", "T-1", "--text", "hm", "--op-id", "c-1")
    (output / "more").write_text("x")
    assert dev.run("task", "submit", "T-1", "--output", str(output), "--op-id", "sub-1", "--json").code == "OP_ID_TAKEN"
    assert len(dev.ok("task", "show", "T-1", "--json").json["task"]["review"]["comments"]) == 1
    assert dev.run("task", "start", "T-1", "--op-id", "no id", "--json").code == "BAD_ID"


@pytest.mark.slow
def test_a_quota_has_what_the_remote_has(desk: Desk, dev: Desk) -> None:
    desk.ok("quota", "set", "q", "--limit", "1", "--period", "daily")
    dev.ok("quota", "use", "q")
    assert desk.run("quota", "use", "q", "--json").code == "QUOTA_EXCEEDED"


@pytest.fixture
def ready(desk: Desk, dev: Desk, hub: Path, output: Path) -> tuple[Desk, Path]:
    """The deployer's clone, with T-1 done and a deploy command that counts its runs and takes the remote away."""
    runs = hub.parent / "runs"
    script = f"echo x >> {runs}; [ ! -e {hub}.go ] || mv {hub} {hub}.away"
    desk.ok("project", "set", "deploy.command", json.dumps(["sh", "-c", script]))
    desk.ok("project", "set", "rollback.command", json.dumps(["sh", "-c", script]))
    dev.ok("task", "start", "T-1")
    dev.ok("task", "submit", "T-1", "--output", str(output))
    desk.ok("review", "approve", "T-1", "--as", "qa")
    ship = clone(desk, hub, "ship")
    ship.ok("deploy", "trust")
    return ship, runs


@pytest.mark.slow
def test_a_deployment_is_published_before_it_runs_and_its_outcome_later(
    desk: Desk, ready: tuple[Desk, Path], hub: Path
) -> None:
    ship, runs = ready
    Path(f"{hub}.go").touch()
    for _ in range(2):
        refused = ship.run("task", "move", "T-1", "--to", "deployed", "--json")
        assert (refused.exit, refused.code) == (9, "UNREACHABLE")
    assert runs.read_text() == "x\n", "it ran once"
    assert "exit 0" in ship.ok("status").out
    Path(f"{hub}.away").rename(hub)
    ship.run("task", "move", "T-1", "--to", "deployed", "--dry-run")
    assert [one["op"] for one in ship.ok("status", "--json").json["outcomes"]] == ["task.deploy-finish"]
    assert fates(ship) == [("published", "T-1: task.deploy-finish")]
    assert runs.read_text() == "x\n" and ship.status() == "deployed"
    assert ship.ok("status", "--json").json["outcomes"] == []
    for _ in range(2):
        refused = ship.run("rollback", "T-1", "--json")
        assert (refused.exit, refused.code) == (9, "UNREACHABLE")
    Path(f"{hub}.away").rename(hub)
    Path(f"{hub}.go").unlink()
    ship.ok("rollback", "T-1")
    assert runs.read_text() == "x\n" * 2 and ship.status() == "rolled-back"
    ship.ok("verify")


@pytest.mark.slow
def test_a_stale_clone_deploys_nothing(desk: Desk, ready: tuple[Desk, Path]) -> None:
    ship, runs = ready
    desk.ok("task", "assign", "T-1", "--to", "dev", "--reason", "again")
    assert ship.run("task", "move", "T-1", "--to", "deployed", "--json").code == "ILLEGAL_TRANSITION"
    assert not runs.exists()


@pytest.mark.slow
def test_an_answer_that_never_came_is_found_out(dev: Desk, hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The remote takes the push, and goes away before it answers."""
    from opsgit.storage.remote import Answer, Remote

    real = Remote.push

    def cut(self: Any, moves: Any) -> Any:
        assert real(self, moves).state == "taken"
        hub.rename(hub.with_name("away"))
        return Answer("unknown", "UNREACHABLE", "the remote end hung up unexpectedly")

    monkeypatch.setattr(Remote, "push", cut)
    refused = dev.run("task", "start", "T-1", "--json")
    assert (refused.exit, refused.code) == (9, "UNCONFIRMED")
    monkeypatch.setattr(Remote, "push", real)
    hub.with_name("away").rename(hub)
    assert len(dev.ok("status", "--json").json["unconfirmed"]) == 1
    assert fates(dev) == [("landed", "T-1: assigned → in-progress")]
    assert dev.status() == "in-progress" and fates(dev) == []


@pytest.mark.slow
def test_an_answer_that_never_came_of_a_push_that_never_landed(
    dev: Desk, hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from opsgit.storage.remote import Answer, Remote

    real = Remote.push

    def cut(self: Any, moves: Any) -> Any:
        hub.rename(hub.with_name("away"))
        return Answer("unknown", "UNREACHABLE", "the remote end hung up unexpectedly")

    monkeypatch.setattr(Remote, "push", cut)
    assert dev.run("task", "start", "T-1", "--json").code == "UNCONFIRMED"
    monkeypatch.setattr(Remote, "push", real)
    hub.with_name("away").rename(hub)
    assert fates(dev, 7) == [("not taken", "T-1: assigned → in-progress")]
    assert dev.status() == "assigned"


@pytest.mark.slow
def test_an_answer_that_never_came_is_asked_again_if_the_remote_is_there(
    dev: Desk, hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from opsgit.storage.remote import Answer, Remote

    real = Remote.push

    def cut(self: Any, moves: Any) -> Any:
        real(self, moves)
        return Answer("unknown", "UNREACHABLE", "the remote end hung up unexpectedly")

    monkeypatch.setattr(Remote, "push", cut)
    dev.ok("task", "start", "T-1")
    monkeypatch.setattr(Remote, "push", real)
    assert len(git(hub, "log", "--format=%s", "--grep=in-progress", "main").splitlines()) == 1


@pytest.mark.slow
def test_what_the_remote_does_not_want_is_said_with_its_code(dev: Desk, hub: Path) -> None:
    git(hub, "config", "opsgit.pusherVariable", "NOBODY")
    refused = dev.run("task", "start", "T-1", "--json")
    assert refused.code == "WRONG_PUSHER" and dev.status() == "assigned"
    (hub / "hooks/pre-receive").write_text("#!/bin/sh\necho 'protected branch' >&2; exit 1\n")
    refused = dev.run("task", "start", "T-1", "--json")
    assert (refused.exit, refused.code) == (9, "REMOTE_REFUSED") and dev.status() == "assigned"


@pytest.mark.slow
def test_a_remote_that_was_rewound_is_not_followed(desk: Desk, dev: Desk, hub: Path) -> None:
    desk.ok("task", "add", "--title", "second")
    dev.ok("sync")
    git(hub, "update-ref", "refs/heads/main", "refs/heads/main~1")
    for _ in range(2):
        refused = dev.run("task", "start", "T-1", "--json")
        assert (refused.exit, refused.code) == (6, "REWOUND")


@pytest.mark.slow
def test_an_agent_joins_in_two_steps(desk: Desk, hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The agent's keys are on its own machine; the lead pastes one line; the agent's next command works."""
    lead, own = str(desk.path.parent / "data"), str(hub.parent / "elsewhere")
    monkeypatch.setenv("XDG_DATA_HOME", own)
    assert main(["join", str(hub), "dev9", str(hub.parent / "dev9"), "--role", "developer"]) == 0
    printed = desk.capsys.readouterr().out
    agent = Desk(hub.parent / "dev9", desk.capsys)
    assert "not known here yet" not in agent.run("task", "list").err
    monkeypatch.setenv("XDG_DATA_HOME", lead)
    desk.ok(*shlex.split(printed)[1:])
    monkeypatch.setenv("XDG_DATA_HOME", own)
    assert agent.ok("whoami", "--json").json["role"] == "developer", "it fetches by itself"
    agent.ok("task", "add", "--title", "mine")
    assert git(agent.path, "log", "-1", "--format=%G? %an").strip() == "G dev9"
    assert not (Path(lead) / "opsgit/keys" / desk.session().repository.identity.repository / "dev9").exists()


@pytest.mark.slow
def test_a_key_is_replaced_by_one_made_where_it_will_be_held(
    desk: Desk, dev: Desk, hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(desk.path.parent / "data", hub.parent / "elsewhere")
    lead, own = str(desk.path.parent / "data"), str(hub.parent / "elsewhere")
    monkeypatch.setenv("XDG_DATA_HOME", own)
    printed = dev.ok("agent", "prove", "dev", "--new").out
    dev.ok("task", "comment", "T-1", "--text", "the old key still signs")
    monkeypatch.setenv("XDG_DATA_HOME", lead)
    desk.ok(*shlex.split(printed)[1:], "--as", "orchestrator")
    monkeypatch.setenv("XDG_DATA_HOME", own)
    dev.ok("task", "start", "T-1")
    assert dev.ok("status", "--json").json["key"] == "active"
    monkeypatch.setenv("XDG_DATA_HOME", lead)
    desk.ok("sync")
    refused = desk.run("task", "comment", "T-1", "--text", "x", "--as", "dev", "--json")
    assert refused.code == "KEY_UNFIT" and "replaced" in refused.err and "prove dev --new" in refused.err
    assert "made on this machine" in desk.ok("agent", "rotate", "dev", "--as", "orchestrator").err


@pytest.mark.slow
def test_a_removed_agent_is_told_so_and_its_tasks_are_released(desk: Desk, dev: Desk) -> None:
    desk.ok("task", "add", "--title", "second", "--assign", "dev")
    assert "T-1, T-2" in desk.ok("agent", "remove", "dev", "--dry-run").err
    desk.ok("agent", "remove", "dev", "--release", "--reason", "left")
    assert [one["status"] for one in desk.ok("task", "list", "--json").json["tasks"]] == ["backlog", "backlog"]
    assert dev.run("task", "start", "T-1", "--json").code == "AGENT_REMOVED"
    assert dev.ok("status", "--json").json["key"] == "removed"


@pytest.mark.slow
def test_a_lease_that_ran_out_is_taken_over(desk: Desk, dev: Desk) -> None:
    desk.ok("agent", "add", "dev2", "--role", "developer")
    desk.ok("task", "add", "--title", "second")
    dev.ok("task", "claim", "T-2", "--lease", "1s")
    assert dev.ok("task", "show", "T-2", "--json").json["task"]["lease"]["seconds"] == 1
    subprocess.run(["sleep", "2"], check=True)
    assert "taken over" in desk.ok("task", "claim", "T-2", "--as", "dev2").out
    assert dev.run("task", "start", "T-2", "--json").code == "NOT_ASSIGNEE"


@pytest.mark.slow
def test_a_clone_of_an_ordinary_state_repository_publishes_there(desk: Desk, tmp_path: Path) -> None:
    desk.ok("task", "add", "--title", "one")
    desk.ok("agent", "checkout", "dev", str(tmp_path / "mine"))
    mine = Desk(tmp_path / "mine", desk.capsys)
    mine.ok("task", "claim", "T-1")
    assert desk.status() == "assigned"
    assert git(desk.path, "status", "--porcelain") == ""
    desk.ok("task", "comment", "T-1", "--text", "seen", "--as", "orchestrator")
    mine.ok("task", "start", "T-1")
    desk.ok("verify")


@pytest.mark.slow
def test_words_about_a_task_of_ones_own_never_land_on_another(desk: Desk, dev: Desk) -> None:
    """The id was chosen, and somebody else took it: what was said about the one is not said about the other."""
    dev.ok("task", "add", "--id", "FOO", "--title", "mine", "--offline")
    dev.ok("task", "comment", "FOO", "--text", "about mine", "--offline")
    desk.ok("task", "add", "--id", "FOO", "--title", "theirs")
    told = dev.run("sync", "--json").json["operations"]
    assert [one["fate"] for one in told] == ["dropped", "dropped"]
    assert "comments" not in dev.ok("task", "show", "FOO", "--json").json["task"]


@pytest.mark.slow
def test_a_new_number_is_remembered_after_an_undo(desk: Desk, dev: Desk) -> None:
    dev.ok("task", "add", "--title", "mine", "--offline")
    desk.ok("task", "add", "--title", "theirs")
    assert "as T-3" in dev.run("sync", "--json").json["operations"][0]["why"]
    dev.ok("sync", "--undo")
    dev.ok("task", "comment", "T-2", "--text", "about mine", "--offline")
    assert [fate for fate, _ in fates(dev)] == ["landed", "published"]
    assert [one["text"] for one in dev.ok("task", "show", "T-3", "--json").json["task"]["comments"]] == ["about mine"]
    assert "comments" not in dev.ok("task", "show", "T-2", "--json").json["task"]


@pytest.mark.slow
def test_what_this_machine_cannot_do_drops_nothing(desk: Desk, dev: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that is behind, or a key that is not here, is no reason to drop what was made."""
    dev.ok("task", "comment", "T-1", "--text", "mine", "--offline")
    desk.ok("task", "comment", "T-1", "--text", "meanwhile", "--as", "orchestrator")
    key = dev.session().repository.keys.path("dev")
    key.rename(key.with_name("away"))
    assert dev.run("sync", "--json").code == "KEY_MISSING"
    key.with_name("away").rename(key)
    assert len(dev.ok("status", "--json").json["ahead"]) == 1
    assert fates(dev) == [("published", "T-1: comment")]


@pytest.mark.slow
def test_a_sync_that_was_not_answered_is_done_once(
    desk: Desk, dev: Desk, hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from opsgit.storage.remote import Answer, Remote

    dev.ok("task", "comment", "T-1", "--text", "mine", "--offline")
    desk.ok("task", "comment", "T-1", "--text", "meanwhile", "--as", "orchestrator")
    real = Remote.push

    def cut(self: Any, moves: Any) -> Any:
        hub.rename(hub.with_name("away"))
        return Answer("unknown", "UNREACHABLE", "the remote end hung up unexpectedly")

    monkeypatch.setattr(Remote, "push", cut)
    assert dev.run("sync", "--json").code == "UNCONFIRMED"
    monkeypatch.setattr(Remote, "push", real)
    hub.with_name("away").rename(hub)
    assert fates(dev) == [("published", "T-1: comment")], "it is not told as lost as well"


@pytest.mark.slow
def test_an_id_is_known_after_a_sync_and_a_lease_of_weeks_holds(desk: Desk, dev: Desk) -> None:
    dev.ok("task", "comment", "T-1", "--text", "mine", "--op-id", "c-1", "--offline")
    desk.ok("task", "add", "--title", "two")
    assert fates(dev) == [("published", "T-1: comment")]
    dev.ok("task", "comment", "T-1", "--text", "mine", "--op-id", "c-1")
    assert len(dev.ok("task", "show", "T-1", "--json").json["task"]["comments"]) == 1
    for _ in range(2):
        dev.ok("task", "claim", "T-2", "--lease", "12d", "--op-id", "claim-2")
    assert desk.ok("sync").exit == 0
    desk.ok("verify")
    for _ in range(2):
        desk.ok("project", "set", "lease", "2w", "--op-id", "policy-1")
    assert desk.run("monitor", "--raise", "--op-id", "x", "--json").code == "BAD_VALUE"


@pytest.mark.slow
def test_a_host_that_makes_a_name_mean_two_things_is_said(desk: Desk, dev: Desk, hub: Path) -> None:
    """A tag called refs/heads/main: git pushes to neither, and that is not told as a remote that is away."""
    (hub / "hooks/pre-receive").unlink()
    git(hub, "update-ref", "refs/tags/refs/heads/main", "refs/heads/main")
    refused = dev.run("task", "start", "T-1", "--json")
    assert (refused.exit, refused.code) == (9, "REMOTE_REFUSED") and "more than one" in refused.err
    assert dev.status() == "assigned"


@pytest.mark.slow
def test_a_fetch_waits_for_a_git_that_moves_the_same_ref(
    desk: Desk, dev: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A killed writer's push goes on for a moment, and records what the remote has."""
    lock = dev.path / ".git/refs/remotes/origin/main.lock"
    desk.ok("task", "comment", "T-1", "--text", "new", "--as", "orchestrator")
    lock.touch()
    thread = threading.Timer(0.5, lock.unlink)
    thread.start()
    dev.ok("task", "start", "T-1")
    thread.join()
    monkeypatch.setattr("opsgit.storage.remote.PATIENCE", 0.2)
    desk.ok("task", "comment", "T-1", "--text", "newer", "--as", "orchestrator")
    lock.touch()
    assert dev.run("task", "comment", "T-1", "--text", "x", "--json").code == "BUSY"


@pytest.mark.slow
def test_a_lock_that_a_killed_push_left_at_a_remote_on_this_machine(
    dev: Desk, hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new lock is somebody's who is at work; one that stays is of nobody."""
    lock = hub / "refs/heads/main.lock"
    lock.touch()
    monkeypatch.setattr("opsgit.operations.publication.RACING", 0.5)
    said = dev.run("task", "start", "T-1", "--json")
    assert said.code == "REF_MOVED" and lock.exists(), said
    monkeypatch.setattr("opsgit.operations.publication.RACING", 30.0)
    monkeypatch.setattr("opsgit.storage.remote.STALE", 2.0)
    dev.ok("task", "start", "T-1")
    assert not lock.exists() and len(tips(dev.path, hub)) == 1
