"""`setup`: written, checked, removed; what others wrote stays byte for byte."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from opsgit.cli.main import main
from tests.conftest import Desk

HARNESSES = ("openclaw", "claude", "codex", "agents-md")


def setup(folder: Path, *words: str) -> int:
    return main(["setup", *words, "--dir", str(folder)])


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("harness", HARNESSES)
def test_install_check_again_remove(tmp_path: Path, harness: str, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    assert setup(folder, harness, "--check") == 10
    assert setup(folder, harness) == 0
    made = files(folder)
    assert made
    assert setup(folder, harness, "--check") == 0
    capsys.readouterr()
    assert setup(folder, harness) == 0
    assert "written" not in capsys.readouterr().out
    assert files(folder) == made
    assert setup(folder, harness, "--remove") == 0
    assert files(folder) == {}
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("text", ["# Ours\n", "# Ours", "", "\r\n# Ours\r\n\r\n", "# Ours\n\n\n"])
def test_a_block_leaves_no_trace(tmp_path: Path, text: str) -> None:
    file = tmp_path / "AGENTS.md"
    file.write_bytes(text.encode())
    assert setup(tmp_path, "codex") == 0
    both = file.read_bytes().decode()
    assert both.startswith(text.removesuffix("\n"))
    if text:
        file.write_bytes(
            both.replace("Run `opsgit prime`", "Run nothing").encode() + (b"after\n" if text[-1] == "\n" else b"")
        )
        assert setup(tmp_path, "codex", "--check") == 10
        assert setup(tmp_path, "codex") == 0
        assert "Run `opsgit prime`" in file.read_bytes().decode()
    assert setup(tmp_path, "codex", "--remove") == 0
    after = "after\n" if text and text[-1] == "\n" else ""
    assert (file.read_bytes().decode() if file.exists() else "") == text + after


def test_the_block_is_short(tmp_path: Path) -> None:
    assert setup(tmp_path, "agents-md") == 0
    assert len((tmp_path / "AGENTS.md").read_text().splitlines()) <= 8


def test_a_linked_file_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "CLAUDE.md").write_text("# ours\n")
    (tmp_path / "AGENTS.md").symlink_to("CLAUDE.md")
    assert setup(tmp_path, "agents-md") == 0
    assert (tmp_path / "AGENTS.md").is_symlink()
    assert "opsgit prime" in (tmp_path / "CLAUDE.md").read_text()


def test_settings_of_others_stay(tmp_path: Path) -> None:
    before = '{\n    "model": "x",\n    "enabledPlugins": {\n        "other@market": true\n    }\n}'
    (tmp_path / ".claude").mkdir()
    file = tmp_path / ".claude/settings.json"
    file.write_text(before)
    assert setup(tmp_path, "claude") == 0
    found = json.loads(file.read_text())
    assert found["model"] == "x"
    assert found["enabledPlugins"] == {"other@market": True, "opsgit@opsgit": True}
    assert setup(tmp_path, "claude", "--remove") == 0
    assert file.read_text() == before


def test_settings_that_cannot_be_read_are_not_touched(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / ".claude").mkdir()
    for text in ("{ // a comment\n}", "[]", '{"enabledPlugins": 7}'):
        (tmp_path / ".claude/settings.json").write_text(text)
        assert setup(tmp_path, "claude") == 4
        assert "BAD_VALUE" in capsys.readouterr().err
        assert list(files(tmp_path)) == [".claude/settings.json"]


def test_the_skill(tmp_path: Path) -> None:
    from ruamel.yaml import YAML

    assert setup(tmp_path, "openclaw") == 0
    text = (tmp_path / "skills/opsgit/SKILL.md").read_text()
    assert len(text.split()) <= 500
    _, head, body = text.split("---\n", 2)
    front = YAML(typ="safe").load(head)
    assert re.fullmatch("[a-z0-9-]{1,64}", front["name"])
    assert 0 < len(front["description"]) <= 1024
    assert all("\n" not in line for line in head.splitlines())  # OpenClaw's parser reads keys of one line
    assert front["metadata"]["openclaw"]["requires"]["bins"] == ["opsgit", "git"]
    (how,) = front["metadata"]["openclaw"]["install"]
    assert (how["kind"], how["package"], how["bins"]) == ("uv", "opsgit", ["opsgit"])
    assert list(files(tmp_path)) == ["skills/opsgit/SKILL.md"], "no scripts"
    assert "opsgit agent spawn" in body


def test_the_plugin_follows_the_agents(desk: Desk, tmp_path: Path) -> None:
    folder = tmp_path / "code"
    desk.ok("agent", "edit", "qa", "--desc", 'Tests: "all"')
    assert main(["setup", "claude", "-C", str(desk.path), "--dir", str(folder)]) == 0
    hooks = json.loads((folder / ".claude/opsgit/plugin/hooks/hooks.json").read_text())["hooks"]
    assert set(hooks) == {"SessionStart", "PreCompact", "PreToolUse"}
    assert hooks["SessionStart"][0]["hooks"][0]["command"] == f"opsgit -C {desk.path} prime --as orchestrator"
    agents = {path.stem for path in (folder / ".claude/opsgit/plugin/agents").iterdir()}
    assert agents == {"orchestrator", "dev", "qa", "ship", "eye"}
    desk.ok("agent", "remove", "dev")
    assert main(["setup", "claude", "-C", str(desk.path), "--dir", str(folder), "--check"]) == 10
    assert main(["setup", "claude", "-C", str(desk.path), "--dir", str(folder)]) == 0
    assert not (folder / ".claude/opsgit/plugin/agents/dev.md").exists()
    market = json.loads((folder / ".claude/opsgit/.claude-plugin/marketplace.json").read_text())
    place = folder / ".claude/opsgit" / market["plugins"][0]["source"]
    assert json.loads((place / ".claude-plugin/plugin.json").read_text())["name"] == "opsgit"


def test_the_hook_s_command_runs(desk: Desk, tmp_path: Path) -> None:
    assert main(["setup", "claude", "-C", str(desk.path), "--dir", str(tmp_path)]) == 0
    hooks = json.loads((tmp_path / ".claude/opsgit/plugin/hooks/hooks.json").read_text())["hooks"]
    words = hooks["PreToolUse"][0]["hooks"][0]["command"].split()[1:]
    event = {"hook_event_name": "PreToolUse", "tool_name": "Bash", "agent_type": "opsgit:dev",
             "tool_input": {"command": "cd x && opsgit review approve T-1 --as qa"}}  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "opsgit", *words], input=json.dumps(event), capture_output=True, text=True, check=False
    )
    said = json.loads(done.stdout)["hookSpecificOutput"]
    assert said["permissionDecision"] == "deny"
    assert said["permissionDecisionReason"].endswith("Run: opsgit review approve T-1 --as dev")


ALLOWED = [
    "opsgit task start T-1 --as dev", "opsgit task start T-1 --as=dev", "opsgit task list", "opsgit -C x task show T-1",
    "OPSGIT_AGENT=dev opsgit task start T-1", "opsgit task start --help", "opsgit task start T-1 --as qa --dry-run",
    "echo opsgit task start T-1", "opsgit task next", "opsgit monitor", "ls; git status", "opsgit inbox --as qa",
    "opsgit task start --as dev 'open quote", "echo done # don't opsgit task start T-1",
    "cat > notes <<'END'\nopsgit task start T-1\nit's\nEND\nls", "cat <<-EOF\n\topsgit task start T-1\n\tEOF",
    "export OPSGIT_AGENT=dev\nopsgit task start T-1", "OPSGIT_AGENT=dev\nexport OPSGIT_AGENT; opsgit task start T-1", "opsgit task start T-1 --as $ME", 'opsgit task start T-1 --as "$ME"',
    "opsgit task \\\n  start T-1 \\\n  --as dev", 'opsgit task comment T-1 --text "&" --as dev',
    "opsgit task comment T-1 --text '' --as dev", "opsgit task start T-1 --as dev 2>&1 | tail", "apt install opsgit",
    'git commit -m "task start; opsgit task start T-1"', "grep opsgit task start",
]  # fmt: skip
DENIED = [
    ("opsgit task start T-1", "opsgit task start T-1 --as dev"),
    ("opsgit task start T-1 --as qa", "opsgit task start T-1 --as dev"),
    ("opsgit -C x task start --as=qa T-1", "opsgit -C x task start T-1 --as dev"),
    ("make && opsgit task comment T-1 --text 'a; b'", "opsgit task comment T-1 --text 'a; b' --as dev"),
    ("OPSGIT_AGENT=qa opsgit task start T-1 --as dev", "opsgit task start T-1 --as dev"),
    ("bash -c 'opsgit task start T-1'", "opsgit task start T-1 --as dev"),
    ("env A=b /usr/bin/opsgit task start T-1", "opsgit task start T-1 --as dev"),
    ("python3 -m opsgit task start T-1", "opsgit task start T-1 --as dev"),
    ("ls\nopsgit task next --claim", "opsgit task next --claim --as dev"),
    ("opsgit review approve T-1 --approved-by qa", "opsgit review approve T-1 --as dev"),
    ("(opsgit monitor --raise)", "opsgit monitor --raise --as dev"),
    ("for t in T-1 T-2; do opsgit task start $t; done", "opsgit task start $t --as dev"),
    ("if opsgit task start T-1; then ls; fi", "opsgit task start T-1 --as dev"),
    ("! opsgit task start T-1", "opsgit task start T-1 --as dev"),
    ("{ opsgit task start T-1; }", "opsgit task start T-1 --as dev"),
    ("timeout 5 opsgit task start T-1", "opsgit task start T-1 --as dev"),
    ("nice -n 5 opsgit task start T-1", "opsgit task start T-1 --as dev"),
    ("/usr/bin/env -u X opsgit task start T-1", "opsgit task start T-1 --as dev"),
    ("env OPSGIT_AGENT=qa opsgit task start T-1", "opsgit task start T-1 --as dev"),
    ("sudo -u root opsgit task start T-1", "opsgit task start T-1 --as dev"),
    ("echo T-1 | xargs -n 1 opsgit task start", "opsgit task start --as dev"),
    ("watch 'opsgit task start T-1'", "opsgit task start T-1 --as dev"),
    ("uv run opsgit task start T-1", "opsgit task start T-1 --as dev"),
    ("uvx --from x opsgit task start T-1", "opsgit task start T-1 --as dev"),
    ("python3 -I -m opsgit task start T-1", "opsgit task start T-1 --as dev"),
    ("bash -lc 'opsgit task start T-1'", "opsgit task start T-1 --as dev"),
    ("timeout 9 bash -c 'opsgit task start T-1'", "opsgit task start T-1 --as dev"),
    ("eval opsgit task start T-1", "opsgit task start T-1 --as dev"),
    ("x=$(opsgit task start T-1)", "opsgit task start T-1 --as dev"),
    ('echo "$(opsgit task start T-1)"', "opsgit task start T-1 --as dev"),
    ("echo `opsgit task start T-1`", "opsgit task start T-1 --as dev"),
    ("opsgit task \\\n  start T-1", "opsgit task start T-1 --as dev"),
    ("ls # don't\nopsgit task start T-1", "opsgit task start T-1 --as dev"),
    ("cat <<END\nit's\nEND\nopsgit task start T-1", "opsgit task start T-1 --as dev"),
    ("export OPSGIT_AGENT=qa; opsgit task start T-1", "opsgit task start T-1 --as dev"),
    ("opsgit task start T-1 2>&1", "opsgit task start T-1 --as dev 2>&1"),
    ("opsgit mcp --as qa", "opsgit mcp --as dev"),
    ('cat <<< "x"\nopsgit task start T-1', "opsgit task start T-1 --as dev"),
    ("((x<<y))\nopsgit task start T-1", "opsgit task start T-1 --as dev"),
    ("OPSGIT_AGENT=dev; opsgit task start T-1", "opsgit task start T-1 --as dev"),
]


def judged(
    command: object, kind: str | None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> str:
    event = {"tool_input": {"command": command}, **({"agent_type": kind} if kind else {})}
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(event)))
    capsys.readouterr()
    assert main(["setup", "guard"]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("command", ALLOWED)
def test_the_guard_allows(command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert judged(command, "opsgit:dev", capsys, monkeypatch) == ""


@pytest.mark.parametrize(("command", "right"), DENIED)
def test_the_guard_denies(
    command: str, right: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    said = json.loads(judged(command, "opsgit:dev", capsys, monkeypatch))["hookSpecificOutput"]
    assert said["permissionDecision"] == "deny"
    assert said["permissionDecisionReason"].endswith(f"Run: {right}")


def test_the_guard_leaves_the_main_session_alone(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert judged("opsgit task start T-1 --as qa", None, capsys, monkeypatch) == ""
    assert judged(7, "opsgit:dev", capsys, monkeypatch) == ""
    for kind in ("general-purpose", "Explore", "other:dev"):
        assert judged("opsgit task start T-1 --as orchestrator", kind, capsys, monkeypatch) == ""
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert main(["setup", "guard"]) == 2


def test_nothing_outside_is_written_or_removed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, outside = tmp_path / "project", tmp_path / "outside"
    (folder / ".claude").mkdir(parents=True)
    (outside / "plugin/agents").mkdir(parents=True)
    (outside / "plugin/agents/mine.md").write_text("precious")
    (folder / ".claude/opsgit").symlink_to("../../outside")
    assert setup(folder, "claude") == 4
    assert setup(folder, "claude", "--remove") == 4
    assert files(outside) == {"plugin/agents/mine.md": b"precious"}
    (folder / ".claude/opsgit").unlink()
    (folder / ".claude/opsgit/plugin/agents").mkdir(parents=True)
    (folder / ".claude/opsgit/notes.md").write_text("mine")
    (folder / ".claude/opsgit/plugin/agents/own.md").write_text("mine")
    assert setup(folder, "claude") == 0
    assert {".claude/opsgit/notes.md", ".claude/opsgit/plugin/agents/own.md"} <= set(files(folder))


def test_a_stray_mark_eats_nothing(tmp_path: Path) -> None:
    text = "# Team\n<!-- opsgit:begin (managed by opsgit setup) -->\nold\n\n# Build rules\nmake all\n"
    (tmp_path / "AGENTS.md").write_text(text)
    for _ in range(2):
        assert setup(tmp_path, "agents-md") == 0
        assert "# Build rules" in (tmp_path / "AGENTS.md").read_text()
    assert setup(tmp_path, "agents-md", "--remove") == 0
    assert (tmp_path / "AGENTS.md").read_text() == text


def test_a_file_with_the_ends_of_lines_of_windows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = b"# Mine\r\nwords\r\n"
    (tmp_path / "AGENTS.md").write_bytes(before)
    assert setup(tmp_path, "agents-md") == 0
    made = (tmp_path / "AGENTS.md").read_bytes()
    assert made.count(b"\n") == made.count(b"\r\n") > 2
    assert setup(tmp_path, "agents-md", "--check") == 0
    assert setup(tmp_path, "agents-md", "--remove") == 0
    assert (tmp_path / "AGENTS.md").read_bytes() == before


@pytest.mark.parametrize("text", ['{"a": 1, "a": 2}', '{"a": 1e400}', '{"a": ' + "[" * 5000 + "]" * 5000 + "}"])
def test_settings_that_would_lose_something_are_left_alone(
    desk: Desk, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    place = tmp_path / ".claude/settings.json"
    place.parent.mkdir()
    place.write_text(text)
    assert main(["setup", "claude", "-C", str(desk.path), "--dir", str(tmp_path)]) == 4
    assert "BAD_VALUE: .claude/settings.json cannot be written again" in capsys.readouterr().err
    assert place.read_text() == text
    assert not (tmp_path / ".claude/opsgit").exists()


def test_settings_with_half_a_character(desk: Desk, tmp_path: Path) -> None:
    place = tmp_path / ".claude/settings.json"
    place.parent.mkdir()
    place.write_text('{"a": "\\ud800 \u00e9"}')
    assert main(["setup", "claude", "-C", str(desk.path), "--dir", str(tmp_path)]) == 0
    assert json.loads(place.read_text())["a"] == "\ud800 \u00e9"
