"""Review branches: the newest among the local one and the remotes', and what was done on it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from opsgit.domain import names
from opsgit.domain.refusals import Refused
from opsgit.domain.request import Signed
from opsgit.storage import branch, signed
from opsgit.storage.objects import Commit, Objects, signed_commit, unsigned_commit
from opsgit.storage.repository import Repository
from tests.conftest import Desk, git

REF = names.review_ref("T-1")
NO_SIGNATURE = "-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----\n"


@dataclass
class Bench:
    """A desk with T-1 in review and a remote that is never asked."""

    desk: Desk
    repository: Repository = field(init=False)

    def __post_init__(self) -> None:
        self.repository = Repository((self.desk.path / ".git").resolve(), self.desk.path)
        git(self.desk.path, "remote", "add", "origin", "/nowhere")
        git(self.desk.path, "config", "opsgit.sync", "manual")

    @property
    def objects(self) -> Objects:
        return self.repository.objects()

    def tip(self, ref: str = REF) -> str:
        return git(self.desk.path, "rev-parse", ref).strip()

    def put(self, commit: str, remote: str | None = None) -> None:
        """Set the local review branch, or a remote's."""
        ref = REF.replace("heads", f"remotes/{remote}") if remote else REF
        git(self.desk.path, "update-ref", ref, commit)

    def drop(self) -> None:
        git(self.desk.path, "update-ref", "-d", REF)

    def comment(self, words: str, by: str = "qa") -> str:
        self.desk.ok("review", "comment", "T-1", "--text", words, "--as", by)
        return self.tip()

    def newest(self, ledger: str = names.MAIN) -> str | None:
        return branch.newest(self.repository.git, self.objects, "T-1", self.tip(ledger))

    def code(self) -> str:
        with pytest.raises(Refused) as caught:
            self.newest()
        return caught.value.refusal.code

    def forge(self, base: str, parents: tuple[str, ...], name: str = "qa", ledger: bool = True) -> str:
        """Write a commit that reads as one of a review branch, signed by no key of anybody."""
        objects = self.objects
        trailer = f"Opsgit-Ledger: {self.tip(names.MAIN)}\n" if ledger else ""
        text = f"T-1: x\n\nOpsgit-Op: review.comment\nOpsgit-Repo: r {REF}\n{trailer}Opsgit-Id: x\n"
        commit = Commit(objects.root(base), parents, name, "x@y", 1_700_000_000, "", text)
        made = objects.add("commit", signed_commit(unsigned_commit(commit), NO_SIGNATURE))
        objects.write()
        return made

    def actions(self, tip: str) -> list[Signed]:
        snapshot = self.desk.session().look()
        return signed.actions(self.objects, tip, snapshot)

    def key(self, name: str) -> str:
        return self.desk.session().look().agent(name).active_keys[0]


@pytest.fixture
def bench(in_review: Desk) -> Iterator[Bench]:
    made = Bench(in_review)
    yield made
    made.repository.close()


def test_a_branch_that_is_here_alone_is_the_newest(bench: Bench) -> None:
    assert bench.newest() == bench.tip() != bench.tip(names.MAIN)
    said = bench.comment("one")
    assert bench.newest() == said
    bench.put(bench.tip(names.MAIN))
    assert bench.newest() == bench.tip(names.MAIN), "a branch that holds nothing but the submission"


def test_without_any_branch_there_is_none(bench: Bench) -> None:
    bench.drop()
    assert bench.newest() is None
    assert branch.newest(bench.repository.git, bench.objects, "T-9", bench.tip(names.MAIN)) is None


def test_the_one_that_goes_on_from_the_others_is_the_newest(bench: Bench) -> None:
    start, one, two = bench.tip(), bench.comment("one"), bench.comment("two", "dev")
    bench.put(one, "origin")
    assert bench.newest() == two
    bench.put(start)
    assert bench.newest() == one
    bench.put(two, "backup")
    assert bench.newest() == two
    bench.put(two)
    bench.put(two, "origin")
    assert bench.newest() == two
    bench.drop()
    bench.put(start, "origin")
    assert bench.newest() == two, "a remote's branch counts without a local one"


def test_a_branch_of_another_task_is_not_looked_at(bench: Bench) -> None:
    start, one = bench.tip(), bench.comment("one")
    bench.put(start)
    for other in ("T-10", "xT-1", "T-1/x", "x/T-1"):
        git(bench.desk.path, "update-ref", f"refs/remotes/origin/review/{other}", one)
        assert bench.newest() == start
        git(bench.desk.path, "update-ref", "-d", f"refs/remotes/origin/review/{other}")


def test_two_that_went_on_apart_are_stale(bench: Bench) -> None:
    start, one = bench.tip(), bench.comment("one")
    bench.put(start)
    two = bench.comment("two", "dev")
    bench.put(one, "origin")
    assert bench.code() == "STALE"
    bench.drop()
    bench.put(two, "backup")
    assert bench.code() == "STALE", "two remotes may be apart too"
    bench.put(start, "backup")
    assert bench.newest() == one


def test_branches_of_other_rounds_are_ignored(bench: Bench, output: Path) -> None:
    old = bench.comment("first round")
    bench.desk.ok("review", "withdraw", "T-1", "--as", "dev")
    (output / "result.txt").write_text("better\n")
    bench.desk.ok("task", "submit", "T-1", "--output", str(output))
    new = bench.tip()
    bench.put(old, "origin")
    assert bench.newest() == new
    said = bench.comment("second round")
    bench.put(said, "backup")
    bench.put(old)
    assert bench.newest() == said, "a local branch of another round counts as little"
    assert bench.newest(f"{names.MAIN}~2") == old, "which round is meant, the ledger says"
    git(bench.desk.path, "update-ref", "-d", REF.replace("heads", "remotes/backup"))
    assert bench.newest() is None, "a branch of another round is not the review"


@pytest.mark.parametrize("odd", ["README", "a tree", "unsigned", "genesis"])
def test_what_is_no_review_branch_is_ignored(bench: Bench, odd: str) -> None:
    said, folder = bench.comment("one"), bench.desk.path
    genesis = git(folder, "rev-list", "--max-parents=0", "main").strip()
    git(folder, "config", "commit.gpgsign", "false")
    made = {
        "README": lambda: git(folder, "rev-parse", "main:README.md"),
        "a tree": lambda: git(folder, "rev-parse", "main^{tree}"),
        "unsigned": lambda: git(folder, "commit-tree", "-m", "x", "-p", said, f"{said}^{{tree}}",
                                env={"GIT_AUTHOR_NAME": "x", "GIT_AUTHOR_EMAIL": "x@y", "GIT_COMMITTER_NAME": "x",
                                     "GIT_COMMITTER_EMAIL": "x@y", "PATH": "/usr/bin:/bin", "HOME": str(folder)}),
        "genesis": lambda: genesis,
    }[odd]().strip()  # fmt: skip
    (folder / ".git/refs/remotes/origin/review").mkdir(parents=True)
    (folder / ".git/refs/remotes/origin/review/T-1").write_text(f"{made}\n")
    assert bench.newest() == said


def test_a_review_commit_without_parents_is_ignored(bench: Bench) -> None:
    said = bench.comment("one")
    bench.put(bench.forge(bench.tip(names.MAIN), ()), "origin")
    assert bench.newest() == said


def test_a_repository_without_remotes_asks_for_none(bench: Bench) -> None:
    start, one = bench.tip(), bench.comment("one")
    bench.put(one, "origin")
    bench.put(start)
    git(bench.desk.path, "config", "--remove-section", "remote.origin")
    assert bench.newest() == start
    git(bench.desk.path, "remote", "add", "backup", "/nowhere")
    assert bench.newest() == one


def test_actions_are_newest_first_each_with_its_author_s_key(bench: Bench) -> None:
    assert bench.actions(bench.tip(names.MAIN)) == [], "the submission stands on the ledger"
    bench.comment("one")
    tip = bench.comment("two", "dev")
    assert bench.actions(tip) == [
        Signed("review.comment", "dev", bench.key("dev"), tip),
        Signed("review.comment", "qa", bench.key("qa"), bench.tip(f"{tip}~1")),
        Signed("review.request", "dev", bench.key("dev"), bench.tip(f"{tip}~2")),
    ]
    assert bench.actions(bench.tip(f"{tip}~1")) == bench.actions(tip)[1:]


def test_a_former_key_is_still_named(bench: Bench) -> None:
    before, tip = bench.key("qa"), bench.comment("one")
    bench.desk.ok("agent", "rotate", "qa", "--as", "qa")
    assert bench.key("qa") != before
    assert bench.actions(tip)[0] == Signed("review.comment", "qa", before, tip)
    again = bench.comment("two")
    assert [action.key for action in bench.actions(again)][:2] == [bench.key("qa"), before]


def test_a_commit_that_none_of_the_author_s_keys_signed_has_no_key(bench: Bench) -> None:
    said = bench.comment("one")
    made = bench.forge(said, (said,))
    assert [(action.by, action.key) for action in bench.actions(made)][:2] == [("qa", ""), ("qa", bench.key("qa"))]


def test_actions_end_where_the_ledger_begins(bench: Bench) -> None:
    said = bench.comment("one")
    made = bench.forge(said, (said,), ledger=False)
    assert bench.actions(made) == []
    assert bench.actions(bench.forge(said, (bench.forge(said, (said,)),)))[0].op == "review.comment"
    assert len(bench.actions(bench.forge(said, ()))) == 1


def test_actions_of_somebody_who_is_not_there_are_refused(bench: Bench) -> None:
    said = bench.comment("one")
    for name, code in (("ghost", "NOT_FOUND"), ("No Body", "BAD_NAME")):
        with pytest.raises(Refused) as caught:
            bench.actions(bench.forge(said, (said,), name))
        assert caught.value.refusal.code == code
    with pytest.raises(Refused) as caught:
        bench.actions("0" * 40)
    assert caught.value.refusal.code == "REPOSITORY_BROKEN"
