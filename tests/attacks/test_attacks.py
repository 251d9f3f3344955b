"""Every attack of the corpus is found by `verify` and refused by the server, with the same code."""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path

import pytest

import opsgit
from opsgit.storage.repository import Repository
from opsgit.verification import server
from opsgit.verification.push import pushed
from opsgit.verification.verifier import Verifier
from tests.attacks.corpus import CORPUS
from tests.attacks.forge import Forge
from tests.conftest import git, judge_in


def found(forge: Forge) -> list[str]:
    forge.objects.write()
    repository = Repository((forge.path / ".git").resolve(), forge.path)
    try:
        return [one.code for one in Verifier(repository).run().findings]
    finally:
        repository.close()


@pytest.fixture
def many_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Judge in three processes."""
    judge_in(3, monkeypatch)


def judged(forge: Forge, honest: Path, box: Path) -> list[str]:
    """What door 3 says when all that is new is pushed to a server that has the honest history."""
    forge.objects.write()
    git(box, "clone", "-q", "--bare", str(honest), "hub.git")
    hub = Repository((box / "hub.git").resolve(), None)
    listed = git(forge.path, "for-each-ref", "--format=%(objectname) %(refname)", "refs/heads").split("\n")
    updates = []
    for new, ref in (line.split(" ") for line in listed if line):
        old = git(box / "hub.git", "rev-parse", "-q", "--verify", ref, check=False).strip() or "0" * 40
        if old != new:
            updates.append((old, new, ref))
    env = {
        "GIT_OBJECT_DIRECTORY": str(forge.path / ".git/objects"),
        "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(box / "hub.git/objects"),
    }
    try:
        return [one.code for one in pushed(hub, updates, env, int(time.time()) + 100, None)]
    finally:
        hub.close()


def test_the_corpus_is_large_enough() -> None:
    assert len(CORPUS) >= 120


# Codes of the judge that no attack here earns, and why.
ELSEWHERE = {
    "AHEAD_OF_TIME": "it depends on the clock: tests/operations/test_clock.py",
    "ATTACHMENT_UNFIT": "an attachment is no commit: tests/operations/test_reviews.py",
    "DELIVERABLE_REQUIRED": "a submission without a deliverable is no record (SCHEMA)",
    "NO_SUCH_OPERATION": "a commit with another operation writes nothing that it could write (CONTENT_MISMATCH)",
    "REPOSITORY_BROKEN": "no finding: the repository cannot be judged",
    "REVIEW_AHEAD": "no finding: what it needs is not here yet",
    "UNKNOWN_RULES": "no finding, unless an illegal commit named the version: tests/attacks/test_history.py",
}
JUDGES = ("domain/*.py", "verification/replay.py", "verification/chain.py", "verification/attachments.py", "storage/reader.py",
          "storage/schema.py", "storage/yaml_codec.py", "storage/objects.py", "storage/signed.py", "storage/branch.py")  # fmt: skip
GIVES = re.compile(r'(?:refuse|Refusal|wrong)\(\s*"([A-Z_]+)"')


def test_each_code_of_the_judge_has_an_attack() -> None:
    top = Path(opsgit.__path__[0])
    given = {code for pattern in JUDGES for file in top.glob(pattern) for code in GIVES.findall(file.read_text())}
    assert given >= {"BAD_TREE", "SELF_REVIEW", "BAD_MERGE"}, "the codes are found"
    assert given - {code for code, _ in CORPUS.values()} == set(ELSEWHERE)


def test_the_honest_repository_passes(forge: Forge) -> None:
    assert found(forge) == []


# The server refuses to leave its history before it looks at what comes instead.
LEAVING = ("a_foreign_root", "parents_in_the_wrong_order", "a_branch_commit_without_a_parent",
           "a_branch_that_begins_after_its_submission")  # fmt: skip
AT_THE_SERVER = dict.fromkeys(LEAVING, "NOT_FAST_FORWARD")


# A tenth of the corpus in the quick suite, and what alone notices a rule that tests/mutate.py names by hand; all of it
# in CI.
ALWAYS = ("a_branch_whose_ledgers_go_back", "a_branch_that_begins_after_its_submission",
          "a_verdict_older_than_the_words_that_it_merges", "tree: an empty folder")  # fmt: skip
SPREAD = [
    name if number % 10 == 0 or name in ALWAYS else pytest.param(name, marks=pytest.mark.slow)
    for number, name in enumerate(CORPUS)
]


@pytest.mark.parametrize("name", SPREAD)
def test_verify_finds_it(name: str, forge: Forge) -> None:
    code, attack = CORPUS[name]
    attack(forge)
    told = found(forge)
    assert told and told[0] == code, told


@pytest.mark.parametrize("name", SPREAD)
def test_several_processes_find_it_too(name: str, forge: Forge, many_cores: None) -> None:
    code, attack = CORPUS[name]
    attack(forge)
    told = found(forge)
    assert told and told[0] == code, told


def test_several_processes_find_what_one_finds(forge: Forge, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several faults in one ledger: the same findings in the same order, and as many commits judged."""
    for name in ("signature: none", "form: older than its parent", "form: an encoding header"):
        CORPUS[name][1](forge)
    alone = found(forge)
    assert len(alone) >= 3
    judge_in(4, monkeypatch)
    assert found(forge) == alone


@pytest.mark.slow
@pytest.mark.parametrize("name", CORPUS)
def test_the_server_refuses_it(name: str, forge: Forge, honest: tuple[Path, Path], tmp_path: Path) -> None:
    code, attack = CORPUS[name]
    attack(forge)
    refused = judged(forge, honest[0], tmp_path)
    assert refused and refused[0] == AT_THE_SERVER.get(name, code), refused


# Attacks that git's own check of objects refuses before the hook is asked, each with the word of that check.
FSCK = {
    "form: a NUL in the message": "nulInCommit",
    "form: a time like 007": "zeroPaddedDate",
    "form: no committer": "missingCommitter",
    "form: author twice": "multipleAuthors",
    "paths: a folder in gates that is .git": "hasDotgit",
    "tree: an entry twice": "duplicateEntries",
    "tree: unsorted": "treeNotSorted",
    "tree: a zero-padded mode": "zeroPaddedFilemode",
    "tree: a slash in a name": "fullPathname",
    "tree: no entries at all but garbage": "too-short tree object",
}


@pytest.mark.slow
def test_a_real_push_of_each_attack_is_refused_in_words(
    honest: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every twelfth attack, and what git itself refuses, through a real server: git push, pre-receive, the code at the pusher, nothing taken."""
    from tests.attacks.forge import copied

    server.init(tmp_path / "hub.git")
    git(honest[0], "push", "-q", str(tmp_path / "hub.git"), "main")
    before = git(tmp_path / "hub.git", "for-each-ref")
    for number, name in enumerate(dict.fromkeys([*list(CORPUS)[::12], *FSCK])):
        code, attack = CORPUS[name]
        monkeypatch.setenv("XDG_DATA_HOME", str(copied(honest[1], tmp_path / f"keys-{number}")))
        forge = Forge(copied(honest[0], tmp_path / f"copy-{number}"))
        attack(forge)
        forge.close()
        push = ["git", "-C", str(forge.path), "push", str(tmp_path / "hub.git"), "main", "refs/heads/review/*"]
        done = subprocess.run(push, capture_output=True, text=True, check=False)
        assert done.returncode != 0, name
        size = "TOO_LARGE: " if name == "yaml: 300 KiB" else ""  # the size of an object is looked at first
        unsent = "! [rejected]        main"  # by git itself
        ahead = "REVIEW_AHEAD" if name == "a_branch_judged_by_a_ledger_of_its_own" else code  # its objects are not sent
        known = (size or code, AT_THE_SERVER.get(name, ahead), unsent) if name not in FSCK else (FSCK[name],)
        assert any(word in done.stderr for word in known), (name, done.stderr)
        assert git(tmp_path / "hub.git", "for-each-ref") == before
