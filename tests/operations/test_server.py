"""The server over a path, over a real sshd with one key per agent, over http with passwords."""

from __future__ import annotations

import base64
import getpass
import http.server
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from opsgit.cli.main import main
from opsgit.domain.refusals import Refused
from opsgit.storage.repository import Repository
from opsgit.verification import push as push_judge
from opsgit.verification import server as server_door
from tests.conftest import Desk, git


def push(path: Path, where: str, *refs: str, **env: str) -> subprocess.CompletedProcess[str]:
    command = ["git", "-C", str(path), "push", where, *(refs or ("main",))]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **env}, timeout=60)


@pytest.fixture
def hub(desk: Desk, tmp_path: Path) -> Path:
    assert main(["server", "init", str(tmp_path / "hub.git")]) == 0
    return tmp_path / "hub.git"


def evil(desk: Desk) -> None:
    """An unsigned commit on main."""
    (desk.path / "README.md").write_text("mine\n")
    git(desk.path, "-c", "core.hooksPath=/dev/null", "-c", "commit.gpgSign=false", "commit", "-qam", "x")


@pytest.mark.slow
def test_over_a_path(in_review: Desk, hub: Path, tmp_path: Path) -> None:
    assert push(in_review.path, str(hub), "main", "review/T-1").returncode == 0
    in_review.ok("review", "comment", "T-1", "--text", "x", "--as", "qa")
    assert push(in_review.path, str(hub), "review/T-1").returncode == 0
    tip = git(in_review.path, "rev-parse", "review/T-1").strip()
    in_review.ok("review", "approve", "T-1", "--as", "qa")
    assert push(in_review.path, str(hub), "main").returncode == 0
    assert push(in_review.path, str(hub), ":review/T-1").returncode == 0
    assert git(hub, "rev-list", "--count", tip) != ""
    evil(in_review)
    refused = push(in_review.path, str(hub))
    assert refused.returncode != 0
    assert (
        "BAD_SIGNATURE" in refused.stderr
        and "nothing was taken" in refused.stderr
        and "Traceback" not in refused.stderr
    )
    git(tmp_path, "clone", "-q", str(hub), "reader")
    assert main(["-C", str(tmp_path / "reader"), "verify"]) == 0


@pytest.mark.slow
def test_what_no_server_takes(in_review: Desk, hub: Path) -> None:
    assert push(in_review.path, str(hub), "main", "review/T-1").returncode == 0
    before = git(hub, "for-each-ref")
    git(in_review.path, "tag", "v1")
    for refs, code in (
        (("+main~1:main",), "NOT_FAST_FORWARD"),
        ((":main",), "NOT_FAST_FORWARD"),
        ((":review/T-1",), "NOT_FAST_FORWARD"),
        (("+review/T-1~1:review/T-1",), "NOT_FAST_FORWARD"),
        (("v1",), "WRONG_REF"),
        (("main:feature",), "WRONG_REF"),
        (("main:refs/heads/review/a..b.lock",), ""),
        (("main:refs/notes/x",), "WRONG_REF"),
        (("main:refs/opsgit/x",), ""),
    ):
        refused = push(in_review.path, str(hub), *refs)
        assert refused.returncode != 0 and code in refused.stderr, (refs, refused.stderr)
        assert git(hub, "for-each-ref") == before


def test_too_much_and_too_large_are_refused(desk: Desk, hub: Path) -> None:
    (desk.path / "gates").mkdir()
    (desk.path / "gates/big").write_bytes(os.urandom(400_000))
    git(desk.path, "add", "gates/big")
    git(desk.path, "-c", "core.hooksPath=/dev/null", "commit", "-qm", "x")
    refused = push(desk.path, str(hub))
    assert refused.returncode != 0 and "TOO_LARGE" in refused.stderr


@pytest.mark.slow
def test_review_branches_are_taken_for_tasks_in_review_alone(in_review: Desk, hub: Path) -> None:
    """Not for tasks that are not there, nor for a twin of another case, nor without commits of their own."""
    assert push(in_review.path, str(hub), "main", "review/T-1").returncode == 0
    in_review.ok("task", "add", "--title", "two")
    for ref in ("review/T-9", "review/t-1", "review/T-2", "review/main"):
        refused = push(in_review.path, str(hub), "main", f"main:refs/heads/{ref}")
        assert refused.returncode != 0 and "WRONG_REF" in refused.stderr, (ref, refused.stderr)
    many = [f"main:refs/heads/review/X-{number}" for number in range(1001)]
    refused = push(in_review.path, str(hub), *many)
    assert refused.returncode != 0 and "TOO_LARGE" in refused.stderr
    assert git(hub, "for-each-ref", "--format=%(refname)").split() == ["refs/heads/main", "refs/heads/review/T-1"]


@pytest.mark.slow
def test_objects_that_no_ref_reaches_are_not_kept(desk: Desk, hub: Path, tmp_path: Path) -> None:
    assert push(desk.path, str(hub)).returncode == 0
    old = git(desk.path, "rev-parse", "main").strip()
    desk.ok("task", "add", "--title", "two")
    new = git(desk.path, "rev-parse", "main").strip()
    junk = []
    for _ in range(3):
        (tmp_path / "junk").write_bytes(os.urandom(1000))
        junk.append(git(desk.path, "hash-object", "-w", str(tmp_path / "junk")).strip())
    honest = git(desk.path, "rev-list", "--objects", "--no-object-names", f"{old}..{new}").split()

    def send(objects: list[str]) -> subprocess.CompletedProcess[bytes]:
        """Speak the protocol of a push, with these objects in the pack."""
        command = ["git", "-C", str(desk.path), "pack-objects", "--stdout", "-q"]
        pack = subprocess.run(command, input="\n".join(objects).encode(), capture_output=True, check=True).stdout
        line = f"{old} {new} refs/heads/main\0report-status".encode()
        words = b"%04x%s0000" % (len(line) + 4, line) + pack
        return subprocess.run(["git", "receive-pack", str(hub)], input=words, capture_output=True, check=False)

    assert b"TOO_LARGE" in send([*honest, *junk]).stderr
    assert git(hub, "rev-parse", "main").strip() == old
    for one in junk:
        assert subprocess.run(
            ["git", "-C", str(hub), "cat-file", "-e", one], check=False, capture_output=True
        ).returncode
    assert b"TOO_LARGE" not in send(honest).stderr
    assert git(hub, "rev-parse", "main").strip() == new


@pytest.mark.slow
def test_a_push_that_takes_too_long_to_judge_is_refused(desk: Desk, hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(*_: object) -> list[object]:
        time.sleep(30)
        return []

    git(hub, "fetch", "-q", str(desk.path), "main")
    git(hub, "config", "opsgit.judgeSeconds", "1")
    monkeypatch.setattr(push_judge, "pushed", slow)
    start = time.monotonic()
    with pytest.raises(Refused) as refused:
        server_door.judge(hub, [f"{ZERO} {git(desk.path, 'rev-parse', 'main').strip()} refs/heads/main"])
    assert refused.value.refusal.code == "TOO_SLOW"
    assert time.monotonic() - start < 10


SLOW = """
import sys, time
from pathlib import Path
from opsgit.verification import push, server
push.pushed = lambda *words: time.sleep(60)
print("judging", flush=True)
server.judge(Path(sys.argv[1]), [sys.argv[2]], int(sys.argv[3]))
"""


@pytest.mark.slow
def test_the_judge_ends_with_its_pusher_and_keeps_nobody_waiting(desk: Desk, hub: Path) -> None:
    git(hub, "fetch", "-q", str(desk.path), "main")
    line = f"{ZERO} {git(desk.path, 'rev-parse', 'main').strip()} refs/heads/main"
    with subprocess.Popen(["sleep", "60"]) as pusher:
        command = [sys.executable, "-c", SLOW, str(hub), line, str(pusher.pid)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as judge:
            assert judge.stdout and judge.stdout.readline() == b"judging\n"
            start = time.monotonic()
            assert push(desk.path, str(hub)).returncode == 0  # the lock is free while another push is judged
            assert time.monotonic() - start < 10
            pusher.kill()
            pusher.wait()
            assert judge.wait(timeout=10) == 1


@pytest.mark.slow
def test_hostile_pushers_environments_change_nothing(desk: Desk, hub: Path, tmp_path: Path) -> None:
    assert push(desk.path, str(hub)).returncode == 0
    evil(desk)
    (tmp_path / "lib/opsgit").mkdir(parents=True)
    (tmp_path / "lib/opsgit/__init__.py").write_text("raise SystemExit(0)\n")
    (tmp_path / "lib/sitecustomize.py").write_text("import os; os._exit(0)\n")
    hostile = {"PYTHONPATH": str(tmp_path / "lib"), "PYTHONSTARTUP": str(tmp_path / "lib/sitecustomize.py"), "PYTHONHOME": "/nowhere",
               "PYTHONINSPECT": "1", "OPSGIT_DEBUG": "1", "OPSGIT_AGENT": "orchestrator", "OPS_STATE_DIR": "/nowhere",
               "XDG_STATE_HOME": "/nowhere", "XDG_DATA_HOME": "/nowhere", "GIT_GRAFT_FILE": "/nowhere", "GIT_NO_REPLACE_OBJECTS": "0",
               "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "core.hooksPath", "GIT_CONFIG_VALUE_0": "/dev/null"}  # fmt: skip
    together = {name: value for name, value in hostile.items() if name.startswith("GIT_CONFIG")}
    for env in (together, *({name: value} for name, value in hostile.items() if name not in together)):
        refused = push(desk.path, str(hub), **env)
        assert refused.returncode != 0 and "BAD_SIGNATURE" in refused.stderr, (env, refused.stderr)


ZERO = "0" * 40


def raw_push(hub: Path, source: Path, *moves: tuple[str, str, str]) -> str:
    """What receive-pack answers to moves (old, new, ref) as no git would send them."""
    lines = [f"{old} {new} {ref}" for old, new, ref in moves]
    lines[0] += "\0report-status"
    body = b"".join(b"%04x%s" % (len(line) + 4, line.encode()) for line in lines) + b"0000"
    wanted = [new for _, new, _ in moves if new != ZERO]
    if wanted:
        revisions = "\n".join(
            [*wanted, *(f"^{tip}" for tip in git(hub, "for-each-ref", "--format=%(objectname)").split())]
        )
        packing = ["git", "-C", str(source), "pack-objects", "--revs", "--stdout", "-q"]
        body += subprocess.run(packing, input=revisions.encode() + b"\n", capture_output=True, check=True).stdout
    done = subprocess.run(["git", "receive-pack", str(hub)], input=body, capture_output=True, check=False, timeout=60)
    return (done.stdout + done.stderr).decode(errors="replace")


def unsigned(path: Path) -> str:
    """A commit that nobody signed, upon main."""
    return git(path, "-c", "commit.gpgSign=false", "commit-tree", "main^{tree}", "-p", "main", "-m", "evil").strip()


@pytest.mark.slow
def test_a_push_is_judged_by_what_is_there_and_not_by_what_it_says(in_review: Desk, hub: Path) -> None:
    assert push(in_review.path, str(hub), "main", "review/T-1").returncode == 0
    tips = [git(hub, "rev-parse", ref).strip() for ref in ("main", "review/T-1")]
    bad, main_, review = unsigned(in_review.path), "refs/heads/main", "refs/heads/review/T-1"
    for moves, code in (
        (((tips[0], bad, main_), (tips[0], tips[0], main_)), "WRONG_REF"),  # one ref twice: git moves it by the first
        (((bad, bad, main_), (tips[1], ZERO, review)), "NOT_FAST_FORWARD"),  # an old value that is not there
        (((ZERO, bad, main_), (tips[1], tips[0], review)), "NOT_FAST_FORWARD"),
        (((tips[0], bad, main_),), "BAD_SIGNATURE"),
        (((tips[1], ZERO, review),), "NOT_FAST_FORWARD"),
    ):
        said = raw_push(hub, in_review.path, *moves)
        assert code in said and "Traceback" not in said, said
        assert [git(hub, "rev-parse", ref).strip() for ref in ("main", "review/T-1")] == tips


@pytest.mark.slow
def test_a_verdict_does_not_rewind_the_review_in_the_same_push(in_review: Desk, hub: Path, tmp_path: Path) -> None:
    push(in_review.path, str(hub), "main", "review/T-1")
    late = Desk(tmp_path / "late", in_review.capsys)
    shutil.copytree(in_review.path, late.path, symlinks=True)
    in_review.ok("review", "comment", "T-1", "--text", "wait: it fails", "--as", "eye")
    assert push(in_review.path, str(hub), "review/T-1").returncode == 0
    old = git(late.path, "rev-parse", "review/T-1").strip()
    late.ok("review", "approve", "T-1", "--as", "qa")
    before = git(hub, "for-each-ref")
    refused = push(late.path, str(hub), "main", f"+{old}:refs/heads/review/T-1")
    assert refused.returncode != 0 and "BAD_MERGE" in refused.stderr
    assert git(hub, "for-each-ref") == before


@pytest.mark.slow
def test_a_whole_round_after_the_other_in_one_push(in_review: Desk, hub: Path, tmp_path: Path) -> None:
    """A verdict, the next submission and its words, all new to the server; the review before main."""
    push(in_review.path, str(hub), "main", "review/T-1")
    in_review.ok("review", "reject", "T-1", "--as", "qa", "--reason", "no")
    in_review.ok("task", "start", "T-1")
    (tmp_path / "better").write_text("better\n")
    in_review.ok("task", "submit", "T-1", "--output", str(tmp_path / "better"))
    done = push(in_review.path, str(hub), "+review/T-1", "main")
    assert done.returncode == 0, done.stderr
    in_review.ok("review", "approve", "T-1", "--as", "qa")
    done = push(in_review.path, str(hub), "main", ":review/T-1")
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_a_later_round_does_not_wait_for_the_branch_of_the_first(in_review: Desk, hub: Path, tmp_path: Path) -> None:
    """The server still has that branch; main alone brings the end of both rounds."""
    push(in_review.path, str(hub), "main", "review/T-1")
    in_review.ok("review", "reject", "T-1", "--as", "qa", "--reason", "no")
    in_review.ok("task", "start", "T-1")
    (tmp_path / "better").write_text("better\n")
    in_review.ok("task", "submit", "T-1", "--output", str(tmp_path / "better"))
    in_review.ok("review", "approve", "T-1", "--as", "qa")
    done = push(in_review.path, str(hub), "main")
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_pushes_are_judged_and_taken_one_at_a_time(in_review: Desk, hub: Path, tmp_path: Path) -> None:
    """A verdict and a comment at once: each alone is fine, but the verdict would leave the comment out."""
    push(in_review.path, str(hub), "main", "review/T-1")
    late = Desk(tmp_path / "late", in_review.capsys)
    shutil.copytree(in_review.path, late.path, symlinks=True)
    in_review.ok("review", "comment", "T-1", "--text", "wait: it fails", "--as", "eye")
    late.ok("review", "approve", "T-1", "--as", "qa")
    slow = hub / "hooks/update"  # after our judgement, before the refs move
    slow.write_text("#!/bin/sh\nsleep 1\n")
    slow.chmod(0o755)
    command = ["git", "-C", str(in_review.path), "push", "-q", str(hub), "review/T-1"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as first:
        time.sleep(0.5)
        second = push(late.path, str(hub))
    assert sorted([first.returncode == 0, second.returncode == 0]) == [False, True]
    assert "BAD_MERGE" in second.stderr or second.returncode == 0


@pytest.mark.slow
def test_who_lost_the_key_adds_no_words_to_a_review(in_review: Desk, hub: Path, tmp_path: Path) -> None:
    """By naming an older ledger, a removed agent could still speak; what a first push brings is history."""
    in_review.ok("review", "comment", "T-1", "--text", "before", "--as", "eye")
    late = Desk(tmp_path / "late", in_review.capsys)
    shutil.copytree(in_review.path, late.path, symlinks=True)
    in_review.ok("agent", "remove", "eye")
    assert push(in_review.path, str(hub), "main", "review/T-1").returncode == 0
    late.ok("review", "comment", "T-1", "--text", "after", "--as", "eye")
    refused = push(late.path, str(hub), "review/T-1")
    assert refused.returncode != 0 and "WORDS_VOID" in refused.stderr
    in_review.ok("review", "comment", "T-1", "--text", "fine", "--as", "qa")
    assert push(in_review.path, str(hub), "review/T-1").returncode == 0
    merged = git(in_review.path, "rev-parse", "review/T-1").strip()
    in_review.ok("review", "reject", "T-1", "--as", "qa", "--reason", "void")
    done = push(in_review.path, str(hub), "main", ":review/T-1")
    assert done.returncode == 0, done.stderr
    again = push(in_review.path, str(hub), f"{merged}:refs/heads/review/T-1")
    assert again.returncode != 0 and "WRONG_REF" in again.stderr  # the review has ended: nobody speaks any more


@pytest.mark.slow
def test_a_new_round_is_not_taken_for_more_of_the_last(in_review: Desk, hub: Path, tmp_path: Path) -> None:
    """The server still has the longer branch of the round before when a removed agent speaks in the next."""
    for number in range(3):
        in_review.ok("review", "comment", "T-1", "--text", f"{number}", "--as", "qa")
    assert push(in_review.path, str(hub), "main", "review/T-1").returncode == 0
    in_review.ok("review", "withdraw", "T-1")
    (tmp_path / "better").write_text("better")
    in_review.ok("task", "submit", "T-1", "--output", str(tmp_path / "better"))
    late = Desk(tmp_path / "late", in_review.capsys)
    shutil.copytree(in_review.path, late.path, symlinks=True)
    in_review.ok("agent", "remove", "eye")
    assert push(in_review.path, str(hub), "main").returncode == 0
    late.ok("review", "comment", "T-1", "--text", "after", "--as", "eye")
    refused = push(late.path, str(hub), "+review/T-1")
    assert refused.returncode != 0 and "WORDS_VOID" in refused.stderr


@pytest.mark.slow
def test_words_of_an_agent_that_comes_with_them(in_review: Desk, hub: Path) -> None:
    """The server learns of the agent by the same push that ends the review."""
    push(in_review.path, str(hub), "main", "review/T-1")
    in_review.ok("agent", "add", "new", "--role", "observer")
    in_review.ok("review", "comment", "T-1", "--text", "x", "--as", "new")
    in_review.ok("review", "approve", "T-1", "--as", "qa")
    done = push(in_review.path, str(hub), "main")
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_who_does_not_listen_does_not_stop_the_others(desk: Desk, hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_door, "HELD_MAX", 0.3)
    tip = git(desk.path, "rev-parse", "main").strip()
    git(hub, "fetch", "-q", str(desk.path), "main")
    with subprocess.Popen(["sleep", "30"]) as lingering:
        start = time.monotonic()
        for _ in range(2):
            assert server_door.judge(hub, [f"{ZERO} {tip} refs/heads/main"], lingering.pid) == []
        assert 0.2 < time.monotonic() - start < 10
        lingering.kill()
    git(hub, "update-ref", "refs/heads/main", tip)
    assert "not there to be deleted" in raw_push(hub, desk.path, (ZERO, ZERO, "refs/heads/review/T-9"))


def test_a_review_without_its_ledger_is_refused(in_review: Desk, hub: Path) -> None:
    refused = push(in_review.path, str(hub), "review/T-1")
    assert refused.returncode != 0 and "WRONG_REF" in refused.stderr


@pytest.mark.parametrize("ref", ["refs/heads/main", "refs/heads/review/T-1"])
def test_what_lies_ahead_of_the_servers_clock_is_refused(in_review: Desk, hub: Path, ref: str) -> None:
    """On the ledger, and on a review branch: no more than five minutes."""
    main_, tip = git(in_review.path, "rev-parse", "main").strip(), git(in_review.path, "rev-parse", ref).strip()
    git(hub, "fetch", "-q", str(in_review.path), "main", "review/T-1")
    if ref != "refs/heads/main":
        git(hub, "update-ref", "refs/heads/main", main_)
    when = int(git(in_review.path, "log", "-1", "--format=%ct", ref))
    server = Repository(hub, None)
    for ahead, codes in ((301, ["AHEAD_OF_TIME"]), (300, [])):
        found = push_judge.pushed(server, [(ZERO, tip, ref)], {}, when - ahead, None)
        assert [one.code for one in found] == codes
    server.close()


@pytest.mark.slow
def test_nobody_speaks_in_a_review_that_has_ended(in_review: Desk, hub: Path, tmp_path: Path) -> None:
    push(in_review.path, str(hub), "main", "review/T-1")
    late = Desk(tmp_path / "late", in_review.capsys)
    shutil.copytree(in_review.path, late.path, symlinks=True)
    in_review.ok("review", "approve", "T-1", "--as", "qa")
    assert push(in_review.path, str(hub), "main", ":review/T-1").returncode == 0
    late.ok("review", "comment", "T-1", "--text", "wait", "--as", "eye")
    refused = push(late.path, str(hub), "review/T-1")
    assert refused.returncode != 0 and "WRONG_REF" in refused.stderr


def test_no_configuration_of_the_pusher_sends_git_past_the_hook(desk: Desk, hub: Path, tmp_path: Path) -> None:
    assert push(desk.path, str(hub)).returncode == 0
    evil(desk)
    (tmp_path / "pusher").mkdir()
    (tmp_path / "pusher/.gitconfig").write_text(f"[core]\n\thooksPath = {tmp_path}/none\n")
    refused = push(desk.path, str(hub), HOME=str(tmp_path / "pusher"))
    assert refused.returncode != 0 and "BAD_SIGNATURE" in refused.stderr


def test_an_existing_hook_goes_on_to_be_called(desk: Desk, tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "--bare", "-b", "main", "old.git")
    hook = tmp_path / "old.git/hooks/pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\n# called before opsgit server judge\ncat > {tmp_path}/seen\n")
    hook.chmod(0o755)
    for _ in range(2):
        assert main(["server", "install", str(tmp_path / "old.git")]) == 0
    assert push(desk.path, str(tmp_path / "old.git")).returncode == 0
    assert "refs/heads/main" in (tmp_path / "seen").read_text()
    evil(desk)
    assert push(desk.path, str(tmp_path / "old.git")).returncode != 0


def test_no_hook_is_overwritten_and_only_a_bare_repository_is_a_server(desk: Desk, tmp_path: Path) -> None:
    for place in (desk.path / ".git", desk.path, tmp_path / "nothing", tmp_path):
        assert main(["server", "install", str(place), "--json"]) == 3
        assert '"NO_REPOSITORY"' in desk.capsys.readouterr().err
    git(tmp_path, "init", "-q", "--bare", "-b", "main", "old.git")
    hooks = tmp_path / "old.git/hooks"
    hooks.mkdir(exist_ok=True)
    for name in ("pre-receive", "pre-receive.chained"):
        (hooks / name).write_text(f"#!/bin/sh\n# {name} of opsgit's users\n")
    desk.capsys.readouterr()
    assert main(["server", "install", str(tmp_path / "old.git"), "--json"]) == 5
    assert "WRONG_FILE" in desk.capsys.readouterr().err
    assert [(hooks / name).read_text().split()[2] for name in ("pre-receive", "pre-receive.chained")] == [
        "pre-receive", "pre-receive.chained"
    ]  # fmt: skip


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def sshd(hub: Path, tmp_path: Path) -> Iterator[int]:
    """A real sshd on 127.0.0.1 whose authorized_keys say which agent each key is."""
    if not Path("/usr/sbin/sshd").exists():
        pytest.skip("needs sshd (Debian's openssh-server)")
    box = tmp_path / "sshd"
    box.mkdir()
    for name in ("host", "dev", "qa"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(box / name)], check=True)
    keys = ((name, (box / f"{name}.pub").read_text().strip()) for name in ("dev", "qa"))
    (box / "authorized").write_text(
        "".join(f'restrict,environment="OPSGIT_PUSHER={name}" {key}\n' for name, key in keys)
    )
    port = free_port()
    (box / "config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {box}/host\nAuthorizedKeysFile {box}/authorized\nPidFile {box}/pid\n"
        "StrictModes no\nUsePAM no\nPasswordAuthentication no\nPermitUserEnvironment OPSGIT_PUSHER\nPermitRootLogin yes\n"
    )
    Path("/run/sshd").mkdir(exist_ok=True)
    command = ["/usr/sbin/sshd", "-D", "-e", "-f", str(box / "config")]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as server:
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield port
        server.terminate()


@pytest.mark.slow
def test_over_ssh_with_one_key_per_agent(desk: Desk, hub: Path, sshd: int, tmp_path: Path) -> None:
    assert push(desk.path, str(hub)).returncode == 0
    git(hub, "config", "opsgit.pusherVariable", "OPSGIT_PUSHER")
    url = f"ssh://{getpass.getuser()}@127.0.0.1:{sshd}{hub}"

    def by(name: str) -> subprocess.CompletedProcess[str]:
        ssh = f"ssh -i {tmp_path}/sshd/{name} -o IdentitiesOnly=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o BatchMode=yes"
        return push(desk.path, url, GIT_SSH_COMMAND=ssh, OPSGIT_PUSHER="qa")

    desk.ok("task", "add", "--title", "t", "--as", "dev")
    wrong = by("qa")
    assert wrong.returncode != 0 and "WRONG_PUSHER" in wrong.stderr, wrong.stderr
    right = by("dev")
    assert right.returncode == 0, right.stderr


class Backend(http.server.BaseHTTPRequestHandler):
    """Basic authentication in front of the real `git http-backend`."""

    root: Path
    users = {"dev": "secret", "qa": "geheim"}

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self.serve()

    def do_POST(self) -> None:
        self.serve()

    def serve(self) -> None:
        given = base64.b64decode(self.headers.get("Authorization", "Basic ").removeprefix("Basic ")).decode()
        user, _, password = given.partition(":")
        if self.users.get(user) != password:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="ops"')
            self.end_headers()
            return
        path, _, query = self.path.partition("?")
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length) if length else self.chunks()
        env = {"PATH": os.environ["PATH"], "GIT_PROJECT_ROOT": str(self.root), "GIT_HTTP_EXPORT_ALL": "1", "PATH_INFO": path,
               "QUERY_STRING": query, "REQUEST_METHOD": self.command, "CONTENT_TYPE": self.headers.get("Content-Type", ""),
               "REMOTE_USER": user, "CONTENT_LENGTH": str(len(body)), "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
               "GIT_PROTOCOL": self.headers.get("Git-Protocol", "")}  # fmt: skip
        done = subprocess.run(["git", "http-backend"], input=body, env=env, capture_output=True, check=False)
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        lines = [line.decode().split(": ", 1) for line in head.split(b"\r\n")]
        status = next((int(value.split()[0]) for name, value in lines if name == "Status"), 200)
        self.send_response(status)
        for name, value in lines:
            if name != "Status":
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def chunks(self) -> bytes:
        """The body of a chunked request."""
        body = b""
        if "chunked" in (self.headers.get("Transfer-Encoding") or ""):
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        return body


@pytest.mark.slow
def test_over_http_with_passwords(desk: Desk, hub: Path) -> None:
    assert push(desk.path, str(hub)).returncode == 0
    git(hub, "config", "opsgit.pusherVariable", "REMOTE_USER")
    handler = type("Here", (Backend,), {"root": hub.parent})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        desk.ok("task", "add", "--title", "t", "--as", "dev")
        url = f"http://{{}}@127.0.0.1:{server.server_address[1]}/hub.git"
        quiet = {"GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "/bin/true"}
        assert push(desk.path, url.format("dev:wrong"), **quiet).returncode != 0
        wrong = push(desk.path, url.format("qa:geheim"), **quiet)
        assert wrong.returncode != 0 and "WRONG_PUSHER" in wrong.stderr, wrong.stderr
        right = push(desk.path, url.format("dev:secret"), **quiet)
        assert right.returncode == 0, right.stderr
    finally:
        server.shutdown()
        server.server_close()


REFS = "refs/opsgit/deliverables/"


def tree_of(path: Path, **files: str) -> str:
    """A tree of files, as an attachment is one."""
    lines = []
    for name, text in files.items():
        blob = git(path, "hash-object", "-w", "--stdin", input=text).strip()
        lines.append(f"100644 blob {blob}\t{name}\n")
    return git(path, "mktree", input="".join(lines)).strip()


@pytest.mark.slow
def test_attachments_that_no_server_takes(in_review: Desk, hub: Path, output: Path) -> None:
    good = git(in_review.path, "rev-parse", f"{REFS}T-1/1").strip()
    done = push(in_review.path, str(hub), "main", "review/T-1", f"{REFS}T-1/1")
    assert done.returncode == 0, done.stderr
    (output / "main.py").write_text("print('other')\n")
    in_review.ok("review", "revise", "T-1", "--output", str(output))
    other = tree_of(in_review.path, a="not what was submitted")
    before = git(hub, "for-each-ref")
    for spec, code in (
        (f"{other}:{REFS}T-1/1", "ATTACHMENT_UNFIT"),  # replaced later
        (f":{REFS}T-1/1", "ATTACHMENT_UNFIT"),  # removed while it is needed
        (f"{other}:{REFS}T-1/1.1", "ATTACHMENT_UNFIT"),  # not the digest
        (f"{good}:{REFS}T-1/1.1", "ATTACHMENT_UNFIT"),  # the version before
        (f"{good}:{REFS}T-1/2", "ATTACHMENT_UNFIT"),  # another round
        (f"{good}:{REFS}T-9/1", "ATTACHMENT_UNFIT"),  # another task
        (f"main:{REFS}T-1/1.1", "ATTACHMENT_UNFIT"),  # no tree
        (f"{good}:{REFS}T-1/x", "WRONG_REF"),
        (f"{good}:refs/opsgit/other", "WRONG_REF"),
    ):
        refused = push(in_review.path, str(hub), "main", "review/T-1", f"+{spec}".replace("+:", ":"))
        assert refused.returncode != 0 and code in refused.stderr, (spec, refused.stderr)
        assert git(hub, "for-each-ref") == before
    done = push(in_review.path, str(hub), "main", "review/T-1", f"{REFS}T-1/1.1")
    assert done.returncode == 0, done.stderr
    refused = push(in_review.path, str(hub), f":{REFS}T-1/1.1")
    assert refused.returncode != 0 and "ATTACHMENT_UNFIT" in refused.stderr


@pytest.mark.slow
def test_the_servers_policy_limits_attachments(in_review: Desk, hub: Path, output: Path) -> None:
    """The submission was attached within other limits; the server asks those of the ledger as it is now."""
    in_review.ok("project", "set", "deliverables.size", "3")
    refused = push(in_review.path, str(hub), "main", "review/T-1", f"{REFS}T-1/1")
    assert refused.returncode != 0 and "TOO_LARGE" in refused.stderr
    in_review.ok("project", "set", "deliverables.size", "5")
    done = push(in_review.path, str(hub), "main", "review/T-1", f"{REFS}T-1/1")
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_an_attachment_without_its_ledger_is_refused(in_review: Desk, hub: Path) -> None:
    refused = push(in_review.path, str(hub), f"{REFS}T-1/1")
    assert refused.returncode != 0 and "WRONG_REF" in refused.stderr
