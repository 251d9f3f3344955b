"""Many tasks in and out: `task add --from`, `export`, and the import of Backlog.md and beads."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import opsgit
from opsgit.operations import maintenance
from tests.conftest import Desk, git

ONLY_NEW = "id,title,description,priority,tags,pipeline,assigned,depends_on"


def write(folder: Path, name: str, text: str) -> str:
    (folder / name).write_text(text)
    return str(folder / name)


def test_jsonl_with_everything(desk: Desk, tmp_path: Path) -> None:
    lines = [
        {"id": "B-2", "title": "two", "depends_on": ["B-1"]},
        {
            "id": "B-1",
            "title": "one",
            "priority": "high",
            "tags": ["a", "b"],
            "assigned": "dev",
            "description": "# D\n\nx",
        },
        {"title": "no id", "pipeline": "developer→reviewer→deployer"},
        {"title": "no id either", "pipeline": ["dev", "qa", "ship"], "description": None},
        {"title": "typed", "pipeline": [{"role": "developer"}, {"role": "reviewer", "count": 2}, {"agent": "ship"}]},
    ]
    before = git(desk.path, "rev-list", "--count", "main")
    file = write(tmp_path, "tasks.jsonl", "\n\n".join(json.dumps(line) for line in lines) + "\n")
    made = desk.ok("task", "add", "--from", file, "--json").json["operations"]
    assert [one["target"] for one in made] == ["B-1", "B-2", "T-1", "T-2", "T-3"]
    assert int(git(desk.path, "rev-list", "--count", "main")) == int(before) + 5
    one = desk.ok("task", "show", "B-1", "--json").json["task"]
    assert (one["status"], one["assigned"], one["tags"], one["description"]) == (
        "assigned",
        "dev",
        ["a", "b"],
        "# D\n\nx",
    )
    assert desk.ok("task", "show", "T-3", "--json").json["task"]["pipeline"][1] == {"role": "reviewer", "count": 2}
    assert desk.ok("verify").exit == 0


def test_csv(desk: Desk, tmp_path: Path) -> None:
    text = '\ufefftitle,id,tags,depends_on\r\n"a, b",C-1,"x, y",\r\n\r\n"two\nlines?",,,C-1\r\n'
    file = write(tmp_path, "tasks.csv", text)
    assert "line 4: " in desk.run("task", "add", "--from", file).err  # a title of two lines
    file = write(tmp_path, "tasks.csv", text.replace("two\nlines?", "'=SUM(A1)"))
    desk.ok("task", "add", "--from", file)
    assert desk.ok("task", "show", "C-1", "--json").json["task"]["tags"] == ["x", "y"]
    assert desk.ok("task", "show", "T-1", "--json").json["task"]["title"] == "=SUM(A1)"


FAULTS = """\
{"title": "fine"}
{"title": 7}
{"id": "no id!", "title": "x"}
{"title": "x", "status": "done"}
[1]
{"title": "x", "tags": "a"}
{"title": "x"
{"id": "X-1", "title": "x", "depends_on": ["X-2"]}
{"id": "X-2", "title": "x", "depends_on": ["X-1"]}
{"title": "x", "depends_on": ["NOWHERE"]}
{"title": "x", "pipeline": 7}
{"title": "x", "pipeline": [{"role": 7}]}
{"title": "x", "assigned": "nobody"}
"""


def test_every_fault_with_its_line_and_nothing_written(desk: Desk, tmp_path: Path) -> None:
    file = write(tmp_path, "tasks.jsonl", FAULTS)
    before = desk.refs()
    result = desk.run("task", "add", "--from", file, "--json")
    found = [(one["where"], one["code"]) for one in json.loads(result.err)["error"]["faults"]]
    assert found == [
        ("line 2", "BAD_VALUE"), ("line 3", "BAD_ID"), ("line 4", "UNKNOWN_FIELD"), ("line 5", "BAD_VALUE"),
        ("line 6", "BAD_VALUE"), ("line 7", "BAD_VALUE"), ("line 8", "DEPENDENCY_CYCLE"), ("line 9", "DEPENDENCY_CYCLE"),
        ("line 10", "NOT_FOUND"), ("line 11", "BAD_VALUE"), ("line 12", "BAD_VALUE"), ("line 13", "NOT_FOUND"),
    ]  # fmt: skip
    assert desk.refs() == before
    skipped = desk.run("task", "add", "--from", file, "--skip-faulty", "--json")
    assert skipped.exit == 10
    assert [one["target"] for one in skipped.json["operations"]] == ["T-1"]
    assert sum(one.startswith("left out: ") for one in skipped.json["notices"]) == 12


@pytest.mark.parametrize(
    ("content", "code"),
    [(b"", "BAD_VALUE"), (b"\xff", "BAD_VALUE"), (b"title\n", "BAD_VALUE"), (b'title\n"open', "BAD_VALUE"),
     (b"name\nx\n", "UNKNOWN_FIELD"), (b"title;priority\na;b\n", "UNKNOWN_FIELD"), (b'[{"title": "x"}]', "BAD_VALUE"), (b"title\na,b\n", "BAD_VALUE"), (b"{" * 100_000, "BAD_VALUE")],
)  # fmt: skip
def test_what_cannot_be_read(desk: Desk, tmp_path: Path, content: bytes, code: str) -> None:
    (tmp_path / "file").write_bytes(content)
    assert desk.refused("task", "add", "--from", str(tmp_path / "file")) == code


def test_usage(desk: Desk, tmp_path: Path) -> None:
    file = write(tmp_path, "tasks.jsonl", '{"title": "x"}')
    assert desk.refused("task", "add") == "USAGE"
    assert desk.refused("task", "add", "--title", "x", "--skip-faulty") == "USAGE"
    assert desk.refused("task", "add", "--from", file, "--priority", "high") == "USAGE"
    assert desk.refused("task", "add", "--from", file, "--title", "x") == "USAGE"
    assert desk.refused("task", "add", "--from", file, "--id", "X-1") == "USAGE"
    assert desk.refused("task", "add", "--from", str(tmp_path / "nowhere")) == "USAGE"
    assert desk.refused("task", "add", "--from", file, "--op-id", "x") == "BAD_VALUE"


def test_from_stdin(desk: Desk) -> None:
    words = [sys.executable, "-m", "opsgit", "-C", str(desk.path), "task", "add", "--from", "-"]
    done = subprocess.run(words, input="title,priority\none,high\n", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert desk.ok("task", "show", "T-1", "--json").json["task"]["priority"] == "high"


HOSTILE = ["=1+1", "+1", "-1", "@x", "'quoted'", 'a "b", c', "ü→", "plain"]


@pytest.mark.slow
def test_a_sheet_cannot_compute_and_comes_back_the_same(desk: Desk, tmp_path: Path) -> None:
    for title in HOSTILE:
        desk.ok("task", "add", "--title", title, "--tag", "a,b", "--desc", f"{title}\nmore")
    desk.ok("task", "add", "--title", "last", "--depends-on", "T-1", "--depends-on", "T-2", "--assign", "dev")
    text = desk.ok("export", "--format", "csv", "--fields", ONLY_NEW).out
    rows = list(csv.reader(io.StringIO(text)))
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for row in rows for cell in row)
    assert len(rows) == len(HOSTILE) + 2
    for form in ("csv", "jsonl"):
        other = Desk(tmp_path / form, desk.capsys)
        subprocess.run(["cp", "-a", str(desk.path), str(other.path)], check=True)
        git(other.path, "update-ref", "refs/heads/main", git(desk.path, "rev-list", "main").split()[-5])
        git(other.path, "reset", "-q", "--hard")
        file = write(tmp_path, f"tasks.{form}", desk.ok("export", "--format", form, "--fields", ONLY_NEW).out)
        other.ok("task", "add", "--from", file)
        assert other.ok("export", "--fields", ONLY_NEW).out == desk.ok("export", "--fields", ONLY_NEW).out


def test_a_wrong_head_is_one_fault(desk: Desk, tmp_path: Path) -> None:
    file = write(tmp_path, "tasks.csv", "title;tags\na;b\nc;d\n")
    found = json.loads(desk.run("task", "add", "--from", file, "--json").err)["error"]
    assert (found["message"].startswith("line 1: "), "faults" in found) == (True, False)
    assert "commas" in found["hint"]


def test_export_new_comes_back(desk: Desk, tmp_path: Path) -> None:
    desk.ok("task", "add", "--title", "one", "--assign", "dev", "--tag", "a")
    desk.ok("task", "start", "T-1")
    texts = {form: desk.ok("export", "--new", "--format", form).out for form in ("jsonl", "csv")}
    for form, all_ in texts.items():
        text = all_.replace("T-1", f"{form}-1")
        desk.ok("task", "add", "--from", write(tmp_path, f"t.{form}", text))
        assert desk.ok("task", "show", f"{form}-1", "--json").json["task"]["tags"] == ["a"]
    assert desk.refused("export", "--new", "--fields", "id") == "USAGE"


def test_export(in_review: Desk) -> None:
    in_review.ok("task", "add", "--title", "two")
    in_review.ok("task", "cancel", "T-2")
    lines = [json.loads(line) for line in in_review.ok("export").out.splitlines()]
    assert [(one["id"], one["status"]) for one in lines] == [("T-1", "review"), ("T-2", "cancelled")]
    assert lines[0]["submission"]["round"] == 1
    assert in_review.ok("export", "--json").out == in_review.ok("export").out
    assert in_review.ok("export", "--status", "cancelled", "--fields", "id").out == '{"id": "T-2"}\n'
    head = in_review.ok("export", "--format", "csv").out.splitlines()[0]
    assert head == "id,title,status,priority,assigned,tags,pipeline,depends_on,created,created_by,description"
    assert in_review.refused("export", "--fields", "nothing") == "UNKNOWN_FIELD"


BACKLOG = """\
---
id: task-{number}
title: Number {number}
status: {status}
assignee: ['@dev', '@qa']
created_date: '2025-06-01 10:00'
labels: [ui]
dependencies: {dependencies}
priority: high
ordinal: 1000
---

## Description

<!-- SECTION:DESCRIPTION:BEGIN -->
Make it.
<!-- SECTION:DESCRIPTION:END -->

## Acceptance Criteria
- [ ] #1 it works
"""


def backlog(folder: Path) -> Path:
    for place, number, status, dependencies in (
        ("tasks", 1, "In Progress", "[task-2]"), ("tasks", 2, "To Do", "[]"), ("completed", 3, "Done", "[task-9]"),
        ("archive/tasks", 4, "To Do", "[]"), ("tasks", 5, "Odd", "[task-5]"),
    ):  # fmt: skip
        (folder / "backlog" / place).mkdir(parents=True, exist_ok=True)
        text = BACKLOG.format(number=number, status=status, dependencies=dependencies)
        (folder / f"backlog/{place}/task-{number} - Number.md").write_text(text)
    (folder / "backlog/tasks/broken.md").write_text("no front matter\n")
    return folder / "backlog"


@pytest.mark.parametrize("above", [False, True])
def test_backlog_md(desk: Desk, tmp_path: Path, above: bool) -> None:
    folder = backlog(tmp_path / "code")
    place = folder.parent if above else folder
    told = desk.run("import", str(place), "--json")
    assert told.exit == 10
    fates = {one["record"]: (one["fate"], one["why"]) for one in told.json["records"]}
    assert fates["task broken.md"] == ("left out", "BAD_VALUE: no front matter")
    tasks = {one["id"]: one for one in map(json.loads, desk.ok("export").out.splitlines())}
    assert {name: one["status"] for name, one in tasks.items()} == {
        "task-1": "in-progress", "task-2": "backlog", "task-3": "done", "task-4": "cancelled", "task-5": "backlog",
    }  # fmt: skip
    one = tasks["task-1"]
    assert (one["assigned"], one["tags"], one["priority"], one["depends_on"]) == ("dev", ["ui"], "high", ["task-2"])
    assert one["imported"]["created"] == "2025-06-01 10:00"
    assert one["description"] == "## Description\n\nMake it.\n\n## Acceptance Criteria\n- [ ] #1 it works"
    assert "depends_on task-9 is not here" in fates["task task-3"][1]
    assert "status 'odd' becomes backlog" in fates["task task-5"][1]
    assert "not kept: assignees, ordinal" in fates["task task-1"][1]
    again = {one["fate"] for one in desk.run("import", str(place), "--json").json["records"]}
    assert again == {"unchanged", "left out"}
    assert desk.ok("verify").exit == 0


def test_beads(desk: Desk, tmp_path: Path) -> None:
    link = {"issue_id": "bd-1", "depends_on_id": "bd-2", "type": "blocks"}
    issues = [
        {"id": "bd-1", "title": "One", "status": "in_progress", "priority": 0, "issue_type": "bug", "assignee": "dev",
         "labels": ["ui"], "dependencies": [link, {**link, "type": "related", "depends_on_id": "bd-3"}],
         "description": "D", "design": "E", "comments": [{"author": "x", "text": "hm", "created_at": "2025-01-01"}],
         "created_at": "2025-01-01T00:00:00Z", "updated_at": "2025-01-02T00:00:00Z"},
        {"id": "bd-2", "title": "Two", "status": "blocked", "priority": 4, "issue_type": "task"},
        {"id": "bd-2.1", "title": "Child", "status": "closed", "close_reason": "did it"},
        {"id": "bd-9", "title": "Gone", "status": "tombstone"},
    ]  # fmt: skip
    (tmp_path / ".beads").mkdir()
    file = write(tmp_path, ".beads/issues.jsonl", "\n".join(map(json.dumps, issues)) + "\nnot json\n[]\n")
    for place in (file, str(tmp_path)):
        told = desk.run("import", place, "--dry-run", "--json").json["records"]
        assert sum(one["fate"] == "left out" for one in told) == 3
    assert desk.run("import", file).exit == 10
    why = {one["record"]: one["why"] for one in told}
    assert why["task bd-9"] == "BAD_VALUE: it was deleted there"
    assert "links (related bd-3)" in why["task bd-1"]
    assert "status 'blocked' becomes backlog" in why["task bd-2"]
    tasks = {one["id"]: one for one in map(json.loads, desk.ok("export").out.splitlines())}
    assert {name: (one["status"], one["priority"]) for name, one in tasks.items()} == {
        "bd-1": ("in-progress", "critical"), "bd-2": ("backlog", "low"), "bd-2.1": ("done", "medium"),
    }  # fmt: skip
    assert (tasks["bd-1"]["tags"], tasks["bd-1"]["depends_on"]) == (["ui", "bug"], ["bd-2"])
    assert tasks["bd-1"]["description"] == "D\n\n## Design\n\nE\n\n## Comment by x, 2025-01-01\n\nhm"
    assert tasks["bd-2.1"]["description"] == "## Close reason\n\ndid it"


def test_a_folder_of_neither(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert desk.refused("import", str(tmp_path / "empty")) == "NOT_FOUND"
    assert desk.refused("import", str(tmp_path / "no.jsonl")) == "NOT_FOUND"
    (tmp_path / "bad.jsonl").write_bytes(b"\xff")
    assert desk.refused("import", str(tmp_path / "bad.jsonl")) == "BAD_VALUE"


def test_odd_values_of_other_trackers_are_read_or_left_out(desk: Desk, tmp_path: Path) -> None:
    odd = [
        {"id": "bd-1", "title": "a\u2028b", "labels": 5, "dependencies": 5, "comments": 5},
        {"id": "bd-2", "title": "c", "dependencies": [{"type": "blocks", "depends_on_id": {"x": 1}}], "labels": [[1]]},
    ]
    lines = [json.dumps(one, ensure_ascii=False) for one in odd]
    file = write(tmp_path, "odd.jsonl", "\n".join([*lines, "[" * 100_000]))
    told = desk.run("import", file, "--json").json["records"]
    assert {one["record"]: one["fate"] for one in told if one["fate"] == "left out"} == {"task line 3": "left out"}
    assert {one["id"] for one in map(json.loads, desk.ok("export").out.splitlines())} == {"bd-1", "bd-2"}


def test_files_that_are_none_stop_no_import(desk: Desk, tmp_path: Path) -> None:
    folder = backlog(tmp_path) / "tasks"
    (folder / "dangling.md").symlink_to("nowhere")
    (folder / "zero.md").symlink_to("/dev/zero")
    os.mkfifo(folder / "pipe.md")
    (folder / "odd.md").write_bytes(b"\xff")
    (folder / "task-8.md").write_text("---\nid: task-8\ntitle: t\nlabels: 5\ndependencies: 5\nassignee: 5\n---\nx\n")
    told = {one["record"]: one["why"] for one in desk.run("import", str(folder.parent), "--json").json["records"]}
    for name, why in (("dangling", "a link"), ("zero", "a link"), ("pipe", "no regular file"), ("odd", "not UTF-8")):
        assert why in told[f"task {name}.md"]
    assert desk.ok("task", "show", "task-8", "--json").json["task"]["tags"] == ["5"]
    assert desk.refused("import", "/dev/zero") == "BAD_VALUE"


@pytest.mark.parametrize("entry", ["{}", "[]", "5", "null"])
def test_dependencies_that_are_no_texts(desk: Desk, tmp_path: Path, entry: str) -> None:
    file = write(tmp_path, "t.jsonl", f'{{"id": "a", "title": "t", "depends_on": [{entry}]}}')
    assert desk.refused("task", "add", "--from", file) == "BAD_VALUE"


def test_cells_that_other_programs_would_split(desk: Desk) -> None:
    desk.ok("task", "add", "--title", "a;=cmd|b")
    assert '"a;=cmd|b"' in desk.ok("export", "--format", "csv").out


class TestLarge:
    """Many operations at once: their objects go to packs on the way, and what they wrote is forgotten."""

    @pytest.fixture(autouse=True)
    def small_memory(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("opsgit.operations.transactions.AHEAD", 20_000)

    def lines(self, number: int) -> str:
        rows = ({"title": f"task {n}", "assigned": "dev", "tags": ["a"]} for n in range(number))
        return "".join(f"{json.dumps(row)}\n" for row in rows)

    def leftovers(self, desk: Desk) -> list[Path]:
        objects = desk.path / ".git/objects"
        return [*objects.glob("tmp_objdir*"), *objects.glob("pack/*")]

    def test_they_are_as_small_ones_are(self, desk: Desk, tmp_path: Path) -> None:
        told = desk.ok("task", "add", "--from", write(tmp_path, "many.jsonl", self.lines(120)), "--json").json
        assert [one["target"] for one in told["operations"]] == [f"T-{n}" for n in range(1, 121)]
        assert told["operations"][0]["files"] == ["tasks/t1/T-1.yaml"]
        assert told["operations"][5]["commit"] in git(desk.path, "rev-list", "main").split()
        assert desk.ok("verify").exit == 0
        assert list((desk.path / ".git/objects/pack").glob("*.pack")), "packs, and no loose objects"
        assert git(desk.path, "status", "--porcelain") == ""
        assert (desk.path / "tasks/20/T-120.yaml").exists()
        before = desk.ok("task", "list", "--all", "--json", "--limit", "200").out, desk.ok("history", "--json").out
        (desk.path / ".git/opsgit/index.db").unlink()
        after = desk.ok("task", "list", "--all", "--json", "--limit", "200").out, desk.ok("history", "--json").out
        assert before == after, "the index that the batch advanced is the one that a walk builds"

    def test_a_refusal_leaves_nothing(self, desk: Desk, tmp_path: Path) -> None:
        tip = git(desk.path, "rev-parse", "main")
        faulty = self.lines(100) + '{"title": ""}\n'
        assert desk.run("task", "add", "--from", write(tmp_path, "many.jsonl", faulty), "--json").code
        assert (git(desk.path, "rev-parse", "main"), self.leftovers(desk)) == (tip, [])

    def test_a_dry_run_leaves_nothing(self, desk: Desk, tmp_path: Path) -> None:
        tip = git(desk.path, "rev-parse", "main")
        desk.ok("task", "add", "--from", write(tmp_path, "many.jsonl", self.lines(100)), "--dry-run")
        assert (git(desk.path, "rev-parse", "main"), self.leftovers(desk)) == (tip, [])
        assert desk.ok("task", "list", "--json").json["tasks"] == []

    def test_a_batch_of_the_api(self, desk: Desk) -> None:
        with opsgit.open(desk.path, actor="orchestrator") as project:
            with project.batch() as made:
                for number in range(120):
                    project.tasks.add(f"task {number}")
            assert len(made.written) == 120
            assert len(project.tasks.list(limit=200)) == 120
            with contextlib.suppress(KeyError), project.batch():
                for number in range(120):
                    project.tasks.add(f"task {number}")
                raise KeyError
            assert not list((desk.path / ".git/objects").glob("tmp_objdir*"))
        assert desk.ok("verify").exit == 0

    def test_an_import(self, desk: Desk, tmp_path: Path) -> None:
        tasks = {f"X-{n}": {"title": f"task {n}", "status": "done"} for n in range(120)}
        file = write(tmp_path, "state.json", json.dumps({"tasks": tasks}))
        told = desk.ok("import", file, "--json").json
        assert [one["record"] for one in told["records"]] == [f"task X-{n}" for n in range(120)]
        assert desk.ok("verify").exit == 0
        assert desk.ok("import", file, "--json").json["records"][7]["fate"] == "unchanged"

    def test_what_a_killed_batch_left_is_told_and_removed(self, desk: Desk) -> None:
        left = desk.path / ".git/objects/tmp_objdir-opsgit-x/pack"
        left.mkdir(parents=True)
        assert "batch" not in desk.run("doctor").out, "it may still be at work"
        for path in (left, left.parent):
            os.utime(path, (1, 1))
        assert "packs of a batch that was killed" in desk.run("doctor").out
        desk.run("doctor", "--fix")
        assert not left.parent.exists()

    def test_a_batch_at_work_is_left_alone_however_long_it_idles(self, desk: Desk) -> None:
        with opsgit.open(desk.path, actor="orchestrator") as project, project.batch():
            for number in range(120):
                project.tasks.add(f"task {number}")
            (aside,) = (desk.path / ".git/objects").glob("tmp_objdir*")
            for path in (*aside.rglob("*"), aside):
                os.utime(path, (1, 1))
            desk.run("doctor", "--fix")
            assert aside.exists()
        assert len(desk.ok("task", "list", "--json", "--limit", "200").json["tasks"]) == 120

    def test_a_pack_without_an_index_is_told_and_gets_one(self, desk: Desk) -> None:
        git(desk.path, "repack", "-adq")
        (pack,) = (desk.path / ".git/objects/pack").glob("*.pack")
        index, held = pack.with_suffix(".idx"), pack.read_bytes()
        spare = pack.with_name("pack-0000000000000000000000000000000000000000.pack")
        spare.write_bytes(held)
        assert "without an index" not in desk.run("doctor").out, "somebody may be just moving it"
        os.utime(spare, (1, 1))
        assert "1 packs without an index" in desk.run("doctor").out
        desk.run("doctor", "--fix")
        assert spare.with_suffix(".idx").exists() and index.exists() and pack.read_bytes() == held
        assert "without an index" not in desk.run("doctor").out
        assert desk.ok("verify").exit == 0

    def test_a_damaged_pack_without_an_index_stays_where_it_is(self, desk: Desk) -> None:
        git(desk.path, "repack", "-adq")
        spare = desk.path / ".git/objects/pack/pack-0000000000000000000000000000000000000000.pack"
        spare.write_bytes(b"PACK")
        os.utime(spare, (1, 1))
        assert desk.run("doctor", "--fix", "--json").code == "TOOL_FAILED"
        assert spare.exists()

    def test_the_packs_of_another_user_are_left_to_that_user(self, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
        (desk.path / ".git/objects/tmp_objdir-opsgit-theirs").mkdir()

        def theirs(folder: Path) -> bool:
            raise PermissionError(13, "Permission denied", str(folder))

        monkeypatch.setattr("opsgit.storage.packs.is_alive", theirs)  # the tests may run as root, who may open it
        assert "keys" in desk.run("doctor").out

    def test_many_packs_are_made_one(self, desk: Desk) -> None:
        repository = desk.session().repository
        assert not maintenance.due(repository)
        packs = desk.path / ".git/objects/pack"
        for number in range(maintenance.PACK_FILES_MAX + 1):
            (packs / f"pack-{number}.pack").touch()
        assert maintenance.due(repository)
        repository.close()
