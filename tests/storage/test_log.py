"""The ledger read back from git's log: each commit's files, what history says of it, and the commits of one operation."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from opsgit.domain.message import Message
from opsgit.domain.records import Record
from opsgit.domain.refusals import Refused
from opsgit.storage import log
from opsgit.storage.git import Git
from opsgit.storage.log import Logged, summarize
from opsgit.storage.reader import read_record
from tests.conftest import Desk, git

PATH = "tasks/t1/T-1.yaml"
NO_BLOB = "0" * 40


def said(subject: str, op: str = "task.start", note: str = "", path: str | None = PATH) -> Message:
    return Message(subject, note, op, "r", "refs/heads/main", None, ((path, "-"),) if path else ())


def text(subject: str, op: str = "task.start", path: str = PATH) -> str:
    return f"{subject}\n\nOpsgit-Op: {op}\nOpsgit-Repo: r refs/heads/main\nOpsgit-Id: x\nOpsgit-File: {path} sha256:-\n"


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """A plain git repository that signs nothing."""
    git(tmp_path, "init", "-q", "-b", "main", "plain")
    for name, value in (("user.name", "dev"), ("user.email", "dev@x"), ("commit.gpgsign", "false")):
        git(tmp_path / "plain", "config", name, value)
    return tmp_path / "plain"


def commit(folder: Path, files: dict[str, str | None], words: str, at: int = 1_700_000_000) -> str:
    for path, content in files.items():
        if content is None:
            (folder / path).unlink()
        else:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(content)
    git(folder, "add", "-A")
    when = f"{at} +0000"
    git(folder, "commit", "-qm", words, env={**os.environ, "GIT_AUTHOR_DATE": when, "GIT_COMMITTER_DATE": when})
    return git(folder, "rev-parse", "HEAD").strip()


def blob(folder: Path, at: str, path: str) -> str:
    return git(folder, "rev-parse", f"{at}:{path}").strip()


def entries(folder: Path, tip: str, old: str | None = None) -> list[Logged]:
    return list(log.raw_entries(Git(folder / ".git"), tip, old))


def test_commits_come_oldest_first_with_the_blob_of_each_changed_file(plain: Path) -> None:
    first = commit(plain, {"a": "1\n", "ä b/→": "2\n"}, "one\n\nbody é", 1_700_000_001)
    second = commit(plain, {"a": None, "ä b/→": "3\n", "c": "1\n"}, "two", 1_700_000_002)
    one, two = entries(plain, second)
    assert (one.id, one.parents, one.agent, one.time) == (first, (), "dev", 1_700_000_001)
    assert one.message.rstrip("\n") == "one\n\nbody é"
    assert one.files == {"a": blob(plain, first, "a"), "ä b/→": blob(plain, first, "ä b/→")}
    assert (two.id, two.parents, two.time) == (second, (first,), 1_700_000_002)
    assert two.files == {"a": None, "ä b/→": blob(plain, second, "ä b/→"), "c": blob(plain, second, "c")}


def test_only_what_lies_behind_the_old_commit_is_read(plain: Path) -> None:
    made = [commit(plain, {"a": f"{number}\n"}, f"c{number}") for number in range(3)]
    assert [entry.id for entry in entries(plain, made[2], made[0])] == made[1:]
    assert [entry.id for entry in entries(plain, made[1])] == made[:2]
    assert entries(plain, made[1], made[1]) == []
    assert entries(plain, made[0], made[2]) == []


def test_a_merge_is_one_step_of_the_first_line(plain: Path) -> None:
    first = commit(plain, {"a": "1\n"}, "first")
    git(plain, "checkout", "-qb", "side")
    side = commit(plain, {"a": "2\n"}, "side")
    git(plain, "checkout", "-q", "main")
    second = commit(plain, {"b": "1\n"}, "second")
    git(plain, "merge", "-q", "--no-ff", "-m", "merge", "side")
    merge = git(plain, "rev-parse", "HEAD").strip()
    found = entries(plain, merge)
    assert [entry.id for entry in found] == [first, second, merge]
    assert found[2].parents == (second, side)
    assert found[2].files == {"a": blob(plain, side, "a")}


def test_a_commit_without_files_and_a_file_that_becomes_a_link_are_read_too(plain: Path) -> None:
    commit(plain, {"a": "1\n"}, "first")
    git(plain, "commit", "-q", "--allow-empty", "-m", "nothing")
    (plain / "a").unlink()
    (plain / "a").symlink_to("b")
    git(plain, "mv", "-k", "a", "a")
    last = commit(plain, {}, "link")
    _, empty, link = entries(plain, last)
    assert (empty.files, link.files) == ({}, {"a": blob(plain, last, "a")})


def test_a_renamed_file_is_one_gone_and_one_new(plain: Path) -> None:
    first = commit(plain, {"a": "the very same\n"}, "first")
    git(plain, "mv", "a", "b")
    last = commit(plain, {}, "renamed")
    assert entries(plain, last, first)[0].files == {"a": None, "b": blob(plain, first, "a")}


@pytest.mark.parametrize(
    "setting",
    ["i18n.logOutputEncoding=ISO-8859-1", "log.showSignature=true", "color.ui=always", "core.quotePath=true", "log.date=relative",
     "diff.renames=copies", "log.follow=true", "log.abbrevCommit=true", "core.abbrev=4", "log.diffMerges=combined", "format.pretty=oneline",
     "log.decorate=full", "diff.noprefix=true", "log.showRoot=false"],
)  # fmt: skip
def test_the_clone_s_settings_change_nothing(plain: Path, setting: str) -> None:
    commit(plain, {"é": "the very same\n"}, "first é")
    git(plain, "mv", "é", "b")
    last = commit(plain, {}, "second é")
    before = entries(plain, last)
    git(plain, "config", *setting.split("=", 1))
    assert entries(plain, last) == before


def test_a_tip_that_is_not_there_is_refused(plain: Path) -> None:
    commit(plain, {"a": "1\n"}, "first")
    with pytest.raises(Refused) as caught:
        entries(plain, "0" * 40)
    assert caught.value.refusal.code == "TOOL_FAILED"
    with pytest.raises(Refused) as caught:
        list(log.operations(Git(plain / ".git"), "0" * 40, PATH, "task.start"))
    assert caught.value.refusal.code == "TOOL_FAILED"


def test_a_transition_says_where_from_and_where_to() -> None:
    found = summarize("c", 7, "dev", said("T-1: assigned → in-progress", note="go"), {"assigned": "dev"})
    assert found == {"commit": "c", "at": 7, "by": "dev", "op": "task.start", "path": PATH, "what": "T-1", "before": "assigned",
                     "status": "in-progress", "note": "go", "assigned": "dev"}  # fmt: skip


def test_an_operation_that_moves_nothing_has_no_status() -> None:
    found = summarize("c", 7, "dev", said("T-1: commented", "task.comment"), {})
    assert found == {"commit": "c", "at": 7, "by": "dev", "op": "task.comment", "path": PATH, "what": "T-1"}
    found = summarize("c", 7, "boss", said("project: set idle", "project.set", path=None), {})
    assert (found["what"], found["path"]) == ("project", "")


def test_a_verdict_names_the_reviewers_and_a_submission_its_output() -> None:
    marks = [{"by": name, "at": "1970-01-01T00:00:05Z"} for name in ("qa", "qa2")]
    approved = summarize("c", 7, "qa2", said("T-1: review → done"), {"assigned": "dev", "review": {"sign_offs": marks}})
    assert (approved["reviewers"], approved["assigned"]) == (["qa", "qa2"], "dev")
    assert approved["signers"] == [["qa", 5], ["qa2", 5]]
    stopped = summarize("c", 7, "qa2", said("T-1: review → rejected"), {"review": {"sign_offs": marks[:1]}})
    assert stopped["reviewers"] == ["qa"] and "signers" not in stopped
    rejected = summarize("c", 7, "qa", said("T-1: review → rejected"), {"assigned": "dev", "review": {"round": 1}})
    assert "reviewers" not in rejected
    assert "reviewers" not in summarize("c", 7, "qa", said("T-1: review → cancelled"), {})
    handed = summarize(
        "c", 7, "dev", said("T-1: in-progress → review"), {"assigned": "dev", "submission": {"deliverable": "out"}}
    )
    assert (handed["output"], handed["assigned"]) == ("out", "dev")
    assert "output" not in summarize("c", 7, "dev", said("T-1: in-progress → review"), {})


def test_a_deployment_says_what_and_how() -> None:
    record = {
        "assigned": "dev",
        "deployment": {"ref": "v1", "evidence": "exit 0", "digest": "h"},
        "submission": {"deliverable": "out"},
    }
    found = summarize("c", 7, "ship", said("T-1: done → deployed"), record)
    assert {name: found.get(name) for name in ("ref", "evidence", "assigned", "output", "digest")} == {
        "ref": "v1", "evidence": "exit 0", "assigned": "dev", "output": None, "digest": None,
    }  # fmt: skip
    assert "ref" not in summarize("c", 7, "ship", said("T-1: deployed → rolled-back"), record)


def test_the_record_is_read_only_for_a_transition_whose_file_is_there() -> None:
    asked: list[tuple[str, str]] = []

    def record(path: str, blob: str) -> dict[str, str]:
        asked.append((path, blob))
        return {"assigned": "dev"}

    def summed(words: str, files: dict[str, str | None]) -> dict[str, object]:
        return log.summary(Logged("c", (), "dev", 7, words, files), record)

    assert "assigned" not in summed(text("T-1: commented"), {PATH: NO_BLOB})
    assert "assigned" not in summed(text("T-1: assigned → in-progress"), {PATH: None})
    assert "assigned" not in summed(text("T-1: assigned → in-progress"), {"other": NO_BLOB})
    assert asked == []
    assert summed(text("T-1: assigned → in-progress"), {PATH: NO_BLOB})["assigned"] == "dev"
    assert asked == [(PATH, NO_BLOB)]


def test_a_commit_that_is_not_ours_cannot_be_summed_up() -> None:
    with pytest.raises(Refused) as caught:
        log.summary(Logged("c", (), "dev", 7, "by hand\n", {}), lambda path, blob: {})
    assert caught.value.refusal.code == "MESSAGE_MISMATCH"


@pytest.fixture
def deployed(done: Desk) -> Desk:
    done.ok("task", "move", "T-1", "--to", "deployed", "--as", "ship", "--note", "Opsgit-Op: task.add\nit is live")
    return done


def test_the_log_of_a_real_ledger_tells_a_task_s_life(deployed: Desk, output: Path) -> None:
    session = deployed.session()
    objects = session.repository.objects()

    def record(path: str, blob: str) -> Record:
        return read_record(objects, session.repository.index, path, blob)

    found = [log.summary(entry, record) for entry in entries(deployed.path, "main")]
    life = [one for one in found if one["path"] == PATH]
    steps = [(one.get("before"), one["status"], one["by"]) for one in life if "status" in one]
    assert steps == [
        ("new", "assigned", "orchestrator"),
        ("assigned", "in-progress", "dev"),
        ("in-progress", "review", "dev"),
        ("review", "done", "qa"),
        ("done", "deployed", "ship"),
    ]
    assert {one["what"] for one in life} == {"T-1"}
    assert life[2]["output"] == str(output)
    assert life[3]["reviewers"] == ["qa"]
    assert life[-1]["evidence"] == "attested"
    assert (life[-2]["op"], life[-2]["note"]) == ("task.deploy-start", "Opsgit-Op: task.add\nit is live")
    assert [one["commit"] for one in found] == git(
        deployed.path, "rev-list", "--first-parent", "--reverse", "main"
    ).split()
    session.repository.close()


def test_a_deploy_commit_is_found_by_its_operation_and_not_by_words_in_a_note(deployed: Desk) -> None:
    repository = Git(deployed.path / ".git")
    deploy = git(deployed.path, "rev-parse", "main").strip()
    words = "x\n\nOpsgit-Op: task.deploy-finish\nOpsgit-Repo: r refs/heads/main\nOpsgit-Id: x"
    for as_note in (words, f"y\n\n{words}\n"):
        deployed.ok("task", "comment", "T-1", "--text", "see", "--as", "dev", "--note", as_note)
    tip = git(deployed.path, "rev-parse", "main").strip()
    assert "Opsgit-Op: task.deploy-finish" in git(deployed.path, "log", "-1", "--format=%B")
    assert list(log.operations(repository, tip, PATH, "task.deploy-finish")) == [deploy]
    session = deployed.session()
    assert session.look().reader.deploy_commit("T-1") == deploy
    session.repository.close()


def test_operations_on_one_file_come_newest_first_up_to_the_tip(deployed: Desk) -> None:
    repository = Git(deployed.path / ".git")
    made: list[str] = []
    for number in range(2):
        deployed.ok("task", "comment", "T-1", "--text", f"see {number}", "--as", "dev")
        made.insert(0, git(deployed.path, "rev-parse", "main").strip())
    deployed.ok("task", "add", "--id", "T-2", "--title", "another")
    deployed.ok("task", "comment", "T-2", "--text", "see", "--as", "dev")
    assert list(log.operations(repository, "main", PATH, "task.comment")) == made
    assert list(log.operations(repository, made[1], PATH, "task.comment")) == made[1:]
    assert list(log.operations(repository, "main", PATH, "task.comm")) == []
    assert list(log.operations(repository, "main", "tasks/t3/T-3.yaml", "task.comment")) == []
