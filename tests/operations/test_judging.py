"""What the server judges of a push, asked of the judge itself: each refusal by its code, without a push over git."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from opsgit.cli.main import main
from opsgit.storage import repository
from opsgit.verification import push, server
from tests.conftest import Desk, git


@pytest.fixture
def hub(desk: Desk, tmp_path: Path) -> Path:
    """A server that has the desk's main."""
    assert main(["server", "init", str(tmp_path / "hub.git")]) == 0
    git(tmp_path / "hub.git", "fetch", "-q", str(desk.path), "main:main")
    desk.capsys.readouterr()
    return tmp_path / "hub.git"


def judged(desk: Desk, hub: Path) -> list[str]:
    """The codes for a push of the desk's main."""
    old, new = (git(place, "rev-parse", "refs/heads/main").strip() for place in (hub, desk.path))
    git(hub, "fetch", "-q", str(desk.path), "main")
    return [one.code for one in server.judge(hub, [f"{old} {new} refs/heads/main"])]


def test_an_honest_push_is_taken(desk: Desk, hub: Path) -> None:
    desk.ok("task", "add", "--title", "one")
    assert judged(desk, hub) == []


def test_what_a_compromised_key_signed_is_found_in_the_push(desk: Desk, hub: Path) -> None:
    cut = git(desk.path, "rev-parse", "main").strip()
    desk.ok("task", "add", "--title", "one", "--as", "dev")
    bad = git(desk.path, "rev-parse", "main").strip()
    desk.ok("agent", "compromise", "dev", "--since", cut)
    assert judged(desk, hub) == ["COMPROMISED_KEY"]
    desk.ok("agent", "ratify", bad)
    assert judged(desk, hub) == []


@pytest.mark.parametrize(("pusher", "codes"), [("dev", []), ("qa", ["WRONG_PUSHER"]), (None, ["WRONG_PUSHER"])])
def test_commits_are_the_pushers_own(
    desk: Desk, hub: Path, pusher: str | None, codes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    git(hub, "config", "opsgit.pusherVariable", "WHO_PUSHES")
    if pusher:
        monkeypatch.setenv("WHO_PUSHES", pusher)
    desk.ok("task", "add", "--title", "one", "--as", "dev")
    assert judged(desk, hub) == codes


@pytest.mark.parametrize(("limit", "value"), [("OBJECTS_MAX", 2), ("SIZE_MAX", 10), ("TREE_MAX", 10), ("REFS_MAX", 0)])
def test_limits_come_before_the_judgement(
    desk: Desk, hub: Path, limit: str, value: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.ok("task", "add", "--title", "one")
    monkeypatch.setattr(server, limit, value)
    monkeypatch.setattr(push, "pushed", lambda *_: pytest.fail("it was judged"))
    assert judged(desk, hub) == ["TOO_LARGE"]


def test_a_push_is_judged_again_if_another_was_taken_meanwhile(
    desk: Desk, hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.ok("task", "add", "--title", "one")
    other = git(desk.path, "rev-parse", "main").strip()
    desk.ok("task", "add", "--title", "two")
    real = push.pushed
    times: list[float] = []

    monkeypatch.setattr(repository, "LOCK_SECONDS", 0)

    def meanwhile(*words: Any) -> Any:
        with repository.Repository(hub, None).lock_pushes():  # a long judgement keeps nobody waiting
            found = real(*words)
        if not times:
            git(hub, "update-ref", "refs/heads/main", other)
        times.append(time.monotonic())
        return found

    monkeypatch.setattr(push, "pushed", meanwhile)
    assert judged(desk, hub) == ["NOT_FAST_FORWARD"]
    assert len(times) == 2


@pytest.mark.parametrize("lost", [["agent", "rotate", "eye"], ["agent", "remove", "eye"]], ids=lambda words: words[1])
def test_a_verdict_brings_no_words_that_the_server_would_not_take(
    in_review: Desk, tmp_path: Path, lost: list[str]
) -> None:
    """eye speaks with an old key, or after it was removed, by naming an older ledger; a verdict merges it."""
    late = Desk(tmp_path / "late", in_review.capsys)
    shutil.copytree(in_review.path, late.path, symlinks=True)
    late.ok("review", "comment", "T-1", "--text", "too late", "--as", "eye")
    in_review.ok(*lost)
    assert main(["server", "init", str(tmp_path / "hub.git")]) == 0
    git(tmp_path / "hub.git", "fetch", "-q", str(in_review.path), "main:main", "review/T-1:review/T-1")
    git(in_review.path, "fetch", "-q", str(late.path), "review/T-1:review/T-1")
    in_review.ok("review", "approve", "T-1", "--as", "qa")
    assert judged(in_review, tmp_path / "hub.git") == ["WORDS_VOID"]


@pytest.mark.parametrize(
    "words", [["review", "withdraw", "T-1"], ["review", "reject", "T-1", "--as", "qa", "--reason", "no"]]
)
def test_what_ends_a_review_does_not_depend_on_its_words(in_review: Desk, tmp_path: Path, words: list[str]) -> None:
    late = Desk(tmp_path / "late", in_review.capsys)
    shutil.copytree(in_review.path, late.path, symlinks=True)
    late.ok("review", "comment", "T-1", "--text", "too late", "--as", "eye")
    in_review.ok("agent", "rotate", "eye")
    assert main(["server", "init", str(tmp_path / "hub.git")]) == 0
    git(tmp_path / "hub.git", "fetch", "-q", str(in_review.path), "main:main", "review/T-1:review/T-1")
    git(in_review.path, "fetch", "-q", str(late.path), "review/T-1:review/T-1")
    in_review.ok(*words)
    assert judged(in_review, tmp_path / "hub.git") == []


def test_a_verdict_that_leaves_out_what_the_server_knows_is_refused(in_review: Desk, tmp_path: Path) -> None:
    late = Desk(tmp_path / "late", in_review.capsys)
    shutil.copytree(in_review.path, late.path, symlinks=True)
    in_review.ok("review", "comment", "T-1", "--text", "wait: it fails", "--as", "eye")
    assert main(["server", "init", str(tmp_path / "hub.git")]) == 0
    git(tmp_path / "hub.git", "fetch", "-q", str(in_review.path), "main:main", "review/T-1:review/T-1")
    late.ok("review", "approve", "T-1", "--as", "qa")
    assert judged(late, tmp_path / "hub.git") == ["BAD_MERGE"]


@pytest.mark.parametrize(("days", "codes"), [(0, []), (2, ["BACKDATED"])])
def test_a_use_of_a_quota_counts_by_the_servers_clock(desk: Desk, hub: Path, days: int, codes: list[str]) -> None:
    desk.ok("quota", "set", "q", "--limit", "1", "--period", "daily")
    desk.ok("quota", "set", "total", "--limit", "9", "--period", "none")
    git(hub, "fetch", "-q", str(desk.path), "main:main")
    old = git(hub, "rev-parse", "main").strip()
    desk.ok("quota", "use", "total", "--as", "dev")
    desk.ok("quota", "use", "q", "--as", "dev")
    new = git(desk.path, "rev-parse", "main").strip()
    git(hub, "fetch", "-q", str(desk.path), "main")
    opened = repository.Repository(hub.resolve(), None)
    now = int(time.time()) + days * 86400
    assert [one.code for one in push.pushed(opened, [(old, new, "refs/heads/main")], {}, now, None)] == codes
    first = [("0" * 40, new, "refs/heads/main")]
    git(hub, "update-ref", "-d", "refs/heads/main")
    assert push.pushed(opened, first, {}, now, None) == [], "the first push brings history"
    opened.close()


@pytest.mark.parametrize("hours", [11, 13])
@pytest.mark.parametrize(
    ("words", "late"),
    [
        (["agent", "add", "evil", "--role", "reviewer"], True),
        (["agent", "edit", "dev", "--role", "reviewer"], True),
        (["agent", "rotate", "qa", "--as", "orchestrator"], True),
        (["task", "add", "--title", "one"], False),
    ],
)
def test_who_is_introduced_is_so_by_the_servers_clock(
    desk: Desk, hub: Path, words: list[str], late: bool, hours: int
) -> None:
    old = git(hub, "rev-parse", "main").strip()
    desk.ok(*words)
    new = git(desk.path, "rev-parse", "main").strip()
    git(hub, "fetch", "-q", str(desk.path), "main")
    opened, now = repository.Repository(hub.resolve(), None), int(time.time()) + hours * 3600
    told = [one.code for one in push.pushed(opened, [(old, new, "refs/heads/main")], {}, now, None)]
    assert told == (["BACKDATED"] if late and hours > 12 else [])
    git(hub, "update-ref", "-d", "refs/heads/main")
    assert push.pushed(opened, [("0" * 40, new, "refs/heads/main")], {}, now, None) == [], "history may be brought"
    opened.close()


class TestManyCommits:
    """Bounds come first, and the newest signature is looked at before what it stands on is read."""

    @pytest.fixture
    def review(self, in_review: Desk, tmp_path: Path) -> tuple[Desk, Path]:
        """A server on which T-1 is in review."""
        hub = tmp_path / "hub.git"
        assert main(["server", "init", str(hub)]) == 0
        git(hub, "fetch", "-q", str(in_review.path), "main:main", "review/T-1:review/T-1")
        in_review.capsys.readouterr()
        return in_review, hub

    def judged(self, hub: Path, place: Path, new: str) -> list[str]:
        git(place, "update-ref", "refs/heads/bogus", new)
        git(hub, "fetch", "-q", str(place), "refs/heads/bogus")
        old = git(hub, "rev-parse", "review/T-1").strip()
        return [one.code for one in server.judge(hub, [f"{old} {new} refs/heads/review/T-1"])]

    def bogus(self, desk: Desk, count: int) -> str:
        """Commits like those of a review, signed by nobody."""
        desk.ok("review", "comment", "T-1", "--text", "fine", "--as", "qa")
        tip = git(desk.path, "rev-parse", "review/T-1").strip()
        real = git(desk.path, "cat-file", "commit", tip)
        for number in range(count):
            parent, _, _ = real.partition("\nparent ")[2].partition("\n")
            text = real.replace(parent, tip, 1).replace("comment", f"comment {number}", 1)
            tip = git(desk.path, "hash-object", "-t", "commit", "-w", "--stdin", input=text).strip()
        return tip

    def test_a_branch_whose_newest_commit_nobody_signed_is_not_walked(
        self, review: tuple[Desk, Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        desk, hub = review
        tip = self.bogus(desk, 30)
        monkeypatch.setattr("opsgit.verification.chain.Chain.branch", lambda *_: pytest.fail("it was walked"))
        assert self.judged(hub, desk.path, tip) == ["BAD_SIGNATURE"]

    def test_more_commits_than_a_server_takes_are_not_read(
        self, review: tuple[Desk, Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        desk, hub = review
        tip = self.bogus(desk, 6)
        monkeypatch.setattr(push, "REVIEW_MAX", 7)
        assert self.judged(hub, desk.path, tip) == ["BAD_SIGNATURE"], "7 are not too many"
        monkeypatch.setattr(push, "REVIEW_MAX", 6)
        monkeypatch.setattr(
            "opsgit.verification.verifier.Verifier.first_parents", lambda *_: pytest.fail("it was walked")
        )
        assert self.judged(hub, desk.path, tip) == ["TOO_LARGE"]

    def test_a_ledger_that_brings_too_much_is_not_read(
        self, desk: Desk, hub: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for number in range(3):
            desk.ok("task", "add", "--title", f"{number}")
        monkeypatch.setattr(push, "LEDGER_MAX", 3)
        assert judged(desk, hub) == []
        monkeypatch.setattr(push, "LEDGER_MAX", 2)
        assert judged(desk, hub) == ["TOO_LARGE"]
