"""The ledger writer: crashes, full disks, other writers and a user's own edits."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from opsgit.cli.main import main
from opsgit.domain.refusals import Refused
from opsgit.domain.request import Request
from opsgit.operations import trust
from opsgit.operations.publication import write
from opsgit.operations.transactions import Transaction
from opsgit.storage.objects import Entry, Objects
from opsgit.storage.repository import Repository
from tests.conftest import Desk, git

# Kills itself at the named moment of `task add`, as a power cut would.
CRASH = """
import os, signal, sys
from opsgit.operations import transactions
from opsgit.storage import checkout, objects
def die(*_, **__): os.kill(os.getpid(), signal.SIGKILL)
spot = sys.argv[1]
if spot == "objects": objects._write_loose = die
if spot == "refs": transactions.Transaction._move_refs = die
move = transactions.Transaction._move_refs
if spot == "published": transactions.Transaction._move_refs = lambda *words: (move(*words), die())
if spot == "files": checkout.Checkout.show = die
if spot == "index": checkout.Checkout._refresh_index = die
if spot == "mark": checkout.Checkout._write_mark = die
if spot == "cache": transactions.Transaction._advance_index = die
from opsgit.cli.main import main
sys.exit(main(sys.argv[2:]))
"""


def crash(desk: Desk, spot: str, *words: str) -> None:
    command = [sys.executable, "-c", CRASH, spot, "-C", str(desk.path), *words]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr


@pytest.mark.parametrize("spot", ["objects", "refs", "files", "index", "mark", "cache"])
def test_after_a_crash_the_next_command_mends_and_nothing_is_lost(desk: Desk, spot: str) -> None:
    crash(desk, spot, "task", "add", "--id", "T-1", "--title", "crashed")
    published = spot not in ("objects", "refs")
    desk.ok("task", "add", "--id", "T-2", "--title", "after")
    assert git(desk.path, "status", "--porcelain") == ""
    assert git(desk.path, "fsck", "--strict", "--no-dangling") == ""
    listed = {task["id"] for task in desk.ok("task", "list", "--json").json["tasks"]}
    assert listed == ({"T-1", "T-2"} if published else {"T-2"})
    assert (desk.path / "tasks/t1/T-1.yaml").exists() == published


def test_mending_never_takes_an_edit_for_a_leftover(desk: Desk) -> None:
    desk.ok("task", "add", "--id", "T-1", "--title", "one")
    file = desk.path / "tasks/t1/T-1.yaml"
    crash(desk, "files", "task", "edit", "T-1", "--title", "two")
    file.write_text(file.read_text() + "# mine\n")
    desk.ok("task", "add", "--id", "T-2", "--title", "after")
    assert file.read_text().endswith("# mine\n")
    assert git(desk.path, "status", "--porcelain") == " M tasks/t1/T-1.yaml\n"


@pytest.mark.parametrize("edit", ["changed", "deleted", "folder", "new"])
def test_an_uncommitted_edit_of_the_same_file_is_an_error_that_names_it(desk: Desk, edit: str) -> None:
    desk.ok("task", "add", "--id", "T-1", "--title", "one")
    file = desk.path / "tasks/t1/T-1.yaml"
    target: tuple[str, ...] = ("edit", "T-1", "--title", "two")
    if edit == "changed":
        file.write_text("mine\n")
    elif edit == "deleted":
        file.unlink()
    elif edit == "folder":
        file.unlink()
        file.mkdir()
    else:
        (desk.path / "tasks/t2").mkdir()
        (desk.path / "tasks/t2/T-2.yaml").write_text("mine\n")
        target = ("add", "--id", "T-2", "--title", "two")  # another file
    result = desk.run("task", *target, "--json")
    assert result.code == "UNCOMMITTED_EDIT"
    assert "tasks/t" in result.err
    if edit == "changed":
        assert file.read_text() == "mine\n"
    desk.ok("task", "add", "--id", "T-3", "--title", "another file")


def test_a_ref_that_somebody_else_moved_is_a_conflict_and_nothing_is_written(desk: Desk) -> None:
    session = desk.session()
    first, second = session.transaction(), session.transaction()
    for transaction, task in ((first, "T-1"), (second, "T-2")):
        transaction.perform(Request("task.add", "orchestrator", task, {"title": "t"}))
    first.publish()
    before = desk.refs()
    with pytest.raises(Refused) as caught:
        second.publish()
    assert caught.value.refusal.code == "REF_MOVED"
    assert desk.refs() == before
    session.repository.close()


def test_the_same_operation_in_the_same_second_is_another_commit(desk: Desk) -> None:
    """Two clones of one agent may use a quota at once; were both the same bytes, both pushes would succeed."""
    desk.ok("quota", "set", "q", "--limit", "1", "--period", "daily")
    session = desk.session()
    now = time.time()
    session.clock = lambda: now
    use = Request("quota.use", "dev", "q", {"amount": 1})
    assert session.transaction().perform(use).id != session.transaction().perform(use).id
    session.repository.close()


def test_a_dry_run_writes_nothing(desk: Desk) -> None:
    before, objects = desk.refs(), git(desk.path, "count-objects")
    said = desk.ok("task", "add", "--title", "t", "--dry-run", "--json").json
    assert said["dry_run"] is True
    assert said["operations"][0]["commit"] is None
    desk.ok("agent", "add", "new", "--role", "developer", "--dry-run")
    assert (desk.refs(), git(desk.path, "count-objects")) == (before, objects)
    assert not desk.session().repository.keys.holds("new")


def test_a_clock_that_went_back_keeps_the_order_and_a_far_one_is_refused(desk: Desk) -> None:
    session = desk.session()
    tip = int(git(desk.path, "log", "-1", "--format=%ct"))
    session.clock = lambda: tip - 100
    write(session, Request("task.add", "orchestrator", "T-1", {"title": "t"}))
    assert session.transaction().now() >= tip
    session.clock = lambda: tip - 1000
    with pytest.raises(Refused) as caught:
        write(session, Request("task.add", "orchestrator", "T-2", {"title": "t"}))
    assert caught.value.refusal.code == "CLOCK"
    session.repository.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 600 KiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root can mount a small file system")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_is_said_and_nothing_changes(
    desk: Desk, small_disk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    moved = Desk(small_disk / "state", capsys)
    git(desk.path.parent, "clone", "-q", str(desk.path), str(moved.path))
    before = moved.refs()
    (small_disk / "fill").write_bytes(b"x" * (os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize))
    result = moved.run("task", "add", "--title", "t", "--json")
    assert (result.exit, result.code) == (9, "DISK")
    (small_disk / "fill").unlink()
    assert moved.refs() == before
    assert git(moved.path, "fsck", "--strict") == ""
    moved.ok("task", "add", "--title", "t")
    assert git(moved.path, "fsck", "--strict") == ""


def test_trees_and_commits_have_the_ids_that_git_gives(desk: Desk) -> None:
    repository = Repository((desk.path / ".git").resolve(), desk.path)
    objects = Objects(repository.git)
    blob = objects.add("blob", b"x\n")
    entry = Entry("100644", blob)
    tree = objects.replaced(None, {"a.b": entry, "a/x": entry, "a-b": entry, "a/y/z": entry})
    objects.write()
    env = {**os.environ, "GIT_INDEX_FILE": str(desk.path / "other-index")}
    listed = "".join(f"100644 {blob}\t{path}\n" for path in ("a.b", "a/x", "a-b", "a/y/z"))
    git(desk.path, "update-index", "--index-info", input=listed, env=env)
    assert git(desk.path, "write-tree", env=env).strip() == tree
    smaller = objects.replaced(tree, {"a/y/z": None, "a/x": None})
    assert dict(objects.differences(tree, smaller)) == {"a/x": (entry, None), "a/y/z": (entry, None)}
    assert "a" not in objects.tree(smaller)
    repository.close()


def test_an_object_that_is_not_its_id_is_noticed(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    desk.ok("task", "add", "--title", "t")
    blob = git(desk.path, "rev-parse", "HEAD:tasks/t1/T-1.yaml").strip()
    other = git(desk.path, "rev-parse", "HEAD:README.md").strip()
    folder = desk.path / ".git/objects"
    victim, source = folder / blob[:2] / blob[2:], folder / other[:2] / other[2:]
    victim.chmod(0o644)
    victim.write_bytes(source.read_bytes())
    (desk.path / ".git/opsgit/index.db").unlink()
    assert desk.run("task", "list", "--json").code == "REPOSITORY_BROKEN"


def test_the_index_is_only_a_cache(desk: Desk) -> None:
    desk.ok("task", "add", "--title", "t")
    index = desk.path / ".git/opsgit/index.db"
    for damage in (b"", b"garbage" * 1000, None):
        if damage is None:
            index.unlink()
        else:
            index.write_bytes(damage)
        assert len(desk.ok("task", "list", "--json").json["tasks"]) == 1


def test_writes_work_while_a_review_branch_is_checked_out(in_review: Desk) -> None:
    git(in_review.path, "checkout", "-q", "review/T-1")
    in_review.ok("review", "approve", "T-1", "--as", "qa")
    git(in_review.path, "checkout", "-q", "main")
    assert git(in_review.path, "status", "--porcelain") == ""


def test_a_bare_repository_and_a_linked_work_tree_are_written_too(
    desk: Desk, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    git(tmp_path, "clone", "-q", "--bare", str(desk.path), "bare.git")
    assert main(["-C", str(tmp_path / "bare.git"), "task", "add", "--title", "t"]) == 0
    git(desk.path, "worktree", "add", "-q", "--detach", str(tmp_path / "linked"))
    assert main(["-C", str(tmp_path / "linked"), "task", "add", "--title", "t"]) == 0
    assert git(desk.path, "status", "--porcelain") == ""
    assert (desk.path / "tasks/t1/T-1.yaml").exists()


def test_two_transactions_in_one_publish_are_both_there_or_neither(in_review: Desk) -> None:
    session = in_review.session()
    transaction = Transaction(session.repository)
    transaction.perform(Request("task.add", "orchestrator", "T-5", {"title": "t"}))
    with pytest.raises(Refused):
        transaction.perform(Request("task.add", "orchestrator", "T-5", {"title": "t"}))
    assert in_review.run("task", "show", "T-5", "--json").code == "NOT_FOUND"
    session.repository.close()


def test_a_lock_that_a_crash_left_is_named_and_doctor_removes_it(desk: Desk) -> None:
    lock = desk.path / ".git/refs/heads/main.lock"
    lock.touch()
    result = desk.run("task", "add", "--title", "t")
    assert result.exit == 9 and "BUSY" in result.err and "main.lock" in result.err and "doctor --fix" in result.err
    desk.run("doctor", "--fix")
    assert lock.exists()  # too young to be a leftover
    os.utime(lock, (0, 0))
    desk.run("doctor", "--fix")
    assert not lock.exists()
    desk.ok("task", "add", "--title", "t")


def test_what_is_published_is_no_failure_whatever_fails_after(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(trust, "mark", full)
    result = desk.ok("task", "add", "--id", "T-1", "--title", "t")
    assert "No space left" in result.err
    monkeypatch.undo()


@pytest.mark.slow
def test_a_file_where_a_folder_was(desk: Desk) -> None:
    (desk.path / "gates/x").mkdir(parents=True)
    (desk.path / "gates/x/y").write_text("y\n")
    git(desk.path, "add", "gates")
    git(desk.path, "commit", "-qm", "a folder")
    git(desk.path, "rm", "-rqf", "gates")
    (desk.path / "gates").mkdir()
    (desk.path / "gates/x").write_text("x\n")
    git(desk.path, "add", "gates")
    git(desk.path, "commit", "-qm", "a file")
    desk.ok("verify")


def test_nothing_is_written_through_a_linked_folder(desk: Desk, tmp_path: Path) -> None:
    desk.ok("task", "add", "--id", "T-1", "--title", "one")
    (desk.path / "tasks/t1").rename(tmp_path / "away")
    (desk.path / "tasks/t1").symlink_to(tmp_path / "away")
    before = (tmp_path / "away/T-1.yaml").read_bytes()
    assert desk.run("task", "edit", "T-1", "--title", "two").exit == 7
    assert (tmp_path / "away/T-1.yaml").read_bytes() == before


def test_marks_that_are_damaged_are_looked_at_anew(desk: Desk) -> None:
    for name in ("verified", "checkout"):
        (desk.path / ".git/opsgit" / name).write_bytes(b"\xff\xfe\0")
    desk.ok("task", "add", "--title", "t")
    desk.ok("verify")


@pytest.mark.parametrize("spot", ["objects", "refs", "published", "files", "index"])
@pytest.mark.parametrize(
    "lock",
    [
        "index.lock",
        *(pytest.param(f"{name}.lock", marks=pytest.mark.slow) for name in ("refs/heads/main", "packed-refs", "HEAD")),
    ],
)
def test_a_stale_lock_and_a_crash_are_cured_by_doctor_and_the_next_command_needs_no_help(
    desk: Desk, spot: str, lock: str
) -> None:
    """What a kill and a stale lock of git leave behind is not taken for a user's edit."""
    desk.ok("task", "add", "--id", "T-1", "--title", "one")
    stale = desk.path / ".git" / lock
    stale.touch()
    assert desk.run("task", "edit", "T-1", "--title", "while the lock is there", "--json").exit in (0, 9)
    if lock == "index.lock" or spot in ("objects", "refs"):  # the others keep git from publishing
        crash(desk, spot, "task", "edit", "T-1", "--title", "two")
    os.utime(stale, (0, 0))
    meanwhile = desk.run("task", "edit", "T-1", "--title", "three", "--json")
    assert meanwhile.exit == 0 or meanwhile.code == "BUSY", meanwhile
    told = desk.run("doctor", "--fix", "--json").json["checks"]
    assert not stale.exists(), told
    left = [
        one
        for one in desk.run("doctor", "--json").json["checks"]
        if one["state"] == "bad" or one["check"] == "leftovers"
    ]
    assert left == []
    after = desk.ok("task", "edit", "T-1", "--title", "four", "--json")
    assert after.json["notices"] == ["acting as orchestrator"]
    assert "title: four" in (desk.path / "tasks/t1/T-1.yaml").read_text()
    assert git(desk.path, "status", "--porcelain") == ""
    desk.ok("verify")


def test_a_merged_branch_that_cannot_be_deleted_is_no_failure_of_the_verdict(in_review: Desk) -> None:
    (in_review.path / ".git/refs/heads/review/T-1.lock").touch()
    done = in_review.ok("review", "approve", "T-1", "--as", "qa")
    assert "was not deleted" in done.err
    assert in_review.status() == "done"
    in_review.ok("task", "move", "T-1", "--to", "deployed")


@pytest.mark.parametrize("words", ["No space left on device", "Disk quota exceeded"])
def test_a_disk_that_is_full_when_a_ref_moves_is_no_lost_race(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    """A fake of git's answer: a disk cannot be filled here at the instant when a ref is written."""
    tip = git(desk.path, "rev-parse", "main")
    monkeypatch.setattr("opsgit.storage.ledger._update", lambda *_: f"fatal: cannot lock ref: {words}")
    result = desk.run("task", "add", "--title", "t", "--json")
    assert (result.exit, result.code) == (9, "DISK")
    assert git(desk.path, "rev-parse", "main") == tip
