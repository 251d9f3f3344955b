"""A review as a pull request: attachments, threads, differences, and a verdict on what was seen."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path

import pytest

from opsgit.cli.main import main
from opsgit.domain.refusals import Refused
from opsgit.verification import attachments
from tests.conftest import Desk, git
from tests.operations.test_clones import clone

REFS = "refs/opsgit/deliverables/"


def attached(place: Path) -> list[str]:
    return [ref.removeprefix(REFS) for ref in git(place, "for-each-ref", "--format=%(refname)", REFS).split()]


@pytest.fixture
def team(desk: Desk, tmp_path: Path) -> dict[str, Desk]:
    """Clones of a server for dev, qa, qa2, ship and eye. The deliverable is made where only dev works."""
    hub = tmp_path / "hub.git"
    assert main(["server", "init", str(hub)]) == 0
    git(desk.path, "remote", "add", "origin", str(hub))
    desk.ok("agent", "add", "qa2", "--role", "reviewer")
    return {name: clone(desk, hub, name) for name in ("dev", "qa", "qa2", "ship", "eye")}


def made(folder: Path, **files: str) -> Path:
    """A deliverable; what was there before is gone."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


@pytest.mark.slow
def test_the_whole_conversation(desk: Desk, team: dict[str, Desk], tmp_path: Path) -> None:
    """On machines that share no path: from the submission to the deployment, and no word is lost."""
    dev, qa, qa2, ship = (team[name] for name in ("dev", "qa", "qa2", "ship"))
    out, ran = tmp_path / "only-here", tmp_path / "ran"
    desk.ok("project", "set", "deploy.command", json.dumps(["sh", "-c", f'cat "$OPSGIT_DELIVERABLE"/a.py > {ran}']))
    desk.ok("task", "add", "--title", "build", "--assign", "dev", "--pipeline", "developer→reviewer*2→deployer")
    dev.ok("task", "start", "T-1")
    dev.ok("task", "submit", "T-1", "--output", str(made(out, **{"a.py": "one\ntwo\n"})), "--note", "please look")
    shutil.rmtree(out)
    assert qa.ok("review", "list", "--json").json["reviews"][0]["waiting_for"] == "reviewer"
    seen = qa.ok("review", "show", "T-1", "--json").json
    assert seen["deliverable"]["files"] == {"a.py": 8} and seen["deliverable"]["here"] == "missing"
    assert "+two" in qa.ok("review", "diff", "T-1").out
    qa.ok("review", "comment", "T-1", "--text", "why two?", "--blocking", "--at", "a.py:2")
    qa.ok("review", "reject", "T-1", "--reason", "not yet")
    dev.ok("task", "start", "T-1")
    dev.ok("task", "submit", "T-1", "--output", str(made(out, **{"a.py": "one\nzwei\n"})), "--note", "mended")
    dev.ok("review", "comment", "T-1", "--text", "now zwei", "--reply-to", "1-1")
    dev.ok("review", "revise", "T-1", "--output", str(made(out, **{"a.py": "one\nzwo\n", "b.bin": "\0\1"})))
    shutil.rmtree(out)
    said = qa2.ok("review", "diff", "T-1", "--rounds", "1..2.1").out
    assert "-two\n+zwo" in said and "not text: b.bin  not there → 2 bytes" in said
    assert "-zwei\n+zwo" in qa2.ok("review", "diff", "T-1").out
    qa2.ok("review", "show", "T-1")
    qa2.ok("review", "sign-off", "T-1")
    assert qa.run("review", "approve", "T-1", "--json").code == "STALE", "qa has seen the first round only"
    qa.ok("review", "diff", "T-1")
    refused = qa.run("review", "approve", "T-1", "--json")
    assert (refused.exit, refused.code) == (5, "THREAD_OPEN")
    qa.ok("review", "resolve", "T-1", "1-1")
    qa.ok("review", "approve", "T-1", "--note", "fine")
    assert attached(ship.path) == []
    ship.ok("sync")
    ship.ok("deploy", "trust")
    ship.ok("task", "move", "T-1", "--to", "deployed")
    assert ran.read_text() == "one\nzwo\n"
    fresh = tmp_path / "fresh"
    git(tmp_path, "clone", "-q", str(tmp_path / "hub.git"), "fresh")
    git(fresh, "fetch", "-q", "origin", f"{REFS}*:{REFS}*")
    assert attached(fresh) == ["T-1/1", "T-1/2", "T-1/2.1"]
    assert main(["-C", str(fresh), "verify"]) == 0
    story = git(fresh, "log", "--graph", "--format=%s", "main")
    assert story.count("*   T-1: review → ") == 2 and "| * T-1: revise" in story
    page = ship.ok("task", "show", "T-1").out
    for words in (
        "please look",
        "why two?",
        "not yet",
        "mended",
        "now zwei",
        "resolved by qa",
        "signed off by qa2",
        "fine",
    ):
        assert words in page, words
    steps = [entry.get("said") for entry in ship.ok("history", "T-1", "--json").json["history"]]
    assert [one for one in steps if one] == [
        "commented", "commented", "revised", "signed off", "resolved",
    ]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("end", ["reject", "withdraw", "cancel"])
def test_no_word_is_lost_however_a_round_ends(in_review: Desk, output: Path, end: str) -> None:
    in_review.ok("review", "comment", "T-1", "--text", "a question", "--as", "eye")
    words = {"reject": ("--as", "qa", "--reason", "no"), "withdraw": (), "cancel": ()}[end]
    in_review.ok("task" if end == "cancel" else "review", end, "T-1", *words)
    if end != "cancel":
        in_review.ok(
            *(("task", "start", "T-1") if end == "reject" else ("task", "comment", "T-1", "--text", "x", "--as", "dev"))
        )
        (output / "more.txt").write_text("more")
        in_review.ok("task", "submit", "T-1", "--output", str(output), "--note", "once more")
        in_review.ok("review", "comment", "T-1", "--text", "second", "--as", "eye")
        in_review.ok("review", "approve", "T-1", "--as", "qa")
    page = in_review.ok("task", "show", "T-1").out
    assert "a question" in page
    assert end == "cancel" or (
        "once more" in page and "second" in page and page.index("a question") < page.index("second")
    )


def test_a_verdict_is_on_what_was_seen(in_review: Desk, output: Path) -> None:
    in_review.ok("review", "show", "T-1", "--as", "qa")
    (output / "main.py").write_text("print('other')\n")
    in_review.ok("review", "revise", "T-1", "--output", str(output))
    for words in (("approve",), ("reject",), ("check", "--name", "tests", "--status", "pass")):
        refused = in_review.run("review", words[0], "T-1", *words[1:], "--as", "qa", "--note", "n", "--json")
        assert (refused.exit, refused.code) == (7, "STALE")
        assert "round 1; it is 1.1 now: " in refused.err and "main.py" in refused.err
    in_review.ok("review", "show", "T-1", "--as", "qa")
    in_review.ok("review", "approve", "T-1", "--as", "qa")


@pytest.mark.slow
def test_who_never_looked_is_not_asked_what_was_seen(in_review: Desk, output: Path) -> None:
    in_review.ok("review", "show", "T-1", "--as", "eye")
    (output / "main.py").write_text("print('other')\n")
    in_review.ok("review", "revise", "T-1", "--output", str(output))
    in_review.ok("review", "approve", "T-1", "--as", "qa")


def started(desk: Desk) -> None:
    desk.ok("task", "add", "--title", "t", "--assign", "dev")
    desk.ok("task", "start", "T-1")


def odd(kind: str, folder: Path) -> None:
    """Make a deliverable that is not attached."""
    if kind == "too many files":
        for number in range(5000):
            (folder / str(number)).touch()
    elif kind == "too large":
        with open(folder / "large", "wb") as file:
            file.truncate(100 * 1024 * 1024)
    elif kind == "a symlink":
        (folder / "link").symlink_to("a")
    elif kind == "a device":
        os.mkfifo(folder / "pipe")
    elif kind == "a newline":
        (folder / "a\nb").touch()
    elif kind == "not UTF-8":
        (Path(os.fsdecode(os.fsencode(folder) + b"/\xff"))).touch()
    elif kind == "case":
        (folder / "A").touch()
    elif kind == "case of folders":
        for name in ("D", "d"):
            (folder / name).mkdir()
            (folder / name / name).touch()
    else:
        (folder / ".git").mkdir()
        (folder / ".git/config").touch()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("too many files", "DELIVERABLE_TOO_LARGE"),
        ("too large", "DELIVERABLE_TOO_LARGE"),
        ("a symlink", "DELIVERABLE_UNSAFE"),
        ("a device", "DELIVERABLE_UNSAFE"),
        ("a newline", "DELIVERABLE_UNSAFE"),
        ("not UTF-8", "DELIVERABLE_UNSAFE"),
        ("case", "DELIVERABLE_UNSAFE"),
        ("case of folders", "DELIVERABLE_UNSAFE"),
        ("git's own folder", "DELIVERABLE_UNSAFE"),
    ],
)
def test_what_is_not_attached(desk: Desk, tmp_path: Path, kind: str, code: str) -> None:
    started(desk)
    folder = made(tmp_path / "out", a="x")
    odd(kind, folder)
    assert desk.refused("task", "submit", "T-1", "--output", str(folder), "--attach") == code
    if code == "DELIVERABLE_TOO_LARGE":  # the policy attaches what fits; the rest is bound by its digest, and said
        assert "not attached" in desk.ok("task", "submit", "T-1", "--output", str(folder)).err
        assert attached(desk.path) == []
        assert desk.ok("review", "show", "T-1", "--json").json["deliverable"]["here"] == "same"
        refused = desk.run("review", "diff", "T-1", "--json")
        assert refused.code == "DELIVERABLE_MISSING"
    else:
        assert desk.refused("task", "submit", "T-1", "--output", str(folder)) == code


@pytest.mark.slow
def test_a_deliverable_that_changes_while_it_is_read(desk: Desk, output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from opsgit.storage import deliverable

    started(desk)
    real = deliverable.chunks

    def meanwhile(path: Path) -> object:
        yield from real(path)
        (output / "main.py").write_text("print('another length')\n")

    monkeypatch.setattr(deliverable, "chunks", meanwhile)
    assert desk.refused("task", "submit", "T-1", "--output", str(output)) == "DELIVERABLE_UNSTABLE"


@pytest.mark.slow
def test_the_policy_says_what_is_attached(desk: Desk, output: Path) -> None:
    started(desk)
    desk.ok("project", "set", "deliverables.attach", "false")
    desk.ok("task", "submit", "T-1", "--output", str(output))
    assert attached(desk.path) == []
    desk.ok("review", "withdraw", "T-1")
    (output / "more").write_text("x")
    desk.ok("task", "submit", "T-1", "--output", str(output), "--attach")
    assert attached(desk.path) == ["T-1/2"]
    desk.ok("project", "set", "deliverables.attach", "true")
    desk.ok("review", "withdraw", "T-1")
    (output / "again").write_text("x")
    desk.ok("task", "submit", "T-1", "--output", str(output), "--no-attach")
    assert attached(desk.path) == ["T-1/2"]


@pytest.mark.slow
def test_a_single_file_is_deployed_from_its_attachment(desk: Desk, tmp_path: Path) -> None:
    started(desk)
    file, ran = tmp_path / "tool.sh", tmp_path / "ran"
    file.write_text("#!/bin/sh\necho hello\n")
    file.chmod(0o755)
    desk.ok("task", "submit", "T-1", "--output", str(file))
    file.unlink()
    desk.ok("review", "approve", "T-1", "--as", "qa")
    desk.ok("project", "set", "deploy.command", json.dumps(["sh", "-c", f'"$OPSGIT_DELIVERABLE" > {ran}']))
    desk.ok("task", "move", "T-1", "--to", "deployed")
    assert ran.read_text() == "hello\n"


@pytest.mark.slow
def test_an_attachment_that_was_exchanged_here_is_not_used(in_review: Desk, output: Path) -> None:
    tree = git(in_review.path, "rev-parse", "main^{tree}").strip()
    git(in_review.path, "update-ref", f"{REFS}T-1/1", tree)
    shutil.rmtree(output)
    for words in (("review", "approve", "T-1", "--as", "qa"), ("review", "diff", "T-1")):
        assert in_review.refused(*words) == "ATTACHMENT_UNFIT"
    found = in_review.run("verify", "--json")
    assert found.exit == 10 and found.json["findings"][0]["code"] == "ATTACHMENT_UNFIT"


@pytest.mark.slow
def test_versions_that_are_not_there(in_review: Desk, tmp_path: Path) -> None:
    for rounds in ("2", "1..2", "x", "1.."):
        assert in_review.refused("review", "diff", "T-1", "--rounds", rounds) == "NOT_FOUND"
    assert in_review.refused("review", "checkout", "T-1", str(tmp_path / "new"), "--round", "9") == "NOT_FOUND"
    (tmp_path / "full").mkdir()
    (tmp_path / "full/x").touch()
    for place in ("full", "full/x"):
        assert in_review.refused("review", "checkout", "T-1", str(tmp_path / place)) == "BAD_VALUE"
    in_review.ok("task", "add", "--title", "never submitted")
    assert in_review.refused("review", "show", "T-2") == "DELIVERABLE_REQUIRED"
    assert in_review.refused("review", "diff", "T-2") == "NOT_FOUND"
    assert "there is no task T-9" in in_review.run("review", "diff", "T-9").err
    assert in_review.refused("review", "show", "T-1", "--as", "nobody") == "NOT_FOUND"


@pytest.mark.slow
@pytest.mark.parametrize("at", ["nope.txt:1", "result.txt:2", "result.txt:x", "result.txt:-1", "."])
def test_a_comment_is_at_a_place_that_is_there(in_review: Desk, at: str) -> None:
    assert in_review.refused("review", "comment", "T-1", "--text", "x", "--at", at, "--as", "qa") == "BAD_VALUE"
    said = in_review.ok("review", "comment", "T-1", "--text", "x", "--at", "result.txt:1", "--as", "qa").out
    assert said.startswith("T-1: comment, thread 1-1  by qa")
    said = in_review.ok("review", "comment", "T-1", "--text", "y", "--reply-to", "1-1", "--as", "dev").out
    assert said.startswith("T-1: comment in thread 1-1  by dev")


def test_what_each_can_do_is_said(in_review: Desk) -> None:
    in_review.ok("review", "comment", "T-1", "--text", "no", "--blocking", "--as", "qa")

    def can(name: str) -> list[str]:
        found = in_review.ok("review", "show", "T-1", "--as", name, "--json").json["commands"]
        return [" ".join(command.split()[1:3]) for command in found]

    assert can("qa") == [
        "review diff",
        "review checkout",
        "review reject",
        "review check",
        "review resolve",
        "review comment",
    ]
    assert can("dev") == [
        "review diff",
        "review checkout",
        "review revise",
        "review withdraw",
        "review comment",
        "review comment",
    ]
    in_review.ok("review", "resolve", "T-1", "1-1", "--as", "qa")
    assert "review approve" in can("qa")


@pytest.mark.slow
def test_a_wrong_copy_is_not_the_authors_fault(in_review: Desk, tmp_path: Path) -> None:
    (tmp_path / "wrong").write_text("x")
    refused = in_review.run(
        "review", "approve", "T-1", "--as", "qa", "--deliverable", str(tmp_path / "wrong"), "--json"
    )
    assert (
        refused.code == "DELIVERABLE_CHANGED" and str(tmp_path / "wrong") in refused.err and "reject" not in refused.err
    )


def test_each_thread_and_note_is_told_as_it_was(in_review: Desk, output: Path) -> None:
    for text in ("one", "two"):
        in_review.ok("review", "comment", "T-1", "--text", text, "--as", "eye")
    in_review.ok("review", "resolve", "T-1", "1-2", "--as", "eye")
    in_review.ok("review", "resolve", "T-1", "1-1", "--as", "qa")
    (output / "more").write_text("x")
    in_review.ok("review", "revise", "T-1", "--output", str(output), "--note", "more of it")
    entries = in_review.ok("history", "T-1", "--json").json["history"]
    assert [one["thread"] for one in entries if one.get("said") == "resolved"] == ["1-2", "1-1"]
    assert "revised to 1.1 by dev" in in_review.ok("review", "show", "T-1").out
    assert "more of it" in in_review.ok("task", "show", "T-1").out


@pytest.mark.slow
def test_a_version_without_files_does_not_hide_the_next(in_review: Desk, output: Path) -> None:
    in_review.unattach()
    (output / "more").write_text("x")
    in_review.ok("review", "revise", "T-1", "--output", str(output))
    assert "round 1.1, the first with files" in in_review.ok("review", "diff", "T-1").out
    assert in_review.refused("review", "diff", "T-1", "--rounds", "1..1.1") == "DELIVERABLE_MISSING"


def test_the_difference_of_commits_comes_from_the_code_repository(desk: Desk, tmp_path: Path) -> None:
    code = tmp_path / "code"
    git(tmp_path, "init", "-q", str(code))
    commits = []
    for text in ("one\n", "two\n"):
        (code / "a").write_text(text)
        git(code, "add", "a")
        git(code, "-c", "user.name=x", "-c", "user.email=x@y", "commit", "-qm", text)
        commits.append(git(code, "rev-parse", "HEAD").strip())
    started(desk)
    desk.ok("task", "submit", "T-1", "--output", f"commit: {commits[0]}", "--repository", str(code))
    assert "+one" in desk.ok("review", "diff", "T-1").out
    desk.ok("review", "revise", "T-1", "--output", f"commit: {commits[1]}", "--repository", str(code))
    assert "-one\n+two" in desk.ok("review", "diff", "T-1").out
    code.rename(tmp_path / "moved")
    assert desk.refused("review", "diff", "T-1") == "DELIVERABLE_MISSING"
    assert "-one\n+two" in desk.ok("review", "diff", "T-1", "--repository", str(tmp_path / "moved")).out


@pytest.mark.slow
def test_what_a_file_says_does_not_move_the_cursor(desk: Desk, tmp_path: Path) -> None:
    started(desk)
    evil = made(tmp_path / "out", **{"a.txt": "\x1b[2Jgone\r\nAPPROVED\u202e\n"})
    desk.ok("task", "submit", "T-1", "--output", str(evil))
    said = desk.ok("review", "diff", "T-1").out
    assert "\x1b" not in said and "\u202e" not in said and "\\x1b[2Jgone" in said


@pytest.mark.slow
def test_offline_submissions_are_published_with_their_files(desk: Desk, team: dict[str, Desk], tmp_path: Path) -> None:
    dev, hub = team["dev"], tmp_path / "hub.git"
    desk.ok("task", "add", "--title", "t", "--assign", "dev")
    dev.ok("task", "start", "T-1")
    dev.ok("task", "submit", "T-1", "--output", str(made(tmp_path / "o", a="1")), "--offline")
    assert attached(dev.path) == ["T-1/1"] and attached(hub) == []
    dev.ok("sync")
    assert attached(hub) == ["T-1/1"]
    dev.ok("review", "revise", "T-1", "--output", str(made(tmp_path / "o", a="2")), "--offline")
    desk.ok("review", "comment", "T-1", "--text", "meanwhile", "--as", "qa")  # so that the revision is made anew
    dev.ok("sync")
    assert attached(hub) == ["T-1/1", "T-1/1.1"]
    assert "-1" in team["qa"].ok("review", "diff", "T-1").out


@pytest.mark.slow
def test_attachments_are_removed_when_they_are_no_longer_kept(
    desk: Desk, team: dict[str, Desk], tmp_path: Path
) -> None:
    dev, hub = team["dev"], tmp_path / "hub.git"
    desk.ok("task", "add", "--title", "t", "--assign", "dev")
    dev.ok("task", "start", "T-1")
    dev.ok("task", "submit", "T-1", "--output", str(made(tmp_path / "o", a="1")))
    desk.ok("review", "approve", "T-1", "--as", "qa")
    desk.ok("task", "cancel", "T-1")
    dev.ok("maintenance")
    assert attached(dev.path) == attached(hub) == ["T-1/1"], "30 days have not passed"
    git(dev.path, "push", "-q", "origin", f":{REFS}T-1/1", check=False)
    assert attached(hub) == ["T-1/1"], "the server keeps it too"
    desk.ok("project", "set", "deliverables.keep", "0s")
    time.sleep(1.1)
    dev.ok("sync")
    dev.ok("maintenance")
    assert attached(dev.path) == attached(hub) == []
    dev.ok("verify")


@pytest.mark.slow
def test_a_round_that_nobody_looked_at_is_not_approved(in_review: Desk, output: Path) -> None:
    in_review.ok("review", "show", "T-1", "--as", "qa")
    in_review.ok("review", "withdraw", "T-1")
    (output / "more").write_text("x")
    in_review.ok("task", "submit", "T-1", "--output", str(output))
    assert in_review.refused("review", "approve", "T-1", "--as", "qa") == "STALE"
    assert in_review.refused("review", "approve", "T-1", "--as", "qa", "--op-id", "x-1") == "STALE"
    in_review.ok("review", "show", "T-1", "--as", "qa")
    for _ in range(2):  # the second is told what the first has done
        in_review.ok("review", "approve", "T-1", "--as", "qa", "--op-id", "x-1")


@pytest.mark.slow
def test_the_difference_is_what_the_files_hold(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Line ends that only Python knows, and attributes where the reviewer stands, change nothing of it."""
    started(desk)
    evil = "x = 1\x0c-gone\u2028diff --git a/f b/f\x85 same\r-removed\n"
    folder = made(tmp_path / "out", **{"a.py": evil, ".gitattributes": "*.py -diff\n"})
    desk.ok("task", "submit", "T-1", "--output", str(folder))
    monkeypatch.chdir(folder)
    found = desk.ok("review", "diff", "T-1", "--json").json
    assert "+" + evil.removesuffix("\n") in found["lines"], found["lines"]
    assert found["binaries"] == []
    assert not [
        line for line in desk.ok("review", "diff", "T-1").out.splitlines() if line.startswith(("-gone", " same"))
    ]


@pytest.mark.slow
@pytest.mark.parametrize("content", ['{"qa": 5}', '{"qa": [1]}', '{"qa": {"T-1": 7}}', "[" * 100_000, "{"])
def test_what_was_seen_is_only_a_convenience(in_review: Desk, content: str) -> None:
    for name in ("seen.json", "inbox.json"):
        (in_review.path / ".git/opsgit" / name).write_text(content)
    in_review.ok("inbox", "--as", "qa", "--new")
    in_review.ok("review", "show", "T-1", "--as", "qa")
    (in_review.path / ".git/opsgit/seen.json").write_text(content)
    in_review.ok("review", "approve", "T-1", "--as", "qa")


@pytest.mark.slow
def test_a_dropped_submission_takes_its_files_along(desk: Desk, team: dict[str, Desk], tmp_path: Path) -> None:
    dev = team["dev"]
    desk.ok("task", "add", "--title", "t", "--assign", "dev")
    dev.ok("task", "start", "T-1")
    dev.ok("task", "submit", "T-1", "--output", str(made(tmp_path / "o", a="1")), "--offline")
    desk.ok("task", "cancel", "T-1")
    assert dev.run("sync").exit == 7
    assert attached(dev.path) == []
    dev.ok("verify")


@pytest.mark.slow
def test_a_ref_that_is_no_attachment_hides_nothing_else(in_review: Desk) -> None:
    git(in_review.path, "update-ref", f"{REFS}T-1/1", "main")
    said = in_review.run("review", "show", "T-1")
    assert said.exit == 0 and "ATTACHMENT_UNFIT" in said.err and "not attached" in said.out
    assert in_review.refused("review", "diff", "T-1") == "ATTACHMENT_UNFIT"


@pytest.mark.slow
def test_a_deliverable_of_four_terabytes_is_not_hashed_to_be_shown(desk: Desk, tmp_path: Path) -> None:
    started(desk)
    folder = made(tmp_path / "out", a="1")
    desk.ok("task", "submit", "T-1", "--output", str(folder))
    with open(folder / "a", "r+b") as file:
        file.truncate(1 << 42)
    assert desk.ok("review", "show", "T-1", "--json").json["deliverable"]["here"] == "large"


def test_a_ref_among_the_attachments_that_names_no_version(in_review: Desk) -> None:
    git(in_review.path, "update-ref", f"{REFS}T-1/x", f"{REFS}T-1/1")
    found = in_review.run("verify", "--json")
    assert found.exit == 10 and [one["code"] for one in found.json["findings"]] == ["WRONG_REF"]


@pytest.mark.slow
def test_a_new_server_takes_the_attachments_of_all_rounds(desk: Desk, output: Path, tmp_path: Path) -> None:
    """Also of a task that is in its second round, and of versions within a round."""
    desk.ok("task", "add", "--title", "One", "--assign", "dev")
    for text in ("first", "second", "third"):
        (output / "result.txt").write_text(text)
        if text == "second":
            desk.ok("review", "revise", "T-1", "--output", str(output))
            desk.ok("review", "reject", "T-1", "--reason", "no", "--as", "qa")
        else:
            desk.ok("task", "start", "T-1")
            desk.ok("task", "submit", "T-1", "--output", str(output))
    assert main(["server", "init", str(tmp_path / "hub.git")]) == 0
    git(desk.path, "remote", "add", "origin", str(tmp_path / "hub.git"))
    desk.ok("sync")
    refs = git(tmp_path / "hub.git", "for-each-ref", "--format=%(refname)", "refs/opsgit").split()
    assert [ref.rsplit("/", 1)[1] for ref in refs] == ["1", "1.1", "2"]
    tree = git(desk.path, "rev-parse", "refs/opsgit/deliverables/T-1/1").strip()
    for version in ("2.1", "3"):
        git(desk.path, "push", "origin", f"{tree}:refs/opsgit/deliverables/T-1/{version}", check=False)
    git(tmp_path / "hub.git", "update-ref", "-d", "refs/opsgit/deliverables/T-1/1.1")
    git(desk.path, "push", "origin", f"{tree}:refs/opsgit/deliverables/T-1/1.1", check=False)
    assert len(git(tmp_path / "hub.git", "for-each-ref", "refs/opsgit").splitlines()) == 2


@pytest.mark.slow
def test_sync_brings_attachments_after_a_push_of_main_alone(in_review: Desk, tmp_path: Path) -> None:
    hub = tmp_path / "hub.git"
    assert main(["server", "init", str(hub)]) == 0
    git(in_review.path, "remote", "add", "origin", str(hub))
    git(in_review.path, "push", "-q", "origin", "main", "review/T-1")
    assert git(hub, "for-each-ref", "refs/opsgit") == ""
    assert "1 attachments, which the remote did not have: published" in in_review.ok("sync").err
    assert "refs/opsgit/deliverables/T-1/1" in git(hub, "for-each-ref", "refs/opsgit")
    assert "attachments" not in in_review.ok("sync").err


@pytest.mark.parametrize("name", ["T-1/x", "T-1/0", "T-1/1.0", "bad..id/1", "T-1.lock/1x", "-/1", "T-1", "T-1/1/1"])
def test_names_that_are_no_attachment_s(name: str) -> None:
    with pytest.raises(Refused) as refused:
        attachments.about(f"refs/opsgit/deliverables/{name}")
    assert refused.value.code == "WRONG_REF"
