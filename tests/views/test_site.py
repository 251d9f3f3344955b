"""The site as files: what is in it, that the same commit gives the same bytes, and that only changes are written."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest

from opsgit.domain import times
from opsgit.operations import site, timeline
from opsgit.storage import workers
from opsgit.views import charts
from opsgit.views import site as pages
from tests.conftest import Desk, git


def build(desk: Desk, folder: Path, *words: str) -> dict[str, int]:
    told: dict[str, int] = desk.ok("report", "--format", "html", "--out", str(folder), "--json", *words).json
    return told


class Links(HTMLParser):
    """The links of a page, and the ids in it; a page whose elements are not closed in order fails."""

    VOID = frozenset({"meta", "link", "br", "input", "hr"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        assert self.open == [], self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.VOID:
            self.open.append(tag)
        found = dict(attrs)
        self.links += [found[name] or "" for name in ("href", "src") if name in found]
        self.ids += [found["id"] or ""] if "id" in found else []

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Elements of SVG that close themselves have no links."""

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, (tag, self.open)


def test_every_link_leads_somewhere_and_every_page_is_whole(in_review: Desk, tmp_path: Path) -> None:
    in_review.ok("task", "add", "--title", "two", "--depends-on", "T-1")
    in_review.ok("review", "comment", "T-1", "--text", "why?", "--at", "result.txt:1", "--blocking", "--as", "qa")
    build(in_review, tmp_path / "site")
    for path in sorted((tmp_path / "site").rglob("*.html")):
        found = Links(path.read_text())
        assert len(found.ids) == len(set(found.ids)), path
        for link in found.links:
            target = (path.parent / link.partition("#")[0]) if not link.startswith("#") else path
            assert target.is_file(), (path, link)
    for text in (in_review.ok("report", "--format", "html").out, in_review.ok("dashboard", "--format", "html").out):
        assert [link for link in Links(text).links if not link.startswith("#")] == []


def test_what_a_task_s_page_says(in_review: Desk, tmp_path: Path) -> None:
    in_review.ok("review", "comment", "T-1", "--text", "why <this>?", "--at", "result.txt:1", "--as", "qa")
    in_review.ok("review", "reject", "T-1", "--reason", "not yet", "--as", "qa")
    build(in_review, tmp_path / "site")
    text = (tmp_path / "site/task/T-1.html").read_text()
    key = git(in_review.path, "log", "-1", "--format=%GF", "main").strip()
    commit = git(in_review.path, "rev-parse", "main").strip()
    for words in ("Review round 1: rejected by qa", "not yet", "why &lt;this&gt;?", "result.txt:1", key, commit,
                  "changed: status, rejected, review", "on the review branch", "+done", "in-progress → "):  # fmt: skip
        assert words in text, words


def test_events_have_the_key_of_git_and_what_changed(in_review: Desk) -> None:
    session = in_review.session()
    events = timeline.events(session, "T-1")
    session.repository.close()
    for one in events:
        assert one.key == git(in_review.path, "log", "-1", "--format=%GF", one.commit).strip()
        assert one.by == git(in_review.path, "log", "-1", "--format=%an", one.commit).strip()
        changed = git(in_review.path, "diff", "-U0", f"{one.commit}~1", one.commit, "--", "tasks")
        assert {change.field for change in one.changes} >= set(re.findall(r"^\+([a-z_]+):", changed, re.MULTILINE))
    assert [one.op for one in events] == ["task.add", "task.start", "task.submit", "review.request"]
    assert [change.field for change in events[1].changes] == ["status"]
    assert (events[1].changes[0].before, events[1].changes[0].after) == ("assigned", "in-progress")


def test_only_what_changed_is_written(in_review: Desk, tmp_path: Path) -> None:
    in_review.ok("task", "add", "--title", "two")
    folder = tmp_path / "site"
    first = build(in_review, folder)
    assert first["unchanged"] == first["removed"] == 0
    assert build(in_review, folder)["written"] == 0
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    in_review.ok("task", "edit", "T-2", "--title", "other words")
    built = build(in_review, folder)
    touched = {str(path.relative_to(folder)) for path, old in before.items() if path.stat().st_mtime_ns != old}
    assert "task/T-2.html" in touched
    assert not {"task/T-1.html", "agent/qa.html", "site.css", "list/review.html"} & touched
    assert built["written"] == len(touched) - 1, "the manifest is no page"
    fresh = tmp_path / "fresh"
    build(in_review, fresh)
    for path in fresh.rglob("*"):
        if path.is_file():
            assert path.read_bytes() == (folder / path.relative_to(fresh)).read_bytes(), path


def test_a_run_that_was_ended_early_is_finished_by_the_next(
    in_review: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ended(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(site, "page", ended)
        assert in_review.run("report", "--format", "html", "--out", str(tmp_path / "site")).exit != 0
    assert (tmp_path / "site/index.html").exists()
    build(in_review, tmp_path / "site")
    assert (tmp_path / "site/task/T-1.html").exists()


def test_pages_of_what_is_gone_are_removed(in_review: Desk, tmp_path: Path) -> None:
    folder = tmp_path / "site"
    build(in_review, folder)
    assert (folder / "waiting/reviewer.html").exists()
    in_review.ok("review", "approve", "T-1", "--as", "qa")
    assert build(in_review, folder)["removed"] == 1
    assert not (folder / "waiting/reviewer.html").exists()


@pytest.mark.parametrize("manifest", [None, "{", "[]", '{"../precious.html": ["x", "x"]}', '{"PLACE": ["x", "x"]}', '{"a/b.html": ["x", "x"]}', '{"x.html": 1}', '{"a\\u0000b": ["x", "x"]}', '{"index.html/x": ["x", "x"]}',
                                      '{".git/x.html": ["x", "x"]}'])  # fmt: skip
def test_a_folder_of_others_is_left_alone(desk: Desk, tmp_path: Path, manifest: str | None) -> None:
    folder, outside = tmp_path / "mine", tmp_path / "precious.html"
    folder.mkdir()
    (folder / "precious.html").write_text("x")
    outside.write_text("x")
    if manifest:
        (folder / ".opsgit-site.json").write_text(manifest.replace("PLACE", str(outside)))
    assert desk.refused("report", "--format", "html", "--out", str(folder)) == "BAD_VALUE"
    assert (outside.read_text(), (folder / "precious.html").read_text()) == ("x", "x")
    assert {path.name for path in folder.iterdir()} <= {"precious.html", ".opsgit-site.json"}


def test_a_link_in_a_site_leads_nothing_out_of_it(in_review: Desk, tmp_path: Path) -> None:
    folder, outside = tmp_path / "site", tmp_path / "outside"
    build(in_review, folder)
    (folder / "task").rename(outside)
    (folder / "task").symlink_to(outside)
    (outside / "T-1.html").write_text("mine")
    assert in_review.refused("report", "--format", "html", "--out", str(folder)) == "BAD_VALUE"
    assert (outside / "T-1.html").read_text() == "mine"
    (folder / "task").unlink()
    (folder / "index.html").unlink()
    (folder / "index.html").symlink_to(outside / "T-1.html")
    for name in (".index.html.new", ".opsgit-new-1"):
        (folder / name).symlink_to(outside / "T-1.html")
    build(in_review, folder)
    assert (outside / "T-1.html").read_text() == "mine"
    assert not (folder / "index.html").is_symlink()


def test_a_page_that_somebody_changed_is_written_again(in_review: Desk, tmp_path: Path) -> None:
    folder = tmp_path / "site"
    build(in_review, folder)
    for name in ("index.html", "task/T-1.html"):
        (folder / name).write_text("<script src=http://evil.example/></script>")
    assert build(in_review, folder)["written"] == 2
    assert "evil" not in (folder / "index.html").read_text() + (folder / "task/T-1.html").read_text()


def test_what_a_killed_run_left_is_removed(desk: Desk, tmp_path: Path) -> None:
    build(desk, tmp_path / "site")
    (tmp_path / "site/.opsgit-new-77").write_text("half")
    build(desk, tmp_path / "site")
    assert not list((tmp_path / "site").glob(".opsgit-new*"))


def test_pages_of_long_lists_have_names_of_their_own(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "LIST_MAX", 2)
    desk.ok("agent", "add", "dev-2", "--role", "developer")
    for number in range(6):
        desk.ok("task", "add", "--title", "x", "--assign", "dev" if number < 5 else "dev-2")
    build(desk, tmp_path / "site")
    found = {path.name for path in (tmp_path / "site/waiting").iterdir()}
    assert found == {"dev.html", "dev.2.html", "dev.3.html", "dev-2.html"}
    assert "T-5" in (tmp_path / "site/waiting/dev.3.html").read_text()


def test_many_tasks_are_written_by_several_processes(
    in_review: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(4):
        in_review.ok("task", "add", "--title", "x")
    build(in_review, tmp_path / "one")
    monkeypatch.setattr(workers, "ALONE", 1)
    build(in_review, tmp_path / "many")
    for path in (tmp_path / "one").rglob("*"):
        if path.is_file():
            assert path.read_bytes() == (tmp_path / "many" / path.relative_to(tmp_path / "one")).read_bytes()


@pytest.mark.slow
def test_the_same_commit_gives_the_same_bytes(in_review: Desk, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", "--mirror", str(in_review.path), "other")
    git(tmp_path / "other", "config", "core.bare", "true")
    for number, (zone, locale, seed) in enumerate(
        (("UTC", "C", "1"), ("Pacific/Chatham", "C.UTF-8", "77"), ("UTC", "C", "2"))
    ):
        env = {**os.environ, "TZ": zone, "LC_ALL": locale, "PYTHONHASHSEED": seed}
        place = in_review.path if number < 2 else tmp_path / "other"
        words = ["-C", str(place), "report", "--format", "html", "--out", str(tmp_path / f"s{number}")]
        subprocess.run([sys.executable, "-m", "opsgit", *words], env=env, check=True, capture_output=True)
    names = sorted(path.relative_to(tmp_path / "s0") for path in (tmp_path / "s0").rglob("*") if path.is_file())
    assert names == sorted(path.relative_to(tmp_path / "s1") for path in (tmp_path / "s1").rglob("*") if path.is_file())
    for name in names:
        for other in ("s1", "s2"):
            assert (tmp_path / "s0" / name).read_bytes() == (tmp_path / other / name).read_bytes(), name


def test_usage(desk: Desk, tmp_path: Path) -> None:
    assert desk.refused("report", "--out", str(tmp_path / "x")) == "USAGE"
    assert desk.refused("report", "--single-file", "--format", "md") == "USAGE"
    assert desk.refused("report", "--format", "html") == "USAGE", "--json prints no page"
    assert desk.run("report", "--format", "html", "--since", "1d").exit == 2
    desk.ok("report", "--format", "html", "--single-file", "--out", str(tmp_path / "one.html"))
    assert "Nothing waits for anybody." in (tmp_path / "one.html").read_text()


def test_the_dashboard_links_into_a_site_beside_it(in_review: Desk) -> None:
    in_review.ok("compile")
    assert "task/T-1.html" not in (in_review.path / "dashboard.html").read_text()
    build(in_review, in_review.path / "site")
    in_review.ok("compile")
    assert 'href="site/task/T-1.html"' in (in_review.path / "dashboard.html").read_text()
    assert git(in_review.path, "status", "--porcelain") == ""


def test_what_was_done_last_is_named_by_its_title(in_review: Desk) -> None:
    in_review.ok("review", "approve", "T-1", "--as", "qa")
    in_review.ok("task", "cancel", "T-1", "--note", "no need")
    assert in_review.ok("dashboard", "--format", "html").out.count("</b> One") == 5


def test_health_in_words(in_review: Desk) -> None:
    session = in_review.session()
    found = site.gather(session)
    session.repository.close()
    commits = int(git(in_review.path, "rev-list", "--first-parent", "--count", "main"))
    assert (
        pages.health(found.overview)
        == f"1 open, 0 wait for people, 0 overdue, {commits} of {commits} operations proven"
    )
    assert times.text(found.overview.moment) == git(in_review.path, "log", "-1", "--format=%cd", "--date=format-local:%Y-%m-%dT%H:%M:%SZ",
                                           "main", env={**os.environ, "TZ": "UTC"}).strip()  # fmt: skip


def test_health_counts_people_and_what_is_late(in_review: Desk) -> None:
    in_review.ok("agent", "remove", "qa")
    in_review.ok("agent", "add", "ann", "--role", "reviewer", "--kind", "human")
    session = in_review.session()
    later = session.clock() + 30 * 86_400
    session.clock = lambda: later
    assert pages.health(site.gather(session, live=True).overview).startswith("1 open, 1 waits for people, 1 overdue, ")
    session.repository.close()


@pytest.mark.parametrize("top", [0, 1, 3, 4, 5, 9, 10, 17, 99, 1234, 5e6])
def test_an_axis_has_few_round_numbers(top: float) -> None:
    steps = charts._steps(top)
    assert steps[0] == 0
    assert len(steps) <= 7
    assert steps[-1] <= top


@pytest.mark.parametrize("wanted", [[], [5.0], [270.0] * 9, [10.0] * 9, [100.0, 101.0, 240.0]])
def test_labels_do_not_cover_each_other(wanted: list[float]) -> None:
    found = sorted(charts._apart(wanted))
    assert all(b - a >= charts.LINE - 0.01 for a, b in pairwise(found))
    assert all(0 < y <= charts.HEIGHT for y in found)
