"""Attacks on history and on the clone, and honest histories that must pass."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from opsgit.cli.main import main
from opsgit.domain import canonical, names
from opsgit.domain.request import Edit
from opsgit.operations import clone, init
from opsgit.storage import pins
from opsgit.storage.repository import Repository
from opsgit.verification import push, verifier
from tests.attacks.corpus import managed, title
from tests.attacks.forge import Forge
from tests.attacks.test_attacks import judged
from tests.conftest import git, judge_in


def verify(path: Path, *words: str) -> int:
    return main(["-C", str(path), "verify", *words])


def codes(path: Path, capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    capsys.readouterr()
    assert verify(path, "--json", *words) == 10
    return [one["code"] for one in json.loads(capsys.readouterr().out)["findings"]]


def test_a_rewound_ledger_is_found(forge: Forge, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify(forge.path) == 0
    git(forge.path, "update-ref", "refs/heads/main", "main~1")
    assert codes(forge.path, capsys) == ["REWOUND"]


def test_a_forked_ledger_is_found(forge: Forge, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify(forge.path) == 0
    git(forge.path, "update-ref", "refs/heads/main", "main~1")
    title(forge)
    assert codes(forge.path, capsys)[0] == "REWOUND"


def test_a_known_url_with_a_fresh_genesis_is_refused(
    forge: Forge, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hub = tmp_path / "hub.git"
    git(tmp_path, "clone", "-q", "--bare", str(forge.path), str(hub))
    clone.clone(str(hub), tmp_path / "reader", None, None)[0].close()
    shutil.rmtree(hub)
    assert main(["init", "--project", "other", "--state-dir", str(tmp_path / "other")]) == 0
    git(tmp_path, "clone", "-q", "--bare", str(tmp_path / "other"), str(hub))
    git(tmp_path, "clone", "-q", str(hub), "second")
    assert codes(tmp_path / "second", capsys)[:2] == ["PIN_MISMATCH"] * 2
    git(tmp_path / "reader", "fetch", "-q", "--force", "origin", "+main:refs/remotes/origin/main")
    assert "PIN_MISMATCH" in codes(tmp_path / "reader", capsys)


def test_a_pin_is_compared(forge: Forge, capsys: pytest.CaptureFixture[str]) -> None:
    genesis = git(forge.path, "rev-list", "--max-parents=0", "main").strip()
    assert verify(forge.path, "--require-pin") == 9
    assert verify(forge.path, "--require-pin", "--pin", genesis[:12]) == 0
    assert verify(forge.path, "--require-pin") == 0
    assert codes(forge.path, capsys, "--pin", "0" * 40) == ["PIN_MISMATCH"]
    assert verify(forge.path, "--pin", "xyz") == 2


def test_a_damaged_pin_is_no_fresh_start(forge: Forge) -> None:
    assert verify(forge.path) == 0
    written = list((Path(os.environ["XDG_STATE_HOME"]) / "opsgit/pins").iterdir())
    assert all(pin.stat().st_mode & 0o777 == 0o600 for pin in written)
    for pin in written:
        pin.write_text("{")
    assert verify(forge.path) == 9


def judging(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Fills with what `verify` builds a judge for."""
    made: list[object] = []
    plain = verifier.Verifier
    monkeypatch.setattr(verifier, "Verifier", lambda *words: made.append(words) or plain(*words))
    return made


def test_while_nothing_changes_the_pin_answers(
    forge: Forge, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verify(forge.path, "--json") == 0
    first = json.loads(capsys.readouterr().out)
    asked = judging(monkeypatch)
    assert verify(forge.path, "--json", "--require-pin", "--pin", first["genesis"][:9]) == 0
    assert json.loads(capsys.readouterr().out) == {**first, "judged": 0, "notices": []}
    assert not asked


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        ("tag", "v1", "main~1"),
        ("update-ref", "refs/elsewhere/x", "main~1"),
        ("pack-refs", "--all"),
        ("checkout", "-q", "--detach", "main~1"),
        ("remote", "add", "hub", "https://example.org/hub.git"),
        ("worktree", "add", "-q", "--detach", "../other", "main~1"),
    ],
    ids=lambda words: words[0],
)
def test_whatever_could_change_the_answer_is_looked_at(
    forge: Forge, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert verify(forge.path) == 0
    git(forge.path, *words)
    asked = judging(monkeypatch)
    assert verify(forge.path) == 0
    assert asked


@pytest.mark.parametrize("place", ["objects/info/alternates", "refs/heads/linked"])
def test_what_lies_elsewhere_is_looked_at_each_time(
    forge: Forge, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = tmp_path / "elsewhere"
    there.mkdir()
    if place.startswith("refs"):
        (forge.path / ".git" / place).symlink_to(there)
    else:
        (forge.path / ".git" / place).write_text(f"{there}\n")
    asked = judging(monkeypatch)
    assert verify(forge.path) == verify(forge.path) == 0
    assert len(asked) == 2


def unsigned(path: Path) -> str:
    """A commit that nobody signed, upon main."""
    return git(path, "-c", "commit.gpgSign=false", "commit-tree", "main^{tree}", "-p", "main", "-m", "evil").strip()


def name(path: Path, target: str, commit: str) -> None:
    (path / ".git" / target).write_text(f"{commit}\n")


DECOYS: dict[str, str] = {
    "a name of its own": "MAIN_HEAD",
    "what was fetched": "FETCH_HEAD",
    "our own corner": "opsgit/main",
}


@pytest.mark.parametrize("decoy", DECOYS)
def test_a_main_that_points_out_of_the_refs_is_looked_at_each_time(
    forge: Forge, decoy: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """`refs/heads/main` as a symbolic ref to a file that nobody would watch."""
    good, evil, place = forge.tip(), unsigned(forge.path), DECOYS[decoy]
    name(forge.path, place, good)
    name(forge.path, "refs/heads/main", f"ref: {place}")
    assert verify(forge.path) == 0
    name(forge.path, place, evil)
    assert codes(forge.path, capsys) == ["BAD_SIGNATURE"]


def test_a_main_that_is_a_link_is_what_git_makes_of_it(forge: Forge, capsys: pytest.CaptureFixture[str]) -> None:
    good, evil, heads = forge.tip(), unsigned(forge.path), forge.path / ".git/refs/heads"
    git(forge.path, "update-ref", "refs/heads/real", good)
    (heads / "refs/heads").mkdir(parents=True)
    name(forge.path, "refs/heads/refs/heads/real", good)  # where the link leads, for who reads files
    (heads / "main").unlink()
    (heads / "main").symlink_to("refs/heads/real")
    assert verify(forge.path) == 0
    git(forge.path, "update-ref", "refs/heads/real", evil)
    assert codes(forge.path, capsys) == ["BAD_SIGNATURE"]
    assert main(["-C", str(forge.path), "task", "list"]) == 6


def test_refs_that_move_meanwhile_are_no_error(forge: Forge, monkeypatch: pytest.MonkeyPatch) -> None:
    assert verify(forge.path) == 0
    (forge.path / ".git/refs/heads/gone.lock").symlink_to("nowhere")
    assert verify(forge.path) == 0
    read = Path.read_bytes

    def gone(path: Path) -> bytes:
        if path.name == "main":
            raise FileNotFoundError(path)
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", gone)
    assert pins.fingerprint(forge.path / ".git") == ""


@pytest.mark.slow
def test_each_url_of_a_remote_is_asked(forge: Forge, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hub = shared(forge, tmp_path)
    for name in ("one", "two"):
        clone.clone(str(hub), tmp_path / name, None, None)[0].close()
    git(tmp_path / "one", "remote", "set-url", "--add", "origin", "https://example.org/mirror.git")
    assert verify(tmp_path / "one") == 0
    title(forge)
    git(forge.path, "push", "-q", str(hub), "main")
    before = git(hub, "rev-parse", "main~1").strip()
    git(tmp_path / "two", "fetch", "-q")
    assert verify(tmp_path / "two") == 0
    git(hub, "update-ref", "refs/heads/main", before)
    git(tmp_path / "one", "fetch", "-q", "origin")
    assert codes(tmp_path / "one", capsys) == ["REWOUND"]


def test_a_commit_graph_hides_nothing(forge: Forge, capsys: pytest.CaptureFixture[str]) -> None:
    """A graph that says that the newest commits have other parents: git believes it, verify does not."""
    at, cut = ["-C", str(forge.path)], forge.tip()
    assert main([*at, "task", "comment", "T-6", "--text", "x", "--as", "dev2"]) == 0
    bad = forge.tip()
    assert main([*at, "agent", "compromise", "dev2", "--since", cut, "--as", "orchestrator"]) == 0
    git(forge.path, "commit-graph", "write", "--reachable")
    graph = forge.path / ".git/objects/info/commit-graph"
    graph.chmod(0o644)
    content = bytearray(graph.read_bytes())
    listed = git(forge.path, "rev-list", "--all").split()
    number = {commit: position for position, commit in enumerate(sorted(listed))}
    record = number[forge.tip()].to_bytes(4, "big"), number[bad].to_bytes(4, "big"), number[cut].to_bytes(4, "big")
    tree = bytes.fromhex(git(forge.path, "rev-parse", "main^{tree}").strip())
    parent = content.index(tree + record[1]) + len(tree)
    content[parent : parent + 4] = record[2]
    graph.write_bytes(bytes(content))
    assert bad not in git(forge.path, "rev-list", "main").split()
    assert codes(forge.path, capsys) == ["COMPROMISED_KEY"]


@pytest.mark.slow
def test_a_task_and_a_remote_of_any_name(forge: Forge, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A task called main has a review branch whose name ends like a ledger's; a remote may have a slash."""
    from tests.attacks.corpus import signed

    at = ["-C", str(forge.path)]
    (tmp_path / "out").write_text("x\n")
    for words in (["add", "--id", "main", "--title", "x", "--assign", "dev", "--as", "boss2"], ["start", "main"], ["submit", "main", "--output", str(tmp_path / "out")]):  # fmt: skip
        assert main([*at, "task", *words]) == 0
    forge.branch("review.sign-off", "dev", "M-1", signed(forge, "dev", 1))
    hub = shared(forge, tmp_path)
    for remote in ("origin", "team/hub"):
        git(tmp_path, "clone", "-q", "-o", remote, str(hub), remote.replace("/", "-"))
        assert codes(tmp_path / remote.replace("/", "-"), capsys) == ["SELF_REVIEW"]
    git(hub, "update-ref", "refs/heads/review/M-1", "review/M-1~1")
    git(tmp_path, "clone", "-q", "-o", "team/hub", str(hub), "good")
    assert verify(tmp_path / "good") == 0


def test_a_cut_off_stays_when_another_is_named(forge: Forge, capsys: pytest.CaptureFixture[str]) -> None:
    at, cut = ["-C", str(forge.path)], forge.tip()
    assert main([*at, "task", "comment", "T-6", "--text", "x", "--as", "dev2"]) == 0
    for since in (cut, forge.tip(), cut):
        code = main([*at, "agent", "compromise", "dev2", "--since", since, "--as", "orchestrator"])
        assert code == 0 or "NOTHING_CHANGES" in capsys.readouterr().err
        assert codes(forge.path, capsys) == ["COMPROMISED_KEY"]


def test_a_parent_that_is_no_id_ends_the_walk(forge: Forge, capsys: pytest.CaptureFixture[str]) -> None:
    tree, who = git(forge.path, "rev-parse", "main^{tree}").strip(), "x <x@x> 1 +0000"
    raw = f"tree {tree}\nparent refs/heads/main\nauthor {who}\ncommitter {who}\n\nx\n"
    made = subprocess.run(["git", "-C", str(forge.path), "hash-object", "-t", "commit", "-w", "--literally", "--stdin"],
                          input=raw.encode(), capture_output=True, check=True).stdout.decode().strip()  # fmt: skip
    name(forge.path, "refs/heads/main", made)
    assert codes(forge.path, capsys)[0] == "BAD_SIGNATURE"
    assert main(["-C", str(forge.path), "task", "list"]) == 6


def test_an_object_without_end_is_not_read(
    forge: Forge, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("opsgit.storage.git.READ_MAX", 100_000)
    managed(forge, {"gates/zeros": b"0" * 100_001})
    assert codes(forge.path, capsys) == ["TOO_LARGE"]


@pytest.mark.slow
def test_a_clone_that_is_behind_is_told_and_one_that_is_shown_less_finds_it(
    forge: Forge, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two clones of one URL: what the second has verified the first has not heard of, until it asks again."""
    hub = shared(forge, tmp_path)
    for name in ("one", "two"):
        clone.clone(str(hub), tmp_path / name, None, None)[0].close()
    before = git(hub, "rev-parse", "main").strip()
    title(forge)
    git(forge.path, "push", "-q", str(hub), "main")
    git(tmp_path / "two", "fetch", "-q")
    assert verify(tmp_path / "two") == 0
    capsys.readouterr()
    assert verify(tmp_path / "one") == 0
    assert "git fetch origin" in capsys.readouterr().err
    git(hub, "update-ref", "refs/heads/main", before)
    git(tmp_path / "one", "fetch", "-q")
    assert codes(tmp_path / "one", capsys) == ["REWOUND"]


def test_replacements_and_grafts_change_nothing(forge: Forge, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = forge.tip(), title(forge, key="dev")
    git(forge.path, "update-ref", "refs/heads/main", good)
    git(forge.path, "replace", good, bad)
    assert verify(forge.path) == 0
    git(forge.path, "replace", "-d", good)
    git(forge.path, "update-ref", "refs/heads/main", bad)
    git(forge.path, "replace", bad, good)
    (forge.path / ".git/info").mkdir(exist_ok=True)
    (forge.path / ".git/info/grafts").write_text(f"{bad}\n")
    (forge.path / ".git/objects").joinpath(good[:2], good[2:]).stat()
    assert codes(forge.path, capsys)[0] in ("REWOUND", "BAD_SIGNATURE")


def test_an_overwritten_object_is_unknown_not_invalid(forge: Forge) -> None:
    blob = git(forge.path, "rev-parse", "main:tasks/t6/T-6.yaml").strip()
    other = git(forge.path, "rev-parse", "main:tasks/t7/T-7.yaml").strip()
    folder = forge.path / ".git/objects"
    victim, source = folder / blob[:2] / blob[2:], folder / other[:2] / other[2:]
    victim.chmod(0o644)
    victim.write_bytes(source.read_bytes())
    assert verify(forge.path) == 9


def test_a_missing_object_and_a_shallow_clone_are_unknown(
    forge: Forge, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    git(tmp_path, "clone", "-q", "--depth", "3", forge.path.as_uri(), "shallow")
    capsys.readouterr()
    assert verify(tmp_path / "shallow") == 9
    assert "INCOMPLETE" in capsys.readouterr().err
    blob = git(forge.path, "rev-parse", "main:tasks/t6/T-6.yaml").strip()
    (forge.path / ".git/objects" / blob[:2] / blob[2:]).unlink()
    assert verify(forge.path) == 9


def test_a_repository_that_lost_its_main_is_said(forge: Forge, capsys: pytest.CaptureFixture[str]) -> None:
    git(forge.path, "update-ref", "-d", "refs/heads/main")
    assert verify(forge.path) == 4
    assert "NOT_A_STATE_REPOSITORY" in capsys.readouterr().err


def test_configuration_and_mailmap_run_and_change_nothing(forge: Forge, tmp_path: Path) -> None:
    evil = tmp_path / "evil"
    evil.write_text(f"#!/bin/sh\ntouch {tmp_path}/pwned\nexit 0\n")
    evil.chmod(0o755)
    for setting in (
        "gpg.ssh.program",
        "core.sshCommand",
        "core.fsmonitor",
        "uploadpack.packObjectsHook",
        "core.pager",
        "core.editor",
    ):
        git(forge.path, "config", setting, str(evil))
    git(forge.path, "config", "extensions.partialClone", "evil")
    git(forge.path, "config", "remote.evil.url", f"ext::{evil}")
    git(forge.path, "config", "remote.evil.promisor", "true")
    (forge.path / ".mailmap").write_text("boss2 <x@x> orchestrator\n")
    assert verify(forge.path) == 0
    assert not (tmp_path / "pwned").exists()


def test_a_range_is_judged_from_what_was_verified(forge: Forge, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify(forge.path, "--range", "main~3..main") == 9
    assert verify(forge.path) == 0
    assert verify(forge.path, "--range", "main~3..main") == 0
    assert verify(forge.path, "--range", "nope..main") == 3
    assert verify(forge.path, "--range", "main") == 2
    title(forge, key="dev")
    assert codes(forge.path, capsys, "--range", "main~2..main") == ["BAD_SIGNATURE"]


def test_nothing_new_is_instant_and_new_commits_alone_are_judged(
    forge: Forge, capsys: pytest.CaptureFixture[str]
) -> None:
    import json

    def judged() -> int:
        capsys.readouterr()
        assert verify(forge.path, "--json") == 0
        return int(json.loads(capsys.readouterr().out)["judged"])

    everything = judged()
    assert everything > 30
    assert judged() == 0
    title(forge)
    assert judged() == 1


def test_a_ratified_commit_of_a_compromised_key_is_no_finding(forge: Forge, capsys: pytest.CaptureFixture[str]) -> None:
    at = ["-C", str(forge.path)]
    cut = forge.tip()
    assert main([*at, "task", "comment", "T-6", "--text", "x", "--as", "dev2"]) == 0
    bad = forge.tip()
    assert main([*at, "agent", "compromise", "dev2", "--since", cut, "--as", "orchestrator"]) == 0
    assert codes(forge.path, capsys) == ["COMPROMISED_KEY"]
    assert main([*at, "task", "comment", "T-6", "--text", "x", "--as", "dev2"]) == 6
    assert main([*at, "agent", "ratify", bad, "--as", "orchestrator"]) == 0
    assert verify(forge.path) == 0
    assert main([*at, "agent", "rotate", "dev2", "--as", "orchestrator"]) == 0
    assert main([*at, "task", "comment", "T-6", "--text", "y", "--as", "dev2"]) == 0
    assert verify(forge.path) == 0


def genesis(forge: Forge) -> str:
    return git(forge.path, "rev-list", "--max-parents=0", "main").strip()


Words = list[str]
HONEST: dict[str, list[Words]] = {
    "comment": [["task", "comment", "T-4", "--text", "x\nOpsgit-Op: y", "--as", "eye"]],
    "progress": [["task", "progress", "T-4", "--text", "half"]],
    "claim": [["task", "claim", "T-5", "--as", "dev2"]],
    "release": [["task", "release", "T-4"]],
    "reassign": [["task", "assign", "T-4", "--to", "dev2", "--as", "boss2"]],
    "edit": [["task", "edit", "T-6", "--title", "x", "--desc", "a\nb", "--tag", "", "--as", "boss2"]],
    "edit by the creator": [["task", "edit", "T-5", "--priority", "low", "--as", "eye"]],
    "approve": [["review", "approve", "T-1", "--as", "qa"]],
    "approve by another": [["review", "approve", "T-1", "--as", "qa2", "--note", "fine\n\nreally"]],
    "reject and rework": [["review", "reject", "T-1", "--as", "qa", "--reason", "no"], ["task", "start", "T-1"]],
    "two stages": [["review", "sign-off", "M-1", "--as", "qa"], ["review", "approve", "M-1", "--as", "qa2"]],
    "withdraw": [["review", "withdraw", "T-1"], ["task", "progress", "T-1", "--text", "x"]],
    "cancel in review": [["review", "comment", "T-1", "--text", "x", "--as", "eye"], ["task", "cancel", "T-1", "--as", "boss2"]],
    "reopen": [["task", "assign", "T-2", "--to", "dev", "--reason", "bug", "--as", "boss2"]],
    "deploy": [["task", "move", "T-2", "--to", "deployed", "--deploy-ref", "v1", "--as", "ship"]],
    "failed deploy": [["project", "set", "deploy.command", "[\"false\"]", "--as", "boss2"], ["task", "move", "T-2", "--to", "deployed", "--as", "ship"]],
    "rollback": [["rollback", "T-3", "--as", "ship"], ["task", "assign", "T-3", "--to", "dev2", "--as", "boss2"]],
    "rollback by alert": [["rollback", "T-3", "--alert", "A-1", "--as", "eye2"]],
    "new agent": [["agent", "add", "new", "--role", "developer", "--email", "n@x.y", "--as", "boss2"], ["task", "claim", "T-5", "--as", "new"]],
    "rotate": [["agent", "rotate", "dev"], ["task", "progress", "T-4", "--text", "x"]],
    "rotate by an orchestrator": [["agent", "rotate", "dev", "--as", "boss2"], ["task", "progress", "T-4", "--text", "x"]],
    "remove": [["agent", "remove", "dev2", "--as", "boss2"]],
    "remove an orchestrator": [["agent", "remove", "orchestrator", "--as", "boss2"], ["task", "cancel", "T-6", "--as", "boss2"]],
    "role": [["project", "set", "roles.webmaster", "[work]", "--as", "boss2"], ["agent", "edit", "dev2", "--role", "webmaster", "--as", "boss2"]],
    "policy": [["project", "set", "idle", "3d", "--as", "boss2"], ["project", "set", "idle", "--unset", "--as", "boss2"]],
    "quota": [["quota", "use", "q", "2", "--as", "dev"], ["quota", "set", "q", "--limit", "9", "--as", "boss2"]],
    "signals": [["metric", "set", "m", "2.5", "--as", "eye"], ["alert", "resolve", "A-1", "--as", "eye2"]],
    "ci": [["ci", "init", "github", "--as", "boss2"], ["ci", "init", "gitlab", "--as", "boss2"]],
    "rejected after a commenter was removed": [["review", "comment", "T-1", "--text", "x", "--as", "dev2"], ["agent", "remove", "dev2", "--as", "boss2"],
        ["review", "reject", "T-1", "--as", "qa", "--reason", "void"], ["task", "start", "T-1"]],
    "withdrawn after a rotation": [["agent", "rotate", "dev"], ["review", "withdraw", "T-1"]],
    "cancelled after the author lost the right": [["agent", "edit", "dev", "--role", "observer", "--as", "boss2"], ["task", "cancel", "T-1", "--as", "boss2"]],
    "approved after a commenter was removed": [["review", "comment", "T-1", "--text", "x", "--as", "dev2"], ["agent", "remove", "dev2", "--as", "boss2"],
        ["review", "approve", "T-1", "--as", "qa"]],
    "approved after a commenter's rotation": [["review", "comment", "T-1", "--text", "x", "--as", "dev2"], ["agent", "rotate", "dev2"],
        ["review", "approve", "T-1", "--as", "qa"]],
    "approved after the author lost the right": [["agent", "edit", "dev", "--role", "observer", "--as", "boss2"], ["review", "approve", "T-1", "--as", "qa"]],
    "approved after a sign-off and a rotation": [["review", "sign-off", "M-1", "--as", "qa"], ["agent", "rotate", "qa"],
        ["review", "approve", "M-1", "--as", "qa2"]],
    "trim": [["task", "trim", "T-4", "--keep", "0", "--as", "boss2"]],
}  # fmt: skip


@pytest.mark.parametrize(
    "name", [n if not i % 8 else pytest.param(n, marks=pytest.mark.slow) for i, n in enumerate(HONEST)]
)
def test_an_honest_history_passes_and_a_server_takes_it(
    name: str, forge: Forge, honest: tuple[Path, Path], tmp_path: Path
) -> None:
    from tests.attacks.test_attacks import judged

    for words in HONEST[name]:
        code = main(["-C", str(forge.path), *words])
        assert code == (5 if name == "failed deploy" and words[0] == "task" else 0), words
    assert verify(forge.path) == 0
    assert judged(Forge(forge.path), honest[0], tmp_path) == []


@pytest.mark.parametrize(
    "loss", [["agent", "edit", "qa", "--role", "observer"], ["agent", "remove", "qa"]], ids=lambda words: words[1]
)
def test_the_command_line_refuses_the_approval_that_verify_would(
    forge: Forge, loss: Words, capsys: pytest.CaptureFixture[str]
) -> None:
    at = ["-C", str(forge.path)]
    assert main([*at, "review", "sign-off", "M-1", "--as", "qa"]) == 0
    assert main([*at, *loss, "--as", "boss2"]) == 0
    before = forge.tip()
    assert main([*at, "review", "approve", "M-1", "--as", "qa2"]) == 5
    assert "APPROVAL_VOID" in capsys.readouterr().err
    assert forge.tip() == before
    assert verify(forge.path) == 0


def test_a_compromised_approval_deploys_nothing_at_any_door(
    forge: Forge, honest: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """T-2 was approved by qa; its key was stolen before that."""
    from tests.attacks.corpus import T2, deployment, sets

    at = ["-C", str(forge.path)]
    assert main([*at, "agent", "compromise", "qa", "--since", genesis(forge), "--as", "orchestrator"]) == 0
    capsys.readouterr()
    assert main([*at, "task", "move", "T-2", "--to", "deployed", "--as", "ship", "--json"]) == 5
    assert json.loads(capsys.readouterr().err)["error"]["code"] == "APPROVAL_VOID"
    forge.act("task.deploy-start", "ship", T2, sets(deployment=deployment(forge)), "T-2: deploying")
    assert "APPROVAL_VOID" in codes(forge.path, capsys)
    assert judged(forge, honest[0], tmp_path) == ["APPROVAL_VOID"]


def test_a_range_ratifies_all_that_a_stolen_key_signed(forge: Forge, capsys: pytest.CaptureFixture[str]) -> None:
    at, cut = ["-C", str(forge.path)], forge.tip()
    for number in range(3):
        assert main([*at, "task", "comment", "T-6", "--text", f"{number}", "--as", "dev2"]) == 0
    assert main([*at, "review", "comment", "T-1", "--text", "too", "--as", "dev2"]) == 0
    assert main([*at, "agent", "compromise", "dev2", "--since", cut, "--as", "orchestrator"]) == 0
    assert codes(forge.path, capsys) == ["COMPROMISED_KEY"] * 4
    assert main([*at, "agent", "ratify", f"{cut}..main", "--undone", "--as", "orchestrator"]) == 0
    assert codes(forge.path, capsys) == ["COMPROMISED_KEY"], "the branch is not part of main"
    assert main([*at, "agent", "ratify", "review/T-1", "--as", "orchestrator"]) == 0
    assert verify(forge.path) == 0
    assert main([*at, "agent", "ratify", f"{cut}..main", "--as", "orchestrator"]) == 0, "accepted after all"
    assert main([*at, "agent", "ratify", f"{genesis(forge)}..{cut}", "--as", "orchestrator"]) == 3


def refounded(
    forge: Forge, changes: Mapping[str, Any], op: str = "project.init", subject: str = "project: founded"
) -> str:
    """The genesis once more with other files, signed by the founder, as the whole ledger; returns its id."""
    root = git(forge.path, "rev-list", "--max-parents=0", "main").strip()
    tree = forge.files(changes, root)
    forge.objects.write()
    edits = tuple(
        Edit(path, content=git(forge.path, "cat-file", "blob", f"{tree}:{path}").encode())
        for path in git(forge.path, "ls-tree", "-r", "--name-only", tree).splitlines()
    )
    text = forge.text(op, "orchestrator", "", subject, edits, names.MAIN, None, "", "")
    for ref in git(forge.path, "for-each-ref", "--format=%(refname)", "refs/heads/review", "refs/opsgit").splitlines():
        git(forge.path, "update-ref", "-d", ref)
    return forge.commit(tree, (), text, "orchestrator", at=forge.time(root))


def founder(forge: Forge, **fields: Any) -> dict[str, bytes]:
    root = git(forge.path, "rev-list", "--max-parents=0", "main").strip()
    path = "agents/orchestrator.yaml"
    return {path: canonical.emit("agent", {**forge.record(path, root), **fields})}


FOUNDINGS: dict[str, Callable[[Forge], str]] = {
    "a task": lambda f: refounded(f, {"tasks/t7/T-7.yaml": canonical.emit("task", f.record("tasks/t7/T-7.yaml"))}),
    "a quota": lambda f: refounded(f, {"quotas/q.yaml": canonical.emit("quota", f.record("quotas/q.yaml"))}),
    "two agents": lambda f: refounded(f, {"agents/dev.yaml": canonical.emit("agent", f.record("agents/dev.yaml"))}),
    "a role for everything": lambda f: refounded(
        f,
        {
            "ops.yaml": git(f.path, "show", "main:ops.yaml").encode() + b"roles:\n  god: [orchestrate, work]\n",
            **founder(f, role="god"),
        },
    ),
    "no README": lambda f: refounded(f, {"README.md": None}),
    "an executable gate": lambda f: refounded(f, {"gates/x": ("100755", b"#!/bin/sh\n")}),
    "another operation": lambda f: refounded(f, {}, "project.set"),
    "another subject": lambda f: refounded(f, {}, subject="T-9: done → deployed"),
    "a founder who is a developer": lambda f: refounded(f, founder(f, role="developer")),
    "a founder without a proof": lambda f: refounded(
        f, founder(f, keys=[{**f.record("agents/orchestrator.yaml")["keys"][0], "proof": "AAAA"}])
    ),
}


def test_the_genesis_made_again_as_it_was_passes(forge: Forge) -> None:
    refounded(forge, {})
    assert verify(forge.path) == 0


@pytest.mark.parametrize(
    "what", [n if not i % 3 else pytest.param(n, marks=pytest.mark.slow) for i, n in enumerate(FOUNDINGS)]
)
def test_a_project_is_founded_by_one_orchestrator_with_the_files_of_init(
    what: str, forge: Forge, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tip = FOUNDINGS[what](forge)
    code = {"a role for everything": "EXCLUSIVE_ROLES"}.get(what, "BAD_GENESIS")
    assert codes(forge.path, capsys)[0] == code
    git(tmp_path, "init", "-q", "--bare", "server.git")
    git(forge.path, "push", "-q", str(tmp_path / "server.git"), "main:refs/heads/incoming")
    git(tmp_path / "server.git", "update-ref", "-d", "refs/heads/incoming")
    server = Repository(tmp_path / "server.git", None)
    found = push.pushed(server, [("0" * 40, tip, names.MAIN)], {}, forge.time(tip) + 1, None)
    server.close()
    assert [one.code for one in found] == [code]


def test_there_are_enough_honest_ones() -> None:
    assert len(HONEST) >= 25


def shared(forge: Forge, tmp_path: Path) -> Path:
    """A bare repository with the honest history."""
    git(tmp_path, "clone", "-q", "--bare", str(forge.path), "shared.git")
    return tmp_path / "shared.git"


@pytest.mark.slow
def test_what_was_verified_of_a_url_is_known_in_every_clone(
    forge: Forge, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hub = shared(forge, tmp_path)
    git(tmp_path, "clone", "-q", str(hub), "one")
    assert verify(tmp_path / "one") == 0
    git(hub, "update-ref", "refs/heads/main", "main~2")
    git(tmp_path, "clone", "-q", str(hub), "two")
    assert codes(tmp_path / "two", capsys) == ["REWOUND"]
    git(tmp_path / "one", "remote", "rename", "origin", "up")
    git(tmp_path / "one", "fetch", "-q", "up", "+refs/heads/*:refs/remotes/up/*")
    assert "REWOUND" in codes(tmp_path / "one", capsys)


def test_open_reviews_are_judged_in_a_fresh_clone(
    forge: Forge, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from tests.attacks.corpus import signed

    forge.branch("review.sign-off", "dev", "M-1", signed(forge, "dev", 1))
    git(tmp_path, "clone", "-q", str(shared(forge, tmp_path)), "reader")
    assert codes(tmp_path / "reader", capsys) == ["SELF_REVIEW"]


@pytest.mark.slow
def test_a_compromise_is_swept_on_every_ledger_and_in_ranges(
    forge: Forge, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hub = shared(forge, tmp_path)
    git(tmp_path, "clone", "-q", str(hub), "reader")
    assert verify(tmp_path / "reader") == 0
    at, cut = ["-C", str(forge.path)], forge.tip()
    assert verify(forge.path) == 0
    assert main([*at, "task", "comment", "T-6", "--text", "x", "--as", "dev2"]) == 0
    assert main([*at, "agent", "compromise", "dev2", "--since", cut, "--as", "orchestrator"]) == 0
    git(forge.path, "push", "-q", str(hub), "main")
    git(tmp_path / "reader", "fetch", "-q")
    assert codes(tmp_path / "reader", capsys) == ["COMPROMISED_KEY"]
    assert codes(forge.path, capsys, "--range", f"{cut}..main") == ["COMPROMISED_KEY"]


@pytest.mark.slow
def test_a_compromise_up_to_now_is_taken_by_a_server(forge: Forge, tmp_path: Path) -> None:
    assert main(["server", "init", str(tmp_path / "hub.git")]) == 0
    assert main(["-C", str(forge.path), "agent", "compromise", "dev2", "--since", "main", "--as", "orchestrator"]) == 0
    git(forge.path, "push", "-q", str(tmp_path / "hub.git"), "main")
    assert verify(forge.path) == 0


def test_what_is_not_of_the_ledger_does_not_stop_verify(forge: Forge) -> None:
    assert main(["-C", str(forge.path), "agent", "compromise", "dev2", "--since", "main", "--as", "orchestrator"]) == 0
    who = {
        "GIT_AUTHOR_NAME": "dev2",
        "GIT_AUTHOR_EMAIL": "x@x",
        "GIT_COMMITTER_NAME": "dev2",
        "GIT_COMMITTER_EMAIL": "x@x",
    }
    tree = git(forge.path, "rev-parse", "main^{tree}").strip()
    loose = git(forge.path, "commit-tree", tree, "-p", "main", "-m", "author dev2 <", env={**os.environ, **who}).strip()
    git(forge.path, "update-ref", "refs/heads/side", loose)
    git(forge.path, "update-ref", "refs/stash", loose)
    subprocess.run([b"git", b"-C", os.fsencode(forge.path), b"update-ref", b"refs/tags/\xff", b"main"], check=True)
    assert verify(forge.path) == 0
    assert verify(forge.path, "--range", "a b..c d") in (3, 9)


SHOWING = ["task add --title x --as boss2", "task list", "dashboard", "agent list", "agent show dev", "whoami", "project show", "deploy trust",
           "review comment M-1 --text x --as eye", "task show M-1", "task next --as qa", "report", "history", "monitor --json"]  # fmt: skip


SPREAD = [
    words.split() if number % 6 == 0 else pytest.param(words.split(), marks=pytest.mark.slow)
    for number, words in enumerate(SHOWING)
]


@pytest.mark.parametrize("words", SPREAD, ids=SHOWING)
def test_nothing_is_built_on_or_shown_of_what_does_not_hold(
    forge: Forge, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    at = ["-C", str(forge.path)]
    assert main([*at, *words]) in (0, 10)
    good = forge.tip()
    title(forge, key="dev")
    for _ in range(2):  # nothing takes it for judged in between
        assert main([*at, *words, "--json"]) == 6
        assert "BAD_SIGNATURE" in capsys.readouterr().err
    git(forge.path, "update-ref", "refs/heads/main", good)
    assert main([*at, *words]) in (0, 10)


@pytest.mark.slow
def test_two_ledgers_of_which_one_is_behind(forge: Forge, tmp_path: Path) -> None:
    """main is ahead of origin/main, both were verified, and a review between them goes on."""
    hub, at = shared(forge, tmp_path), ["-C", str(tmp_path / "one")]
    clone.clone(str(hub), tmp_path / "one", None, None)[0].close()
    (tmp_path / "out").write_text("x\n")
    for words in (["task", "start", "T-6"], ["task", "submit", "T-6", "--output", str(tmp_path / "out")]):
        assert main([*at, *words]) == 0
    assert verify(tmp_path / "one") == 0
    assert main([*at, "review", "comment", "T-6", "--text", "x", "--as", "eye"]) == 0
    assert verify(tmp_path / "one") == 0


def test_the_merged_branch_of_a_round_before_is_nobodys_concern(forge: Forge, tmp_path: Path) -> None:
    hub, at = shared(forge, tmp_path), ["-C", str(forge.path)]
    (tmp_path / "out").write_text("x\n")
    for words in (["review", "withdraw", "T-1"], ["task", "submit", "T-1", "--output", str(tmp_path / "out")]):
        assert main([*at, *words]) == 0
    git(forge.path, "push", "-q", str(hub), "main")  # and the old branch stays
    clone.clone(str(hub), tmp_path / "reader", None, None)[0].close()
    assert verify(tmp_path / "reader") == 0


@pytest.mark.parametrize(
    ("by", "code"), [("dev", "RIGHT_MISSING"), ("orchestrator", "IDENTITY_FIXED")], ids=lambda one: str(one)
)
def test_verify_is_not_blinded_by_a_version_that_nobody_may_name(
    by: str, code: str, forge: Forge, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unknown version after a lawful upgrade is exit 9; in an illegal commit it is a finding, and judging goes on."""
    from tests.attacks.corpus import policy

    policy(forge, b"", "rules", by=by, edit=lambda c: c.replace(b"rules: 1", b"rules: 7"))
    title(forge)
    found = codes(forge.path, capsys)
    assert (found[0], set(found[1:])) == (code, {"UNKNOWN_RULES"})
    judge_in(1000, monkeypatch)
    assert codes(forge.path, capsys) == found, "also if other processes judge what follows"


def test_verify_is_not_blinded_by_a_name_that_is_not_utf_8(forge: Forge, capsys: pytest.CaptureFixture[str]) -> None:
    tip = forge.parsed(forge.tip())
    blob = forge.objects.add("blob", b"x")
    entry = b"100644 \xff\xfe\0" + bytes.fromhex(blob)
    tree = forge.objects.add("tree", forge.objects.need(tip.tree, "tree").content + entry)
    forge.commit(tree, (forge.tip(),), tip.message, "orchestrator", at=forge.time(forge.tip()))
    title(forge)
    assert codes(forge.path, capsys) == ["WRONG_FILE"]


@pytest.mark.parametrize("named", ["nothing", "a blob", "a tree", "a commit"])
@pytest.mark.parametrize("ref", [names.MAIN, "refs/heads/review/T-1"])
def test_a_commit_that_names_an_odd_ledger_is_a_finding(
    forge: Forge, named: str, ref: str, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger = {
        "nothing": "d" * 40, "a blob": git(forge.path, "rev-parse", "main:ops.yaml").strip(),
        "a tree": git(forge.path, "rev-parse", "main^{tree}").strip(), "a commit": forge.tip(),
    }[named]  # fmt: skip
    base = forge.tip() if ref == names.MAIN else forge.tip("review/T-1")
    text = f"T-1: comment\n\nOpsgit-Op: review.comment\nOpsgit-Repo: {forge.identity} {ref}\nOpsgit-Ledger: {ledger}\n"
    tree = git(forge.path, "rev-parse", f"{base}^{{tree}}").strip()
    forge.commit(tree, (base,), f"{text}Opsgit-Id: x\n", "eye", at=forge.time(forge.tip()), ref=ref)
    assert verify(forge.path) == (9 if named == "nothing" and ref != names.MAIN else 10)


def test_a_bad_commit_under_one_that_is_ahead_is_a_finding(forge: Forge, capsys: pytest.CaptureFixture[str]) -> None:
    tip = forge.tip("review/T-1")
    who = ("-c", "user.name=x", "-c", "user.email=x@x")
    message = git(forge.path, "log", "-1", "--format=%B", tip).strip()
    bad = git(forge.path, *who, "commit-tree", f"{tip}^{{tree}}", "-p", tip, "-m", message).strip()
    named = re.sub("Opsgit-Ledger: .*", f"Opsgit-Ledger: {'d' * 40}", message)
    top = git(forge.path, *who, "commit-tree", f"{tip}^{{tree}}", "-p", bad, "-m", named).strip()
    git(forge.path, "update-ref", "refs/heads/review/T-1", top)
    assert codes(forge.path, capsys) == ["BAD_SIGNATURE"]


def test_a_judged_branch_is_not_taken_for_the_review_of_another_task(
    forge: Forge, capsys: pytest.CaptureFixture[str]
) -> None:
    at = ["-C", str(forge.path)]
    assert main([*at, "task", "show", "T-1"]) == 0
    git(forge.path, "update-ref", "refs/heads/review/M-1", "review/T-1")
    before = forge.tip()
    assert main([*at, "review", "sign-off", "M-1", "--as", "qa"]) != 0
    assert forge.tip() == before


def forged_sign_off(forge: Forge, tmp_path: Path, ref: str) -> Path:
    """A plain host that has main, and a sign-off in qa's name that dev signed; the reader's clone has fetched main."""
    from tests.attacks.corpus import signed

    hub = shared(forge, tmp_path)
    git(hub, "update-ref", "-d", "refs/heads/review/M-1")
    git(tmp_path, "clone", "-q", str(hub), "reader")
    bad = forge.branch("review.sign-off", "qa", "M-1", signed(forge, "qa", 1), key="dev")
    git(tmp_path / "reader", "fetch", "-q", str(forge.path), f"{bad}:{ref}")
    return tmp_path / "reader"


def test_a_review_that_was_not_judged_is_not_taken_for_judged(
    forge: Forge, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It arrives before the submission is on main, and is ignored; then main arrives, and it is judged."""
    reader = forged_sign_off(forge, tmp_path, "refs/remotes/origin/review/M-1")
    tip = git(reader, "rev-parse", "main").strip()
    submitted = git(reader, "log", "--format=%H", "--grep=M-1: in-progress", "main").strip()
    for ref in ("refs/heads/main", "refs/remotes/origin/main"):
        git(reader, "update-ref", ref, f"{submitted}~1")
    assert verify(reader) == 0
    for ref in ("refs/heads/main", "refs/remotes/origin/main"):
        git(reader, "update-ref", ref, tip)
    assert codes(reader, capsys) == ["BAD_SIGNATURE"]


def test_a_review_of_a_remote_without_a_ledger_is_judged_by_main(
    forge: Forge, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reader = forged_sign_off(forge, tmp_path, "refs/remotes/second/review/M-1")
    assert codes(reader, capsys) == ["BAD_SIGNATURE"]


def test_a_ref_is_what_its_whole_name_says(forge: Forge, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A tag named refs/heads/main is no main, and a ledger with another genesis than the pinned one is not shown."""
    assert main(["-C", str(forge.path), "verify"]) == 0
    who = ("-c", "user.name=x", "-c", "user.email=x@x", "-c", "commit.gpgSign=false")
    other = git(forge.path, *who, "commit-tree", "main^{tree}", "-m", "x").strip()
    git(forge.path, "update-ref", "refs/tags/refs/heads/gone", other)
    assert Repository((forge.path / ".git").resolve(), forge.path).git.ref("refs/heads/gone") is None
    git(forge.path, "pack-refs", "--all")
    assert Repository((forge.path / ".git").resolve(), forge.path).git.ref("refs/heads/gone") is None
    assert Repository((forge.path / ".git").resolve(), forge.path).git.ref("refs/heads/main") == forge.tip()
    capsys.readouterr()
    git(forge.path, "update-ref", "refs/heads/main", other)
    assert main(["-C", str(forge.path), "task", "list", "--json"]) == 6
    assert json.loads(capsys.readouterr().err)["error"]["code"] == "PIN_MISMATCH"


def test_two_remotes_of_one_relative_path_are_two(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("one", "two"):
        place = tmp_path / name
        place.mkdir()
        init.init(place / "state", name).close()
        git(place, "clone", "-q", "--bare", "state", "hub.git")
        git(place / "state", "remote", "add", "origin", "../hub.git")
        git(place / "state", "fetch", "-q", "origin", "main:refs/remotes/origin/main")
        assert verify(place / "state") == 0


@pytest.mark.parametrize("pin", ["", "a", "xyz1234"])
def test_a_pin_that_fits_any_ledger_is_none(forge: Forge, tmp_path: Path, pin: str) -> None:
    assert main(["clone", str(forge.path), str(tmp_path / "clone"), "--pin", pin]) == 2
    assert main(["-C", str(forge.path), "verify", "--pin", pin]) == 2
    assert not (tmp_path / "clone").exists()
