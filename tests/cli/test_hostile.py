"""Bad input: each with its own code, nothing changed, nothing run."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from opsgit.cli.main import main
from opsgit.domain.rules import VERSIONS
from tests.conftest import Desk, git

BAD_IDS = ["../../x", "/etc/passwd", "a/b", "a\\b", "..", ".", ".x", "x.", "a..b", "x.lock", "X.LOCK", "a b", "a\n", "a\n\n",
           "\n", "", " ", "é", "a:b", "a~1", "a^", "a?", "a*", "a[", "@{", "a@", "HEAD^", "x" * 65, "a--b", "a.-b",
           "\u202eT-1", "T-\u200b1", "%2e%2e"]  # fmt: skip
BAD_NAMES = ["Dev", "1dev", "dev.x", "dev/x", "dev\n", "-dev", "dev-", "dev--x", "dév", "", "x" * 33, "d v", "dev.lock"]
WORDS = ['"quotes"', "$(touch pwned)", "`touch pwned`", "<script>alert(1)</script>", "🎉 emoji", "'; rm -rf x;'", "a\\nb", "%s%n",
         "--title", "{{7*7}}", "T-1: done → deployed", "# not a comment", "yes", "null", "- x", "*", "&a", "!!x"]  # fmt: skip


@pytest.mark.parametrize("task_id", BAD_IDS)
def test_ids_that_are_paths_or_no_refs_are_refused(desk: Desk, task_id: str) -> None:
    assert desk.refused("task", "add", f"--id={task_id}", "--title", "t") == "BAD_ID"


def test_an_id_that_starts_with_a_dash(desk: Desk) -> None:
    assert desk.refused("task", "add", "--id=-x", "--title", "t") == "BAD_ID"
    assert desk.run("task", "show", "--json", "--", "-x").code == "BAD_ID"


@pytest.mark.parametrize("name", BAD_NAMES)
def test_names_that_are_no_names_are_refused(desk: Desk, name: str) -> None:
    assert desk.refused("agent", "add", f"--name={name}", "--role", "developer") == "BAD_NAME"


@pytest.mark.parametrize("other", ["t-1", "T-1"])
def test_ids_that_differ_only_in_case_collide(desk: Desk, other: str) -> None:
    desk.ok("task", "add", "--id", "T-1", "--title", "t")
    assert desk.refused("task", "add", "--id", other, "--title", "t") == "ID_TAKEN"


@pytest.mark.parametrize("words", WORDS)
def test_words_are_taken_as_they_are_and_never_run(
    desk: Desk, words: str, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(output)
    desk.ok(
        "task", "add", f"--title={words}", f"--desc={words}", f"--note={words}", "--assign", "dev", f"--tag={words}"
    )
    desk.ok("task", "comment", "T-1", f"--text={words}", f"--note={words}", "--as", "orchestrator")
    task = desk.ok("task", "show", "T-1", "--json").json["task"]
    assert (task["title"], task["description"], task["comments"][0]["text"]) == (words, words, words)
    assert git(desk.path, "log", "-1", "--format=%B").split("\n")[2] == words
    assert not list(output.parent.rglob("pwned"))
    assert git(desk.path, "fsck", "--strict", "--no-dangling") == ""


@pytest.mark.parametrize(
    "title", ["", " ", "a\nb", "\x1b[31m", "a\x00b", "\u202e", " a", "a ", "x" * 201, "a\rb", "\u2028"]
)
def test_titles_that_cannot_be_stored_are_refused(desk: Desk, title: str) -> None:
    assert desk.refused("task", "add", f"--title={title}") == "BAD_TEXT"


def test_surrogates_from_a_broken_terminal_are_refused(desk: Desk) -> None:
    command: list[str | bytes] = ["opsgit", "-C", str(desk.path), "task", "add", "--title", b"\xff\xfe", "--json"]
    import sys

    done = subprocess.run([sys.executable, "-m", *command], capture_output=True, check=False)
    assert done.returncode == 4, done.stderr
    assert b"BAD_TEXT" in done.stderr


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"id: &a T-1\n", "BAD_YAML"),
        (b"id: !!str T-1\n", "BAD_YAML"),
        (b"id: T-1\nid: T-1\n", "BAD_YAML"),
        (b"id: " + b"9" * 5000, "BAD_YAML"),
        (b"a: " + b"[" * 9000, "BAD_YAML"),
        (b"id: T-1\0", "BAD_YAML"),
        (b"\xef\xbb\xbfid: T-1", "BAD_YAML"),
        (b"id: \xff", "BAD_YAML"),
        (b"id: T-1\n", "SCHEMA"),
        (b"id: T-1\ntitle: 5\n", "SCHEMA"),
    ],
)
def test_hand_edited_files_are_told_their_faults(desk: Desk, content: bytes, code: str) -> None:
    desk.ok("task", "add", "--id", "T-1", "--title", "t")
    (desk.path / "tasks/t1/T-1.yaml").write_bytes(content)
    result = desk.run("fmt", "--json")
    assert (result.exit, result.code) == (4, code)
    assert "tasks/t1/T-1.yaml" in result.err
    assert (desk.path / "tasks/t1/T-1.yaml").read_bytes() == content


def test_fmt_brings_a_hand_edited_file_into_form(desk: Desk) -> None:
    desk.ok("task", "add", "--id", "T-1", "--title", "t", "--desc", "one\ntwo")
    file = desk.path / "tasks/t1/T-1.yaml"
    good = file.read_bytes()
    lines = good.decode().split("\n")
    file.write_text("# a remark\n" + "\n".join([*lines[2:-1], "id:    'T-1'", "tags: []"]) + "\n")
    assert desk.run("fmt", "--check").exit == 10
    assert file.read_bytes() != good
    assert desk.ok("fmt").out == "tasks/t1/T-1.yaml\n"
    assert file.read_bytes() == good
    file.rename(desk.path / "tasks/t1/U-T1.yaml")
    assert desk.run("fmt", "--json").code == "SCHEMA"


class TestRepositories:
    def code(self, path: Path, capsys: pytest.CaptureFixture[str], *words: str) -> str:
        assert main(["-C", str(path), *(words or ("task", "list")), "--json"]) not in (0, 1)
        said = capsys.readouterr()
        assert said.out == "" and "Traceback" not in said.err
        return said.err.split('"code": "')[1].split('"')[0]

    def test_none(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert self.code(tmp_path, capsys) == "NO_REPOSITORY"
        assert self.code(tmp_path / "nowhere", capsys) == "NO_REPOSITORY"

    def test_a_foreign_one(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        git(tmp_path, "init", "-q", "-b", "main", "code")
        assert self.code(tmp_path / "code", capsys) == "NOT_A_STATE_REPOSITORY"
        (tmp_path / "code" / "x").write_text("x")
        git(tmp_path / "code", "add", "x")
        git(tmp_path / "code", "-c", "user.name=x", "-c", "user.email=x@x", "commit", "-qm", "x")
        for words in (("task", "list"), ("task", "add", "--title", "t"), ("whoami",)):
            assert self.code(tmp_path / "code", capsys, *words) in ("NOT_A_STATE_REPOSITORY", "BAD_COMMIT")

    def test_a_broken_one(self, desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
        tree = git(desk.path, "rev-parse", "HEAD^{tree}").strip()
        (desk.path / ".git/objects" / tree[:2] / tree[2:]).unlink()
        (desk.path / ".git/opsgit/index.db").unlink(missing_ok=True)
        assert self.code(desk.path, capsys) == "REPOSITORY_BROKEN"
        (desk.path / ".git/HEAD").write_text("garbage\n")
        assert self.code(desk.path, capsys) in ("REPOSITORY_BROKEN", "TOOL_FAILED")

    def test_another_rule_book_is_never_guessed_at(self, desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
        file = desk.path / "ops.yaml"
        file.write_text(file.read_text().replace(f"rules: {max(VERSIONS)}", f"rules: {max(VERSIONS) + 1}\nfuture: x"))
        git(desk.path, "-c", "core.hooksPath=/dev/null", "commit", "-q", "-am", "x")
        for words in (("task", "add", "--title", "t"), ("whoami",), ("task", "list")):  # it was no lawful upgrade
            assert self.code(desk.path, capsys, *words) == "MESSAGE_MISMATCH"

    def test_init_never_overwrites(self, desk: Desk, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (tmp_path / "full").mkdir()
        (tmp_path / "full" / "x").write_text("x")
        for folder in (desk.path, tmp_path / "full", tmp_path / "full" / "x"):
            assert main(["init", "--project", "p", "--state-dir", str(folder), "--json"]) == 4
            assert "ALREADY_A_REPOSITORY" in capsys.readouterr().err
        assert main(["init", "--project", "", "--state-dir", str(tmp_path / "n"), "--json"]) == 4
        assert (
            main(["init", "--project", "p", "--state-dir", str(tmp_path / "n"), "--orchestrator", "X", "--json"]) == 4
        )
        assert not (tmp_path / "n").exists()

    @pytest.mark.skipif(
        os.geteuid() == 0 and not Path("/usr/bin/setpriv").exists(), reason="needs setpriv to drop root"
    )
    def test_somebody_who_may_only_read_still_reads(self, desk: Desk, tmp_path: Path) -> None:
        import sys

        desk.ok("task", "add", "--title", "t")
        folder = Path("/tmp") / f"opsgit-readonly-{os.getpid()}"
        subprocess.run(["cp", "-a", str(desk.path), str(folder)], check=True)
        drop = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
        try:
            config = folder / "trusting"
            config.write_text(f"[safe]\n\tdirectory = {folder}\n")
            command = [*drop, sys.executable, "-m", "opsgit", "-C", str(folder), "task", "list"]
            env = {**os.environ, "GIT_CONFIG_GLOBAL": str(config)}
            done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
        finally:
            subprocess.run(["rm", "-rf", str(folder)], check=True)
        assert "T-1" in done.stdout, done.stderr


class TestIdentity:
    def test_names_that_disagree(self, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("OPSGIT_AGENT", "dev")
        assert desk.refused("task", "add", "--title", "t", "--as", "qa") == "IDENTITY_CONFLICT"
        git(desk.path, "config", "opsgit.agent", "ship")
        assert desk.refused("task", "add", "--title", "t") == "IDENTITY_CONFLICT"

    def test_the_clones_agent_acts(self, desk: Desk) -> None:
        git(desk.path, "config", "opsgit.agent", "dev")
        assert desk.ok("whoami", "--json").json["agent"] == "dev"
        assert desk.ok("task", "add", "--title", "t", "--json").json["operations"][0]["by"] == "dev"

    def test_explicit_identity_turns_natural_actors_off(self, desk: Desk) -> None:
        desk.ok("project", "set", "identity.explicit", "true")
        assert desk.refused("task", "add", "--title", "t") == "IDENTITY_REQUIRED"
        desk.ok("task", "add", "--title", "t", "--as", "orchestrator")

    def test_a_sign_off_has_no_natural_actor(self, in_review: Desk) -> None:
        assert in_review.refused("review", "approve", "T-1") == "IDENTITY_REQUIRED"
        assert in_review.refused("task", "move", "T-1", "--to", "done") == "IDENTITY_REQUIRED"

    def test_without_the_key_nobody_acts(self, desk: Desk) -> None:
        desk.session().repository.keys.path("qa").unlink()
        assert desk.refused("task", "add", "--title", "t", "--as", "qa") == "KEY_MISSING"
        desk.session().repository.keys.path("orchestrator").unlink()
        assert desk.refused("task", "add", "--title", "t") == "IDENTITY_REQUIRED"

    def test_a_key_that_is_not_the_agents_is_not_used(self, desk: Desk) -> None:
        keys = desk.session().repository.keys
        keys.path("qa").write_bytes(keys.path("dev").read_bytes())
        assert desk.refused("task", "add", "--title", "t", "--as", "qa") == "KEY_UNFIT"
        keys.path("qa").write_text("garbage")
        assert desk.refused("task", "add", "--title", "t", "--as", "qa") == "KEY_UNFIT"

    def test_the_natural_actor_is_said(self, desk: Desk) -> None:
        assert "acting as orchestrator" in desk.ok("task", "add", "--title", "t").err
        assert desk.ok("task", "add", "--title", "t", "--json").err == ""


def test_hostile_environments_change_nothing(desk: Desk, tmp_path: Path) -> None:
    import sys

    (tmp_path / "evil").mkdir()
    (tmp_path / "evil" / "config").write_text('[core]\n\tfsmonitor = "touch pwned"\n[gpg "ssh"]\n\tprogram = touch\n')
    hostile = {"GIT_DIR": "/nowhere", "GIT_WORK_TREE": "/", "GIT_INDEX_FILE": "/nowhere/i", "GIT_OBJECT_DIRECTORY": "/nowhere",
               "GIT_CONFIG_GLOBAL": str(tmp_path / "evil/config"), "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "core.bare",
               "GIT_CONFIG_VALUE_0": "true", "GIT_REPLACE_REF_BASE": "refs/x/", "GIT_TEMPLATE_DIR": "/nowhere"}  # fmt: skip
    command = [sys.executable, "-m", "opsgit", "-C", str(desk.path), "task", "add", "--title", "t"]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **hostile}, check=False)
    assert done.returncode == 0, done.stderr
    assert desk.status("T-1") == "backlog"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to another user")
def test_a_repository_of_another_user_is_refused_and_its_hooks_are_not_run(desk: Desk, tmp_path: Path) -> None:
    hook = desk.path / ".git/hooks/reference-transaction"
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    hook.chmod(0o755)
    subprocess.run(["chown", "-R", "65534", str(desk.path)], check=True)
    for words in (["task", "list"], ["task", "add", "--title", "t"], ["verify"], ["doctor"]):
        assert desk.run(*words, "--json").code == "FOREIGN_REPOSITORY", words
    assert not (tmp_path / "ran").exists()
    git(tmp_path, "config", "--global", "--add", "safe.directory", str(desk.path))
    desk.ok("task", "add", "--title", "t")


@pytest.mark.parametrize(
    "words",
    [
        ["report", "--since", "999999d"], ["report", "--since", "999999w"], ["task", "list", "--limit", "9" * 20],
        ["history", "--limit", "9" * 20], ["quota", "use", "q", "9" * 400], ["task", "list", "--updated-since", "999999w"],
        ["clone", "ext::sh -c id", "elsewhere"], ["import", "big.json"],
    ],
    ids=lambda words: " ".join(words)[:40],
)  # fmt: skip
def test_numbers_and_names_beyond_reason_are_no_bug(desk: Desk, words: list[str], tmp_path: Path) -> None:
    (tmp_path / "big.json").write_text('{"quotas": {"q": {"limit": ' + "9" * 400 + ', "used": 1e999}}}')
    os.chdir(tmp_path)
    assert desk.run(*words).exit != 1


def test_a_deliverable_of_1500_folders_in_each_other_is_refused(desk: Desk, tmp_path: Path) -> None:
    desk.ok("task", "add", "--title", "t", "--assign", "dev")
    desk.ok("task", "start", "T-1")
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("d", dir_fd=here)
        here, last = os.open("d", os.O_RDONLY, dir_fd=here), here
        os.close(last)
    os.close(here)
    assert desk.refused("task", "submit", "T-1", "--output", str(tmp_path / "d")) == "DELIVERABLE_UNSAFE"
    subprocess.run(["rm", "-rf", str(tmp_path / "d")], check=True)
