"""`report --retro` and `monitor --metrics`."""

from __future__ import annotations

import re
from pathlib import Path

import prometheus_client.parser
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from opsgit.operations import retro as values
from opsgit.views import retro
from tests.conftest import Desk
from tests.views.project import DAY, worked


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """A project of nine days, and the time at its end."""
    box = tmp_path_factory.mktemp("worked")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(box))
        patch.setenv("XDG_DATA_HOME", str(box / "data"))
        patch.setenv("XDG_STATE_HOME", str(box / "pins"))
        made = worked(box, 14, days=9)
    return made.path, made.now


def test_a_retrospective_in_words_and_figures(story: tuple[Path, int], monkeypatch: pytest.MonkeyPatch) -> None:
    from opsgit.operations.session import Session
    from opsgit.storage.repository import find

    path, end = story
    session = Session(find(path), clock=lambda: end)
    told = values.retro(session, "5d")
    log = [entry for entry in session.repository.index.log("1") if entry["at"] >= end - 5 * DAY]
    session.repository.close()
    done = sum(entry.get("before") == "review" and entry["status"] == "done" for entry in log)
    bad = [entry["what"] for entry in log if entry.get("before") == "review" and entry["status"] == "rejected"]
    text = retro.markdown(told)
    assert done and bad
    assert re.search(
        rf"^- Tasks made: [0-9]+, done: {done}\. In the period before: [0-9]+ and [0-9]+\.$",
        text,
        re.MULTILINE,
    )
    assert f"- {len(bad)} of {done + len(bad)} reviews ended in a rejection" in text
    for task in bad:
        assert f"- {task}, qa: it fails for empty input" in text
    assert re.search(r"left in this period, [0-9]+% was in \*\*[a-z-]+\*\*\.", text)
    assert re.search(r"^\| (ana|ben) \| [0-9]+ \| [0-9.]+ \| ", text, re.MULTILINE)
    for title in ("In short", "Where tasks waited", "Who rejects", "Who has too much", "Delivery",
                  "Exceptions", "What we say about it"):  # fmt: skip
        assert f"## {title}" in text
    assert (told.before.end, told.now.start) == (end - 5 * DAY, end - 5 * DAY)


def test_a_retrospective_of_nothing(desk: Desk) -> None:
    said = desk.ok("report", "--retro").out
    assert "Tasks made: 0, done: 0." in said
    assert "No review ended." in said and "Nobody has open tasks." in said and "not enough data (n = 0)" in said
    assert desk.refused("report", "--retro", "--format", "html") == "USAGE"
    assert desk.refused("report", "--retro", "--since", "soon") == "BAD_VALUE"


def test_only_verdicts_are_verdicts(in_review: Desk) -> None:
    in_review.ok("review", "withdraw", "T-1", "--as", "dev")
    assert "No review ended." in in_review.ok("report", "--retro").out


def families(file: Path) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
    """The metrics in a file, as the reference parser reads them."""
    return {
        family.name: {tuple(sorted(sample.labels.items())): sample.value for sample in family.samples}
        for family in text_string_to_metric_families(file.read_text())  # type: ignore[no-untyped-call]
    }


def test_metrics(in_review: Desk, tmp_path: Path) -> None:
    in_review.ok("quota", "set", "q_daily", "--limit", "2")
    in_review.ok("quota", "use", "q_daily", "--amount", "2")
    in_review.ok("metric", "set", "downloads", "41.5", "--as", "eye")
    in_review.ok("alert", "raise", "--message", 'odd "words" \\ here', "--severity", "critical", "--as", "eye")
    file = tmp_path / "opsgit.prom"
    assert in_review.run("monitor", "--metrics", str(file)).exit == 10
    found = families(file)
    older = {one.name for one in prometheus_client.parser.text_string_to_metric_families(file.read_text())}
    assert {"opsgit_tasks", "opsgit_repository", "opsgit_operations_total"} - older <= {"opsgit_operations_total"}
    assert set(re.findall(r"^# TYPE \S+ (.*)$", file.read_text(), re.MULTILINE)) == {"gauge", "counter"}
    assert found["opsgit_tasks"][("status", "review"),] == 1
    assert (
        found["opsgit_waiting"] == {(("for", "orchestrator"),): 0} or found["opsgit_waiting"][("for", "reviewer"),] == 1
    )
    assert (found["opsgit_quota_used"][("quota", "q_daily"),], found["opsgit_quota_limit"][("quota", "q_daily"),]) == (
        2,
        2,
    )
    assert found["opsgit_metric"][("name", "downloads"),] == 41.5
    assert found["opsgit_alerts"][("severity", "critical"),] == 1
    assert found["opsgit_problems"][("check", "quota"),] == 1
    assert found["opsgit_problems"][("check", "stale"),] == 0
    assert found["opsgit_operations"][()] == len(in_review.ok("history", "--json", "--limit", "500").json["history"])
    in_review.run("monitor", "--check-stale", "--metrics", str(file))
    assert ("check", "quota") not in [key[0] for key in families(file)["opsgit_problems"]], "what was not looked at"
    file.unlink()
    in_review.run("monitor", "--metrics", str(file), "--dry-run")
    assert not file.exists()
    for place in (str(tmp_path / "no/where"), ""):
        assert in_review.run("monitor", "--metrics", place).exit == 9
    assert in_review.run("report", "--format", "html", "--single-file", "--out", "").exit == 9
