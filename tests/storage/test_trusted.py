"""What the git processes of opsgit are kept from, what is synced before it counts, and what is never followed."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from opsgit.domain.refusals import Refused
from opsgit.storage import deliverable
from opsgit.storage import git as programs
from opsgit.storage.git import Git
from tests.conftest import Desk, git

GIVEN = {"LC_ALL": "C", "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_NO_REPLACE_OBJECTS": "1",
         "GIT_GRAFT_FILE": "/dev/null", "GIT_NO_LAZY_FETCH": "1", "GIT_ALLOW_PROTOCOL": "", "GIT_TERMINAL_PROMPT": "0",
         "GIT_ADVICE": "0"}  # fmt: skip


@pytest.fixture
def ours(desk: Desk) -> Git:
    """The git of a repository with some commits, as opsgit runs it."""
    return Git(desk.path / ".git")


def test_a_git_process_gets_no_variable_of_the_caller_that_changes_what_it_says(
    ours: Git, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (
        "GIT_DIR",
        "GIT_OBJECT_DIRECTORY",
        "GIT_INDEX_FILE",
        "GIT_CONFIG_COUNT",
        "GIT_REPLACE_REF_BASE",
        "OTHER",
    ):
        monkeypatch.setenv(name, "0")
    told = dict(
        line.split("=", 1) for line in ours.run("-c", "alias.tell=!env", "tell").decode().splitlines() if "=" in line
    )
    assert {name: told.get(name) for name in GIVEN} == GIVEN
    assert "OTHER" not in told and told.get("GIT_OBJECT_DIRECTORY") is None and told.get("GIT_REPLACE_REF_BASE") is None


def test_replaced_objects_are_read_as_they_are(ours: Git, desk: Desk) -> None:
    tip = git(desk.path, "rev-parse", "main").strip()
    other = git(desk.path, "commit-tree", "-m", "other words", f"{tip}^{{tree}}").strip()
    git(desk.path, "replace", tip, other)
    assert "other words" in git(desk.path, "log", "-1", "--format=%s", "main"), "git itself believes it"
    assert "other words" not in ours.run("log", "-1", "--format=%s", "main").decode()


def test_grafts_hide_no_history(ours: Git, desk: Desk) -> None:
    tip = git(desk.path, "rev-parse", "main").strip()
    (desk.path / ".git/info").mkdir(exist_ok=True)
    (desk.path / ".git/info/grafts").write_text(f"{tip}\n")
    assert git(desk.path, "rev-list", "--count", "main").strip() == "1", "git itself believes it"
    assert int(ours.run("rev-list", "--count", "main")) > 1


def test_a_missing_object_is_missing_and_not_fetched(ours: Git, desk: Desk, tmp_path: Path) -> None:
    far = tmp_path / "far.git"
    git(tmp_path, "clone", "-q", "--bare", str(desk.path), str(far))
    for setting, value in {"uploadpack.allowFilter": "true", "uploadpack.allowAnySHA1InWant": "true"}.items():
        git(far, "config", setting, value)
    blob = git(desk.path, "rev-parse", "main:ops.yaml").strip()
    for setting, value in {"core.repositoryFormatVersion": "1", "extensions.partialClone": "far", "remote.far.url": f"file://{far}",
                           "remote.far.promisor": "true", "remote.far.partialCloneFilter": "blob:none"}.items():  # fmt: skip
        git(desk.path, "config", setting, value)
    place = desk.path / ".git/objects" / blob[:2] / blob[2:]
    place.unlink()
    assert ours.get(blob) is None and not place.exists()
    ours.close()
    git(desk.path, "cat-file", "-p", blob)
    assert Git(desk.path / ".git").get(blob), "git itself fetches it"


def test_no_transport_is_allowed_but_where_a_command_needs_one(ours: Git, desk: Desk) -> None:
    done = ours.attempt("ls-remote", f"file://{desk.path}")
    assert done.returncode and b"not allowed" in done.stderr


Event = tuple[str, str]


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> list[Event]:
    """What is synced, renamed and asked of git, in order."""
    found: list[Event] = []
    fsync, replace, run = os.fsync, os.replace, programs._run

    def synced(handle: int) -> None:
        found.append(("sync", os.readlink(f"/proc/self/fd/{handle}")))
        fsync(handle)

    def renamed(old: Any, new: Any, **more: Any) -> None:
        found.append(("rename", f"{old} {new}"))
        replace(old, new, **more)

    def ran(command: list[str], *rest: Any) -> subprocess.CompletedProcess[bytes]:
        found.append(("git", " ".join(command)))
        return run(command, *rest)

    monkeypatch.setattr("os.fsync", synced)
    monkeypatch.setattr("os.replace", renamed)
    monkeypatch.setattr(programs, "_run", ran)
    return found


def index_of(events: list[Event], fits: Callable[[Event], bool]) -> int:
    return next(number for number, event in enumerate(events) if fits(event))


def renames(events: list[Event], into: str) -> list[tuple[str, str]]:
    pairs = [tuple(words.split(" ")) for kind, words in events if kind == "rename"]
    return [(old, new) for old, new in pairs if f"/{into}/" in new]


def test_objects_are_on_disk_before_main_moves(desk: Desk, events: list[Event]) -> None:
    desk.ok("task", "add", "--title", "one")
    made = renames(events, "objects")
    moved = index_of(events, lambda event: event[0] == "git" and "update-ref" in event[1])
    assert len(made) >= 4 and "-c core.fsync=all update-ref" in events[moved][1]
    for old, new in made:
        synced, renamed = events.index(("sync", old)), events.index(("rename", f"{old} {new}"))
        assert synced < renamed < moved
        folder = len(events) - 1 - events[::-1].index(("sync", str(Path(new).parent)))
        assert renamed < folder < moved


def test_packs_are_on_disk_before_main_moves(desk: Desk, tmp_path: Path, events: list[Event]) -> None:
    (tmp_path / "many.jsonl").write_text("".join(f'{{"title": "task {number}"}}\n' for number in range(80)))
    desk.ok("task", "add", "--from", str(tmp_path / "many.jsonl"))
    made = renames(events, "objects/pack")
    moved = index_of(events, lambda event: event[0] == "git" and "update-ref" in event[1])
    packed = index_of(events, lambda event: event[0] == "git" and "-c core.fsync=all index-pack" in event[1])
    assert made and made[-1][1].endswith(".idx")
    last = max(events.index(("rename", f"{old} {new}")) for old, new in made)
    folder = events.index(("sync", str(Path(made[0][1]).parent)))
    assert packed < last < folder < moved


def test_pins_are_on_disk(desk: Desk, events: list[Event]) -> None:
    desk.ok("verify")
    ((old, new),) = renames(events, "pins")
    order = [
        events.index(("sync", old)),
        events.index(("rename", f"{old} {new}")),
        events.index(("sync", str(Path(new).parent))),
    ]
    assert order == sorted(order)


@pytest.mark.parametrize(("name", "code"), [("link", "DELIVERABLE_MISSING"), ("pipe", "DELIVERABLE_UNSTABLE")])
def test_what_became_a_link_or_a_pipe_is_not_read(tmp_path: Path, name: str, code: str) -> None:
    (tmp_path / "secret").write_text("words")
    (tmp_path / "link").symlink_to("secret")
    os.mkfifo(tmp_path / "pipe")
    codes = []

    def read() -> None:
        with pytest.raises(Refused) as refused:
            list(deliverable.chunks(tmp_path / name))
        codes.append(refused.value.refusal.code)

    reader = threading.Thread(target=read, daemon=True)  # who opens a pipe may wait for ever
    reader.start()
    reader.join(10)
    assert codes == [code]
    assert list(deliverable.chunks(tmp_path / "secret")) == [b"words"]
