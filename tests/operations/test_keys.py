"""Keys: rotated, retired, proved elsewhere; what doctor sees and mends."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import pytest

from opsgit.cli.main import main
from opsgit.storage import sshsig
from tests.conftest import Desk, git


def active(desk: Desk, name: str) -> list[str]:
    return [
        key["key"] for key in desk.ok("agent", "show", name, "--json").json["agent"]["keys"] if key["state"] == "active"
    ]


def test_a_rotated_key_signs_and_the_old_one_does_not(desk: Desk) -> None:
    old = active(desk, "dev")
    desk.ok("agent", "rotate", "dev", "--dry-run")
    assert active(desk, "dev") == old
    desk.ok("agent", "rotate", "dev")
    assert active(desk, "dev") != old
    desk.ok("task", "add", "--title", "t", "--as", "dev")
    keys = desk.session().repository.keys
    keys.path("dev").rename(keys.path("new"))
    keys.path("dev.retired-1").rename(keys.path("dev"))
    assert desk.refused("task", "add", "--title", "t", "--as", "dev") == "KEY_UNFIT"
    assert git(desk.path, "log", "--format=%G?").split() == ["G"] * 7
    desk.ok("verify")


def test_a_lost_key_is_replaced_by_an_orchestrator(desk: Desk) -> None:
    desk.session().repository.keys.path("dev").unlink()
    desk.ok("agent", "rotate", "dev", "--as", "orchestrator")
    desk.ok("task", "add", "--title", "t", "--as", "dev")
    desk.ok("verify")


def test_a_key_is_retired_by_its_fingerprint(desk: Desk) -> None:
    print_ = sshsig.fingerprint(active(desk, "dev")[0])
    assert desk.refused("agent", "retire-key", "dev", "--key", "SHA256:nope") == "NOT_FOUND"
    desk.ok("agent", "retire-key", "dev", "--key", print_)
    assert desk.refused("task", "add", "--title", "t", "--as", "dev") == "KEY_UNFIT"
    own = sshsig.fingerprint(active(desk, "orchestrator")[0])
    assert desk.refused("agent", "retire-key", "orchestrator", "--key", own) == "LAST_ORCHESTRATOR"


def test_a_key_held_elsewhere_is_proved_there(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = desk.path.parent / "data"
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "elsewhere"))
    words = shlex.split(desk.ok("agent", "prove", "far").out.replace("--role ROLE", "--role developer"))
    monkeypatch.setenv("XDG_DATA_HOME", str(here))
    assert desk.refused(*words[1:-1], "AAAA") == "BAD_KEY"
    assert desk.refused(*words[1:3], "--name", "other", *words[5:]) == "BAD_KEY"
    desk.ok(*words[1:])
    assert desk.refused("task", "add", "--title", "t", "--as", "far") == "KEY_MISSING"
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "elsewhere"))
    desk.ok("task", "add", "--title", "t", "--as", "far")
    desk.ok("verify")


def test_a_clone_acts_as_its_agent(desk: Desk, tmp_path: Path) -> None:
    desk.ok("agent", "checkout", "dev", str(tmp_path / "mine"))
    mine = Desk(tmp_path / "mine", desk.capsys)
    assert mine.ok("whoami", "--json").json["agent"] == "dev"
    assert mine.ok("task", "add", "--title", "t", "--json").json["operations"][0]["by"] == "dev"
    assert mine.refused("task", "add", "--title", "t", "--as", "qa") == "IDENTITY_CONFLICT"
    assert git(mine.path, "log", "-1", "--format=%G?").strip() == "G"
    assert desk.refused("agent", "checkout", "dev", str(tmp_path / "mine")) == "ALREADY_A_REPOSITORY"
    assert main(["clone", str(tmp_path / "nowhere"), str(tmp_path / "x"), "--json"]) == 9


def test_an_origin_with_a_relative_path_is_cloned_from_anywhere(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(desk.path, "clone", "-q", "--bare", ".", str(tmp_path / "hub.git"))
    git(desk.path, "remote", "add", "origin", os.path.relpath(tmp_path / "hub.git", desk.path))
    (tmp_path / "some" / "where").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "some" / "where")
    desk.ok("agent", "checkout", "dev", str(tmp_path / "mine"))
    assert git(tmp_path / "mine", "remote", "get-url", "origin").strip() == str(tmp_path / "hub.git")


def doctor(desk: Desk, *words: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for check in desk.run("doctor", "--json", *words).json["checks"]:
        found.setdefault(check["state"], set()).add(check["check"])
    return found


def test_doctor_sees_and_mends(desk: Desk) -> None:
    desk.ok("verify")
    assert "bad" not in doctor(desk)
    assert "keys" in doctor(desk)["warning"], "one Unix user holds several agents' keys"
    desk.session().repository.keys.path("dev").chmod(0o644)
    git(desk.path, "config", "commit.gpgSign", "false")
    (desk.path / ".git/hooks/pre-commit").unlink()
    (desk.path / ".git/objects/00").mkdir(exist_ok=True)
    (desk.path / ".git/objects/00/tmp_obj_1").touch()
    assert desk.run("doctor").exit == 10
    assert doctor(desk)["bad"] == {"keys", "git", "hooks"}
    assert "bad" not in doctor(desk, "--fix")
    assert git(desk.path, "config", "user.name").strip() == "orchestrator"
    assert not (desk.path / ".git/objects/00/tmp_obj_1").exists()


@pytest.mark.parametrize("helped", [False, True])
def test_an_interrupted_rotation_is_finished_by_the_next_command_or_by_doctor(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, helped: bool
) -> None:
    from opsgit.storage.keys import KeyStore

    monkeypatch.setattr(KeyStore, "promote", lambda *_: None)
    desk.ok("agent", "rotate", "dev")
    monkeypatch.undo()
    monkeypatch.setenv("XDG_DATA_HOME", str(desk.path.parent / "data"))
    monkeypatch.setenv("HOME", str(desk.path.parent / "home"))
    assert "keys" in doctor(desk)["bad"]
    if helped:
        doctor(desk, "--fix")
    desk.ok("task", "add", "--title", "t", "--as", "dev")
    assert "keys" not in doctor(desk).get("bad", ())
