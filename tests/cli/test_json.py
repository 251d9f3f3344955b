"""Every `--json` output fits its schema; every error is one JSON line on stderr and nothing on stdout."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from opsgit.domain.names import ENTITIES
from opsgit.storage import schema
from tests.conftest import Desk


def validator(kind: str) -> Draft202012Validator:
    files = [schema.load(name) for name in (*(one.schema for one in ENTITIES.values()), "state")]
    registry = Registry().with_resources((one["$id"], Resource.from_contents(one)) for one in files)
    return Draft202012Validator(schema.load(f"output/{kind}"), registry=registry)


def fits(document: Any) -> None:
    validator(document["kind"]).validate(document)


COMMANDS = [
    "agent list", "agent show dev", "agent add extra --role observer", "agent remove extra", "agent edit dev --desc x",
    "task add --title t --assign dev", "agent spawn dev T-1 --dir OUT4", "task next --claim --as dev --dry-run", "task list", "task list --status done", "task show T-1", "task next", "task next --as dev",
    "task start T-1", "task progress T-1 --text half", "task comment T-1 --text hm --as dev", "task edit T-1 --priority high",
    "task submit T-1 --output OUT", "task next --as qa", "prime --as qa", "review comment T-1 --text hm --as qa", "review list", "inbox --as dev", "inbox --as qa --new", "inbox --humans",
    "review comment T-1 --text no --blocking --at result.txt:1 --as qa", "review resolve T-1 1-2 --as qa", "review check T-1 --name tests --status pass --as qa",
    "review show T-1", "review show T-1 --as qa", "review diff T-1", "review diff T-1 --stat", "review checkout T-1 OUT3", "review approve T-1 --as qa",
    "project set deploy.command [\"true\"]", "project show", "deploy trust", "task next --as ship", "task move T-1 --to deployed",
    "history T-1", "history T-1 --all", "history", "rollback T-1", "whoami", "whoami --as dev", "status", "maintenance", "fmt", "fmt --check",
    "quota set q --limit 3 --period daily", "quota use q 2", "quota check q", "quota check", "quota list", "metric set m 1.5", "metric list",
    "alert raise --message m", "alert list", "alert resolve A-1", "monitor --check-stale", "compile", "dashboard", "report",
    "import EMPTY", "verify", "hooks status", "doctor --fix", "agent prove other", "agent checkout dev OUT2", "task add --title u --dry-run", "task add --title u", "task cancel T-2", "task release T-1", "task assign T-1 --to dev",
]  # fmt: skip


def test_each_output_fits_its_schema(desk: Desk, output: Path) -> None:
    kinds = set()
    for command in COMMANDS:
        (output.parent / "empty.json").write_text("{}")
        paths = {
            "OUT": str(output),
            "EMPTY": str(output.parent / "empty.json"),
            "OUT2": str(output.parent / "clone"),
            "OUT3": str(output.parent / "files"),
            "OUT4": str(output.parent / "spawned"),
        }
        words = [paths.get(word, word) for word in command.split()]
        result = desk.run(*words, "--json")
        if command == "task release T-1":
            assert result.code == "ILLEGAL_TRANSITION"
            fits(json.loads(result.err))
            kinds.add("error")
            continue
        assert result.exit == 0, (command, result)
        fits(result.json)
        kinds.add(result.json["kind"])
        assert result.err == "", "under --json stderr is silent when all is well"
    others = {
        "setup",
        "init",
        "demo",
        "server",
        "sync",
        "syncs",
        "request",
    }  # made below: they take no -C, or need a remote
    assert kinds | others == {path.name.split(".")[0] for path in (schema.folder() / "output").iterdir()}


def test_init_and_demo(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from opsgit.cli.main import main

    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "d"))
    assert main(["init", "--project", "p", "--state-dir", str(tmp_path / "s"), "--json"]) == 0
    fits(json.loads(capsys.readouterr().out))
    assert main(["server", "init", str(tmp_path / "hub.git"), "--json"]) == 0
    fits(json.loads(capsys.readouterr().out))
    assert main(["setup", "codex", "--dir", str(tmp_path), "--json"]) == 0
    fits(json.loads(capsys.readouterr().out))
    assert main(["demo", str(tmp_path / "demo"), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    fits(said)
    assert sum(step["kind"] == "refused" for step in said["steps"]) >= 4


@pytest.mark.parametrize(
    ("words", "exit_code", "code"),
    [
        (["task", "show", "T-9"], 3, "NOT_FOUND"),
        (["task", "show", "../x"], 4, "BAD_ID"),
        (["task", "frobnicate"], 2, "USAGE"),
        (["task", "add"], 2, "USAGE"),
        (["task", "start"], 2, "USAGE"),
        (["task", "start", "T-1", "--id", "T-1"], 2, "USAGE"),
        (["task", "list", "--status", "nope"], 2, "USAGE"),
        (["frobnicate"], 2, "USAGE"),
        (["project", "set", "deploy.comand", "x"], 4, "UNKNOWN_KEY"),
        (["project", "set", "deploy.command", "x"], 4, "SCHEMA"),
        (["project", "set", "name", "x"], 5, "IDENTITY_FIXED"),
        (["project", "set", "deploy.command", "[&a x]"], 4, "BAD_YAML"),
        (["task", "move", "T-1", "--to", "nope"], 2, "USAGE"),
        (["task", "move", "T-1", "--to", "In_Progress"], 3, "NOT_FOUND"),
        (["task", "list", "--fields", "nope"], 4, "UNKNOWN_FIELD"),
        (["quota", "set", "q", "--limit", "3"], 4, "PERIOD_REQUIRED"),
    ],
)
def test_errors(desk: Desk, words: list[str], exit_code: int, code: str) -> None:
    result = desk.run(*words, "--json")
    assert (result.exit, result.code) == (exit_code, code)
    assert result.err.count("\n") == 1
    fits(json.loads(result.err))


def test_an_unknown_key_is_told_the_nearest(desk: Desk) -> None:
    assert "deploy.command" in desk.run("project", "set", "deploy.comand", "x").err
