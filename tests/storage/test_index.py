"""The index: advanced step by step or built anew, damaged, read only, of another format; it says what the ledger says."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from opsgit.domain import names, statistics
from opsgit.domain.records import Record
from opsgit.storage.disk import Damaged
from opsgit.storage.index import FORMAT, Entry, Index
from opsgit.storage.reader import TreeReader, sync_index
from opsgit.storage.repository import Repository
from tests.conftest import Desk, git

ONE, TWO, THREE = "1" * 40, "2" * 40, "3" * 40
PAGE = 4096
TASKS = "kind = 'task'"


def task(task_id: str, status: str = "backlog", priority: str = "medium", **more: Any) -> Record:
    return {
        "id": task_id,
        "title": f"Título {task_id}",
        "status": status,
        "priority": priority,
        "created": "2026-01-01",
        **more,
    }


def agent(name: str, status: str = "active") -> Record:
    return {"name": name, "role": "developer", "kind": "agent", "status": status}


def entry(commit: str, at: int, by: str, path: str, **more: Any) -> Entry:
    return {"commit": commit, "at": at, "by": by, "op": "task.start", "path": path, "what": "x", **more}


def advance(
    index: Index, old: str | None, new: str, records: Mapping[str, Record | None], log: list[Entry] | None = None
) -> None:
    """Advance by records at paths; a blob's id is made of the record."""
    blobs = {path: json.dumps(record) if record else None for path, record in records.items()}
    index.advance(old, new, blobs.items(), lambda path, blob: json.loads(blob), log or [])


def put(*records: Record) -> dict[str, Record | None]:
    return {names.path_of("task" if "id" in one else "agent", one.get("id") or one["name"]): one for one in records}


def ids(index: Index, where: str = TASKS, *values: Any, order: str = "path", limit: int | None = None) -> list[str]:
    return [record["id"] for record in index.select(where, values, order, limit)]


def damage(folder: Path, table: str | None = None) -> None:
    """Overwrite the pages behind the first, or the first page of one table."""
    file = folder / "index.db"
    first = 1
    if table:
        base = sqlite3.connect(file)
        first = base.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()[0] - 1
        base.close()
    raw = bytearray(file.read_bytes())
    end = (first + 1) * PAGE if table else len(raw)
    raw[first * PAGE : end] = b"\xff" * (end - first * PAGE)
    file.write_bytes(raw)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "opsgit"


@pytest.fixture
def index(folder: Path) -> Iterator[Index]:
    """An index with two tasks and one agent, at the commit ONE."""
    made = Index(folder)
    log = [entry(ONE, 10, "boss", names.task_path("T-1")), entry(ONE, 20, "dev", names.task_path("T-2"))]
    advance(made, None, ONE, put(task("T-1"), task("T-2", "assigned", "high", assigned="dev"), agent("dev")), log)
    yield made
    made.close()


def test_a_new_index_is_empty_and_lies_in_the_folder(folder: Path) -> None:
    index = Index(folder)
    assert index.path == folder / "index.db" and index.path.exists()
    assert (index.tip(), index.record("x"), index.log("1"), ids(index), index.count("1", ())) == (None, None, [], [], 0)
    assert (index.active_agents(), index.statuses(["T-1"]), index.last_times("path")) == ([], {}, {})
    assert index.base.execute("PRAGMA user_version").fetchone() == (FORMAT,)
    index.close()


def test_what_was_kept_is_there_again(folder: Path) -> None:
    index = Index(folder)
    index.keep("b1", {"title": "é\U0001f600"})
    index.keep("b2", {"n": 1, "list": [1.5, True]})
    index.keep("b1", {"title": "a blob never changes"})
    index.close()
    index = Index(folder)
    assert index.record("b1") == {"title": "é\U0001f600"}
    assert index.record("b2") == {"n": 1, "list": [1.5, True]}
    assert index.record("b3") is None
    index.close()


def test_without_a_folder_it_is_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    index = Index(None)
    advance(index, None, ONE, put(task("T-1")))
    assert (index.path, index.tip(), ids(index)) == (None, ONE, ["T-1"])
    assert Index(None).tip() is None
    assert sorted(tmp_path.rglob("*")) == before
    index.close()


def test_advancing_changes_what_changed_and_leaves_the_rest(index: Index, folder: Path) -> None:
    change = {**put(task("T-1", "assigned"), task("T-3")), names.task_path("T-2"): None}
    advance(index, ONE, TWO, change, [entry(TWO, 30, "boss", names.task_path("T-3"))])
    index.close()
    again = Index(folder)
    assert again.tip() == TWO
    assert ids(again) == ["T-1", "T-3"]
    assert again.statuses(["T-1", "T-2", "T-3"]) == {"T-1": "assigned", "T-3": "backlog"}
    assert again.active_agents() == ["dev"]
    assert [one["at"] for one in again.log("1")] == [10, 20, 30]
    assert again.record(json.dumps(task("T-1"))) == task("T-1"), (
        "what was parsed is kept, though the tip has it no more"
    )
    again.close()


@pytest.mark.parametrize("old", [None, TWO, "", ONE[:7]])
def test_advancing_from_another_tip_does_nothing(index: Index, old: str | None) -> None:
    before = dump(index)
    advance(index, old, THREE, {**put(task("T-9")), names.task_path("T-1"): None}, [entry(THREE, 30, "x", "p")])
    assert index.tip() == ONE
    assert dump(index) == before


def test_of_two_that_advance_at_once_the_second_does_nothing(index: Index, folder: Path) -> None:
    other = Index(folder)
    advance(other, ONE, TWO, put(task("T-3")), [entry(TWO, 30, "a", "p")])
    advance(index, ONE, TWO, put(task("T-3")), [entry(TWO, 30, "a", "p")])
    assert (index.tip(), len(index.log("1"))) == (TWO, 3)
    other.close()


def test_a_record_that_is_refused_leaves_everything_as_it_was(index: Index) -> None:
    before = dump(index)

    def record(path: str, blob: str) -> Record:
        raise KeyError(path)

    with pytest.raises(KeyError):
        index.advance(ONE, TWO, [(names.task_path("T-1"), "new")], record, [])
    assert dump(index) == before and index.tip() == ONE
    with pytest.raises(KeyError):
        advance(index, ONE, TWO, put(task("T-3")), [{"commit": TWO}])
    assert dump(index) == before and index.tip() == ONE
    advance(index, ONE, TWO, put(task("T-3")))
    assert index.tip() == TWO, "and it can go on"


def test_managed_files_are_no_state_and_are_not_parsed(index: Index) -> None:
    def record(path: str, blob: str) -> Record:
        raise AssertionError(path)

    managed = {"README.md": "b1", "gates/check": "b2", ".github/workflows/x.yml": None}
    index.advance(ONE, TWO, managed.items(), record, [])
    assert (index.tip(), index.count("1", ())) == (TWO, 3)


def test_a_restart_forgets_state_and_log_but_not_what_was_parsed(index: Index) -> None:
    index.restart()
    assert (index.tip(), ids(index), index.log("1"), index.active_agents()) == (None, [], [], [])
    assert index.record(json.dumps(task("T-1"))) == task("T-1")


class TestQuestions:
    """What is asked of the state and of the log."""

    @pytest.fixture
    def index(self) -> Iterator[Index]:
        made = Index(None)
        tasks = [
            task("T-1", "backlog", "low"),
            task("T-2", "rejected", "low", assigned="dev"),
            task("T-3", "backlog", "critical", tags=["a", "b"]),
            task("T-4", "cancelled", "critical"),
            task("T-5", "review", "medium", assigned="dev", tags=["b"]),
        ]
        paths = [names.task_path(one["id"]) for one in tasks]
        log = [
            entry(ONE, 10 * n, "boss" if n % 2 else "dev", path, status="backlog") for n, path in enumerate(paths, 1)
        ]
        log.append(entry(ONE, 5, "dev", paths[0], note="spät"))  # a clock that went back
        advance(made, None, ONE, put(*tasks, agent("dev"), agent("gone", "removed"), agent("qa")), log)
        yield made
        made.close()

    def test_select_gives_records_in_the_order_and_up_to_the_limit(self, index: Index) -> None:
        assert ids(index) == ["T-1", "T-2", "T-3", "T-4", "T-5"]
        assert ids(index, order="path DESC", limit=2) == ["T-5", "T-4"]
        assert ids(index, limit=0) == []
        assert ids(index, TASKS + " AND status = ?", "backlog") == ["T-1", "T-3"]
        assert ids(index, "assigned = ?", "dev") == ["T-2", "T-5"]
        assert index.select("name = ?", ("T-3",), "path")[0] == task("T-3", "backlog", "critical", tags=["a", "b"])
        assert index.select("kind = 'agent' AND status = 'removed'", (), "path") == [agent("gone", "removed")]

    def test_a_user_s_words_are_values_and_not_sql(self, index: Index) -> None:
        assert ids(index, "assigned = ?", "' OR 1 = 1 --") == []
        assert index.count("name = ?", ("T-1'; DELETE FROM state; --",)) == 0
        assert index.statuses(["T-1') OR (1 = 1", '"'] * 2) == {}
        assert index.count("1", ()) == 8

    def test_the_most_urgent_come_first(self, index: Index) -> None:
        assert ids(index, order="need, priority, path") == ["T-2", "T-5", "T-3", "T-1", "T-4"]
        assert ids(index, order="priority, path") == ["T-3", "T-4", "T-5", "T-1", "T-2"]
        assert index.count("kind = 'agent' AND need IS NULL AND priority IS NULL", ()) == 3

    def test_count_agrees_with_select(self, index: Index) -> None:
        tagged = "EXISTS (SELECT 1 FROM json_each(record, '$.tags') WHERE value = ?)"
        for where, values in (("1", ()), (TASKS, ()), ("status = ?", ("backlog",)), (tagged, ("b",)), (tagged, ("c",))):
            assert index.count(where, values) == len(index.select(where, values, "path"))
        assert (index.count("1", ()), index.count(TASKS, ()), index.count(tagged, ("b",))) == (8, 5, 2)

    def test_statuses_are_of_tasks_that_are_there(self, index: Index) -> None:
        assert index.statuses(["T-2", "T-9", "dev", "t-1", "T-1"]) == {"T-2": "rejected", "T-1": "backlog"}
        assert index.statuses([]) == {}
        assert index.statuses(f"T-{number}" for number in range(5000)).keys() == {"T-1", "T-2", "T-3", "T-4", "T-5"}

    def test_who_was_removed_is_not_active(self, index: Index) -> None:
        assert sorted(index.active_agents()) == ["dev", "qa"]

    def test_the_log_is_oldest_first_and_the_newest_when_so_many_are_asked_for(self, index: Index) -> None:
        assert [one["at"] for one in index.log("1")] == [10, 20, 30, 40, 50, 5]
        assert [one["at"] for one in index.log("1", (), 2)] == [50, 5]
        assert index.log("1", (), 0) == []
        assert [one["at"] for one in index.log("path = ?", (names.task_path("T-1"),))] == [10, 5]
        assert index.log("path = ?", (names.task_path("T-1"),), 1) == [
            entry(ONE, 5, "dev", names.task_path("T-1"), note="spät")
        ]
        assert [one["at"] for one in index.log("status IS NULL")] == [5]
        assert [one["at"] for one in index.log("time >= ? AND agent = ?", (20, "dev"))] == [20, 40]

    def test_the_last_times_are_the_latest_and_not_those_of_the_last_rows(self, index: Index) -> None:
        assert index.last_times("agent") == {"boss": 50, "dev": 40}
        assert index.last_times("path") == {names.task_path(f"T-{n}"): 10 * n for n in range(1, 6)}


class TestDamage:
    """A file that cannot be read is removed; one that cannot be written is left alone, and memory is used."""

    @pytest.mark.parametrize(
        "content", [b"garbage" * 1000, b"SQLite format 3\0" + b"\xff" * 5000, b""], ids=["garbage", "head", "empty"]
    )
    def test_a_file_that_is_no_database_is_begun_anew(self, index: Index, folder: Path, content: bytes) -> None:
        index.close()
        (folder / "index.db").write_bytes(content)
        again = Index(folder)
        assert (again.path, again.tip(), ids(again)) == (folder / "index.db", None, [])
        advance(again, None, TWO, put(task("T-3")))
        again.close()
        last = Index(folder)
        assert (last.tip(), ids(last)) == (TWO, ["T-3"])
        last.close()

    @pytest.mark.parametrize("change", ["older", "newer", "foreign"])
    def test_another_format_is_begun_anew(self, index: Index, folder: Path, change: str) -> None:
        number = {"older": FORMAT - 1, "newer": FORMAT + 1, "foreign": 0}[change]
        index.base.execute("DROP TABLE log")
        index.base.execute("CREATE TABLE log (of, another, shape)")
        index.base.execute(f"PRAGMA user_version = {number}")
        index.close()
        again = Index(folder)
        assert again.base.execute("PRAGMA user_version").fetchone() == (FORMAT,)
        assert again.path == folder / "index.db", "in the same file"
        assert (again.tip(), ids(again), again.log("1"), again.record(json.dumps(task("T-1")))) == (None, [], [], None)
        advance(again, None, TWO, put(task("T-3")), [entry(TWO, 1, "a", "p")])
        assert len(again.log("1")) == 1
        again.close()

    def test_the_same_format_is_taken_as_it_is(self, index: Index, folder: Path) -> None:
        before = dump(index)
        index.close()
        again = Index(folder)
        assert dump(again) == before
        again.close()

    QUESTIONS = [
        lambda index: index.tip(),
        lambda index: index.record("x"),
        lambda index: index.log("1"),
        lambda index: index.last_times("agent"),
        lambda index: index.select(TASKS, (), "path"),
        lambda index: index.count(TASKS, ()),
        lambda index: index.statuses(["T-1"]),
        lambda index: index.active_agents(),
    ]

    @pytest.mark.parametrize("ask", QUESTIONS)
    def test_damage_that_is_met_later_is_said_and_the_file_is_gone(self, index: Index, folder: Path, ask: Any) -> None:
        index.close()
        damage(folder)
        again = Index(folder)
        with pytest.raises(Damaged):
            ask(again)
        assert not (folder / "index.db").exists()
        assert (again.path, again.tip()) == (None, None), "it goes on in memory"
        ask(again)
        advance(again, None, TWO, put(task("T-3")))
        assert ids(again) == ["T-3"]
        again.close()
        assert Index(folder).path == folder / "index.db", "and the next one begins a new file"

    def test_keeping_never_fails(self, index: Index, folder: Path) -> None:
        index.close()
        damage(folder)
        again = Index(folder)
        again.keep("b", {"title": "x"})
        assert again.record("b") == {"title": "x"}
        again.close()
        assert again.path is None and not (folder / "index.db").exists()

    def test_advancing_where_what_was_parsed_is_damaged_goes_on_in_memory(self, index: Index, folder: Path) -> None:
        index.close()
        damage(folder, "parsed")
        again = Index(folder)
        advance(again, ONE, TWO, put(task("T-3")))
        assert (again.path, again.tip()) == (None, None), (
            "half of it is nowhere: it must be advanced again from nothing"
        )
        assert ids(again) == [] and not (folder / "index.db").exists()
        again.close()

    @pytest.mark.parametrize("table", ["tip", "parsed"])
    def test_damage_that_is_met_while_advancing_is_said(self, index: Index, folder: Path, table: str) -> None:
        index.close()
        damage(folder, table)
        again = Index(folder)
        with pytest.raises(Damaged):
            again.advance(
                ONE, TWO, [(names.task_path("T-3"), "b")], lambda path, blob: again.record(blob) or task("T-3"), []
            )
        assert not (folder / "index.db").exists()
        advance(again, None, TWO, put(task("T-3")))
        assert ids(again) == ["T-3"]

    def test_damage_that_is_met_by_a_restart_is_said_or_mended(self, index: Index, folder: Path) -> None:
        index.close()
        damage(folder, "state")
        again = Index(folder)
        try:
            again.restart()
        except Damaged:
            assert not (folder / "index.db").exists()
        assert (again.tip(), ids(again)) == (None, [])

    def test_what_cannot_be_opened_is_left_alone(self, folder: Path) -> None:
        (folder / "index.db").mkdir(parents=True)
        index = Index(folder)
        assert (index.path, index.tip()) == (None, None)


AS_READER = """
import os, sys
from pathlib import Path
from opsgit.storage.index import Index
if os.geteuid() == 0: os.setuid(65534)
index = Index(Path(sys.argv[1]) / "opsgit")
def ids(): return [record["id"] for record in index.select("1", (), "path")]
print(index.path is not None, index.tip() == "1" * 40, ids())
index.keep("b", {"title": "x"})
print(index.record("b"))
record = {"id": "T-3", "status": "backlog", "priority": "low"}
for _ in range(2): index.advance(index.tip(), "2" * 40, [("tasks/t3/T-3.yaml", "c")], lambda path, blob: record, [])
print(index.path is not None, ids())
"""


class TestReadOnly:
    """Somebody who may only read still reads."""

    @pytest.fixture
    def box(self) -> Iterator[Path]:
        """A folder that another user can reach, with the index of two tasks."""
        made = Path(tempfile.mkdtemp(prefix="opsgit-index-"))
        made.chmod(0o755)
        index = Index(made / "opsgit")
        advance(index, None, ONE, put(task("T-1"), task("T-2")))
        index.close()
        yield made
        for place in (made, made / "opsgit"):
            place.chmod(0o755)
        shutil.rmtree(made)

    def ask(self, box: Path) -> list[str]:
        """What an index says to somebody who may not write."""
        command = [sys.executable, "-c", AS_READER, str(box)]
        top = Path(__file__).parent.parent.parent
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            cwd=top,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    def test_a_folder_that_cannot_be_written_is_not_used(self, box: Path) -> None:
        before = (box / "opsgit/index.db").read_bytes()
        (box / "opsgit").chmod(0o555)
        assert self.ask(box) == ["False False []", "{'title': 'x'}", "False ['T-3']"]
        assert (box / "opsgit/index.db").read_bytes() == before

    def test_no_folder_is_made_where_none_can_be(self, box: Path) -> None:
        shutil.rmtree(box / "opsgit")
        box.chmod(0o555)
        assert self.ask(box) == ["False False []", "{'title': 'x'}", "False ['T-3']"]
        assert not (box / "opsgit").exists()
        (box / "opsgit").mkdir()

    def test_a_file_that_cannot_be_written_is_read_until_something_is_to_be_written(self, box: Path) -> None:
        (box / "opsgit").chmod(0o777)
        (box / "opsgit/index.db").chmod(0o444)
        before = (box / "opsgit/index.db").read_bytes()
        assert self.ask(box) == ["True True ['T-1', 'T-2']", "{'title': 'x'}", "False ['T-3']"]
        assert (box / "opsgit/index.db").read_bytes() == before, "it is not damaged, so it stays"


TABLES = {
    "state": "SELECT * FROM state ORDER BY path",
    "log": "SELECT id, time, agent, op, path, status, entry FROM log ORDER BY seq",
    "tip": "SELECT id FROM tip",
    "records": "SELECT path, record FROM state JOIN parsed USING (blob) ORDER BY path",
}


def dump(index: Index) -> dict[str, list[Any]]:
    """All that an index says of the tip."""
    return {name: index.base.execute(query).fetchall() for name, query in TABLES.items()}


def meaning(index: Index) -> dict[str, list[Any]]:
    """The same with records and entries parsed: the order of their fields is nobody's business."""
    found = dump(index)
    found["records"] = [(path, json.loads(record)) for path, record in found["records"]]
    found["log"] = [(*row[:-1], json.loads(row[-1])) for row in found["log"]]
    return found


class TestLedger:
    """A real ledger, and what its index says of it."""

    @pytest.fixture
    def repository(self, done: Desk) -> Iterator[Repository]:
        """A repository of all kinds of files and of every kind of step: submitted, judged, deployed, rolled back, cancelled."""
        done.ok("task", "move", "T-1", "--to", "deployed", "--as", "ship", "--note", "live → now: é")
        done.ok("rollback", "T-1", "--as", "ship", "--reason", "errors")
        done.ok(
            "task", "add", "--id", "a.B_c-9", "--title", "x: a → b", "--priority", "critical", "--depends-on", "T-1"
        )
        done.ok("task", "edit", "a.B_c-9", "--title", "y: b → c")
        done.ok("task", "add", "--id", "T-2", "--title", "Two", "--assign", "dev")
        done.ok("task", "cancel", "T-2", "--reason", "no use")
        done.ok("agent", "add", "old", "--role", "developer")
        done.ok("agent", "remove", "old")
        done.ok("quota", "set", "q", "--limit", "3", "--period", "daily")
        done.ok("metric", "set", "downloads", "3", "--as", "eye")
        done.ok("alert", "raise", "--message", "hot", "--severity", "warning", "--as", "eye")
        repository = Repository((done.path / ".git").resolve(), done.path)
        yield repository
        repository.close()

    def test_a_new_index_equals_one_that_was_advanced_by_each_command(self, repository: Repository) -> None:
        fresh = Index(None)
        sync_index(repository.objects(), fresh, repository.tip())
        assert repository.index.tip() == repository.tip(), "each command has advanced it"
        anew, stepwise = meaning(fresh), meaning(repository.index)
        assert {**anew, "log": []} == {**stepwise, "log": []}
        assert [one for one in anew["log"] if one[5]] == [one for one in stepwise["log"] if one[5]], "transitions"
        assert [one[:-1] for one in anew["log"]] == [one[:-1] for one in stepwise["log"]]
        fresh.close()

    def test_history_is_the_same_when_the_index_was_built_anew(self, in_review: Desk) -> None:
        in_review.ok("task", "add", "--id", "T-2", "--title", "Two", "--assign", "dev")
        in_review.ok("task", "edit", "T-2", "--title", "Zwei")
        before = in_review.ok("history", "T-2", "--all", "--json").json
        (in_review.path / ".git/opsgit/index.db").unlink()
        assert in_review.ok("history", "T-2", "--all", "--json").json == before

    def test_a_new_index_equals_one_that_was_advanced_commit_by_commit(
        self, repository: Repository, tmp_path: Path
    ) -> None:
        assert repository.top
        objects, stepwise = repository.objects(), Index(tmp_path / "stepwise")
        commits = git(repository.top, "rev-list", "--first-parent", "--reverse", "main").split()
        for commit in commits:
            sync_index(objects, stepwise, commit)
            assert stepwise.tip() == commit
        fresh = Index(None)
        sync_index(objects, fresh, commits[-1])
        assert dump(fresh) == dump(stepwise)
        assert [one["commit"] for one in fresh.log("1")] == commits
        for made in (fresh, stepwise):
            made.close()

    def test_a_ledger_that_was_rewound_is_listed_anew(self, repository: Repository) -> None:
        index, fresh, objects = repository.index, Index(None), repository.objects()
        back = git(repository.folder, "rev-parse", "main~4").strip()
        sync_index(objects, index, back)
        sync_index(objects, fresh, back)
        assert meaning(index) == meaning(fresh)
        assert index.tip() == back and index.count("kind = 'quota'", ()) < 2
        fresh.close()

    def test_a_ledger_that_was_forked_is_listed_anew(self, repository: Repository) -> None:
        index, fresh, folder = repository.index, Index(None), repository.folder
        git(folder, "config", "commit.gpgsign", "false")
        words = git(folder, "log", "-1", "--format=%B", "main~3")
        fork = git(folder, "commit-tree", "-p", "main~4", "-m", words, "main~3^{tree}").strip()
        sync_index(repository.objects(), index, fork)
        sync_index(repository.objects(), fresh, fork)
        assert meaning(index) == meaning(fresh)
        assert index.log("1")[-1]["commit"] == fork
        fresh.close()

    def test_it_answers_what_the_tree_and_git_s_log_say(self, repository: Repository) -> None:
        index, folder = repository.index, repository.folder
        reader = TreeReader(repository.objects(), Index(None), repository.tip())
        listed = [
            path for path in git(folder, "ls-tree", "-r", "--name-only", "main").split() if not names.is_managed(path)
        ]
        assert [row[0] for row in dump(index)["state"]] == sorted(listed)
        for path in listed:
            kind, name = names.place(path)
            assert index.select("path = ?", (path,), "path") == [reader.record(path)]
            assert index.count("kind = ? AND name = ?", (kind, name)) == 1
        assert index.statuses(["T-1", "T-2", "a.B_c-9"]) == {
            "T-1": "rolled-back",
            "T-2": "cancelled",
            "a.B_c-9": "backlog",
        }
        assert sorted(index.active_agents()) == ["dev", "eye", "orchestrator", "qa", "ship"]
        said = [
            line.split("\t")
            for line in git(folder, "log", "--first-parent", "--format=%ct%x09%an", "main").splitlines()
        ]
        assert [(str(one["at"]), one["by"]) for one in index.log("1")] == [tuple(line) for line in reversed(said)]
        assert index.last_times("agent") == {by: max(int(at) for at, name in said if name == by) for _, by in said}
        done = statistics.figures(index.log("1"), 0).agents
        assert index.agents() == {name: (done[name].completed, at) for name, at in index.last_times("agent").items()}
        last = index.last_times("path")
        assert [updated for _, updated in index.touched(TASKS, (), "path")] == [
            last[path] for path in listed if path in last and path.startswith("tasks/")
        ]
        for status, number in index.tally("status", TASKS, ()).items():
            assert number == index.count(f"{TASKS} AND status = ?", (status,))
        path = names.task_path("T-1")
        touched = git(folder, "log", "--first-parent", "--reverse", "--format=%H", "main", "--", path).split()
        assert [one["commit"] for one in index.log("path = ?", (path,))] == touched

    def test_a_damaged_file_costs_a_command_nothing(self, repository: Repository, done: Desk) -> None:
        repository.index.close()
        damage(repository.own)
        assert {one["id"] for one in done.ok("task", "list", "--all", "--json").json["tasks"]} == {
            "T-1",
            "T-2",
            "a.B_c-9",
        }
        assert done.status("T-1") == "rolled-back"


def test_a_number_that_no_database_computes_with_is_the_highest(folder: Path) -> None:
    index = Index(folder)
    advance(
        index, None, ONE, put(task("T-9"), task("T-100000000000000000000"), task("T-99999999999999999999"), task("X-7"))
    )
    assert index.highest_number() == 100_000_000_000_000_000_000
    index.close()


def test_texts_are_kept_until_their_task_changes(index: Index) -> None:
    assert [(name, isinstance(kept, str)) for name, kept in index.lines()] == [("T-1", False), ("T-2", False)]
    assert [one[1]["id"] for one in index.without_line()] == ["T-1", "T-2"]
    assert index.keep_lines(ONE, [("T-1", "one"), ("T-2", "two"), ("T-9", "no task")])
    assert list(index.lines()) == [("T-1", "one"), ("T-2", "two")]
    advance(index, ONE, TWO, {**put(task("T-1", "assigned"), task("T-3"))}, [entry(TWO, 30, "a", "p")])
    assert [(name, kept if isinstance(kept, str) else kept[1]["status"]) for name, kept in index.lines()] == [
        ("T-1", "assigned"), ("T-2", "two"), ("T-3", "backlog")]  # fmt: skip
    assert [one[1]["id"] for one in index.without_line()] == ["T-1", "T-3"]


def test_texts_of_another_commit_are_not_kept(index: Index) -> None:
    assert not index.keep_lines(TWO, [("T-1", "one")])
    assert [one[1]["id"] for one in index.without_line()] == ["T-1", "T-2"]


def test_texts_are_not_kept_while_another_process_writes(index: Index, folder: Path) -> None:
    index.base.execute("PRAGMA busy_timeout = 10")
    other = Index(folder)
    other.base.execute("BEGIN IMMEDIATE")
    assert not index.keep_lines(ONE, [("T-1", "one")])
    other.base.execute("ROLLBACK")
    assert [one[1]["id"] for one in index.without_line()] == ["T-1", "T-2"]
    assert index.path
    other.close()


def test_nothing_changes_while_it_is_read(index: Index, folder: Path) -> None:
    other = Index(folder)
    other.base.execute("PRAGMA busy_timeout = 10")
    with index.unchanged():
        advance(other, ONE, TWO, put(task("T-3")), [entry(TWO, 30, "a", "p")])
        assert (index.tip(), ids(index)) == (ONE, ["T-1", "T-2"])
    assert other.path is None, "it goes on in memory: its command must not wait for long"
    other.close()
    again = Index(folder)
    advance(again, ONE, TWO, put(task("T-3")), [entry(TWO, 30, "a", "p")])
    assert index.tip() == TWO
    again.close()


def test_a_text_goes_with_each_operation_on_its_task_also_if_the_file_is_as_before(index: Index) -> None:
    index.keep_lines(ONE, [("T-1", "one"), ("T-2", "two")])
    path = names.task_path("T-1")
    advance(
        index, ONE, TWO, {}, [entry(TWO, 30, "a", path, status="backlog"), entry(TWO, 31, "a", path, status="assigned")]
    )
    assert [one[1]["id"] for one in index.without_line()] == ["T-1"]


def test_damaged_texts_are_met_as_damage(folder: Path) -> None:
    index = Index(folder)
    advance(index, None, ONE, put(*(task(f"T-{number}") for number in range(200))))
    index.keep_lines(ONE, [(f"T-{number}", "x" * 500) for number in range(200)])
    index.close()
    base = sqlite3.connect(folder / "index.db")
    (first,) = base.execute("SELECT rootpage FROM sqlite_master WHERE name = 'line'").fetchone()
    base.close()
    raw = bytearray((folder / "index.db").read_bytes())
    assert raw[(first - 1) * PAGE] == 2, "an inner page: the root is whole, and what is under it is damaged"
    child = int.from_bytes(raw[(first - 1) * PAGE + 8 :][:4], "big")
    raw[(child - 1) * PAGE : child * PAGE] = b"\xff" * PAGE
    (folder / "index.db").write_bytes(raw)
    for read in (lambda one: list(one.lines()), lambda one: one.keep_lines(ONE, [("T-99", "y")])):
        (folder / "index.db").write_bytes(raw)
        index = Index(folder)
        with pytest.raises(Damaged):
            read(index)
        assert not (folder / "index.db").exists(), "the next command makes a new one"
        index.close()


def test_the_text_of_a_task_that_is_gone_goes_with_it_and_no_other(index: Index) -> None:
    """main may be set back to where a task was not yet; a file of another kind may have the name of a task."""
    advance(index, ONE, TWO, {names.task_path("T-2"): None, names.path_of("agent", "t-1"): None}, [])
    assert [name for name, _ in index.lines()] == ["T-1"]


@pytest.mark.parametrize("table", ["log", "state", "parsed"])
def test_a_damaged_page_that_is_met_on_the_way_is_damage_too(folder: Path, table: str) -> None:
    index = Index(folder)
    tasks = [task(f"T-{number}", note="x" * 300) for number in range(400)]
    advance(
        index,
        None,
        ONE,
        put(*tasks),
        [entry(ONE, 10, "a", names.task_path(one["id"]), note="y" * 300) for one in tasks],
    )
    index.close()
    base = sqlite3.connect(folder / "index.db")
    (first,) = base.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()
    base.close()
    raw = bytearray((folder / "index.db").read_bytes())
    assert raw[(first - 1) * PAGE] in (2, 5), "an inner page: the root is whole, and what is under it is damaged"
    child = int.from_bytes(raw[(first - 1) * PAGE + 8 :][:4], "big")
    raw[(child - 1) * PAGE : child * PAGE] = b"\xff" * PAGE
    (folder / "index.db").write_bytes(raw)
    index = Index(folder)
    with pytest.raises(Damaged):
        index.log("1") if table == "log" else list(index.each(TASKS, (), "path"))
    assert not (folder / "index.db").exists()
    index.close()
