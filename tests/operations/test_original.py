"""What the original framework promises: its documented state.json, its flags, its sample imported and compiled."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Desk

# The sample of the original's documentation, with times in the place of its dots.
SAMPLE: dict[str, Any] = {
    "project": "bytesagain-skills",
    "created": "2026-03-12T06:00:00Z",
    "agents": {
        "dev": {"role": "developer", "tasks_completed": 20, "last_active": "2026-03-12T05:00:00Z"},
        "qa": {"role": "reviewer", "tasks_completed": 15, "last_active": "2026-03-12T05:10:00Z"},
        "deploy": {"role": "deployer", "tasks_completed": 10, "last_active": "..."},
    },
    "tasks": {
        "SKILL-001": {
            "title": "Build chart-generator v2",
            "status": "deployed",
            "assigned": "dev",
            "pipeline": ["dev", "qa", "deploy"],
            "priority": "high",
            "history": [
                {"status": "assigned", "at": "2026-03-12T01:00:00Z", "by": "orchestrator"},
                {"status": "in-progress", "at": "2026-03-12T02:00:00Z", "by": "dev"},
                {"status": "review", "at": "2026-03-12T03:00:00Z", "by": "dev", "output": "/skills/chart-generator/"},
                {"status": "done", "at": "2026-03-12T04:00:00Z", "by": "qa", "notes": "All checks pass"},
                {"status": "deployed", "at": "...", "by": "deploy", "ref": "v2.0.0"},
            ],
        }
    },
    "quotas": {
        "publish_daily": {"limit": 100, "used": 45, "reset_at": "2026-03-13T00:00:00Z"},
        "api_hourly": {"limit": 60, "used": 12, "reset_at": "2026-03-12T07:00:00Z"},
    },
    "metrics": {"last_check": "2026-03-12T05:17:00Z", "total_downloads": 7591, "skills_online": 152, "alerts": []},
}


@pytest.fixture
def fresh(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    """A project with its orchestrator alone."""
    from opsgit.cli.main import main

    assert main(["init", "--project", "new", "--state-dir", str(tmp_path / "state")]) == 0
    return Desk(tmp_path / "state", capsys)


def bring(desk: Desk, document: object, *words: str) -> dict[str, tuple[str, str]]:
    """Import a document; what became of each record, and why."""
    file = desk.path.parent / "old.json"
    file.write_text(json.dumps(document))
    told = desk.run("import", str(file), "--json", *words)
    return {one["record"]: (one["fate"], one["why"]) for one in told.json["records"]}


def state(desk: Desk) -> dict[str, Any]:
    desk.ok("compile")
    return json.loads((desk.path / "state.json").read_text())  # type: ignore[no-any-return]


def holds(whole: object, part: object, path: str = "") -> list[str]:
    """The paths at which `whole` does not hold what `part` says; more may be there."""
    if isinstance(part, dict) and isinstance(whole, dict):
        return [fault for key, value in part.items() for fault in holds(whole.get(key), value, f"{path}.{key}")]
    if isinstance(part, list) and isinstance(whole, list) and len(whole) >= len(part):
        return [fault for at, value in enumerate(part) for fault in holds(whole[at], value, f"{path}[{at}]")]
    return [] if whole == part else [path]


def test_the_documented_sample_is_compiled_as_it_was(fresh: Desk) -> None:
    told = bring(fresh, SAMPLE)
    assert {fate for fate, _ in told.values()} == {"imported", "changed", "not kept"}
    assert {record for record, (fate, _) in told.items() if fate == "not kept"} == {
        "project: bytesagain-skills",
        "created: 2026-03-12T06:00:00Z",
        "metric last_check: 2026-03-12T05:17:00Z",
    }
    assert holds(state(fresh), SAMPLE) == [".project", ".created", ".metrics.last_check"]
    event = state(fresh)["tasks"]["SKILL-001"]["history"][2]
    assert list(event) == ["status", "at", "by", "output", "imported"]


def test_a_second_import_changes_nothing_and_exits_0(fresh: Desk) -> None:
    bring(fresh, SAMPLE)
    before, compiled = fresh.refs(), state(fresh)
    told = bring(fresh, SAMPLE)
    assert {fate for fate, _ in told.values()} == {"unchanged", "not kept"}
    assert fresh.run("import", str(fresh.path.parent / "old.json")).exit == 0
    assert (fresh.refs(), state(fresh)) == (before, compiled)
    fresh.ok("quota", "use", "publish_daily", "3")
    fresh.ok("metric", "set", "total_downloads", "8000", "--as", "orchestrator")
    assert bring(fresh, SAMPLE)["metric total_downloads"][0] == "left out"
    assert bring(fresh, SAMPLE)["quota publish_daily"] == ("unchanged", "kept as it is here, with 3 used")


def test_the_window_that_an_imported_quota_was_in_has_passed(fresh: Desk) -> None:
    told = bring(fresh, SAMPLE)
    assert told["quota publish_daily"] == ("changed", "its period is daily, from its name")
    quota = fresh.ok("quota", "check", "publish_daily", "--json").json["quota"]
    assert (quota["used"], quota["left"], quota["period"]) == (0, 100, "daily")


def test_where_the_period_of_a_quota_comes_from(fresh: Desk) -> None:
    quotas = {
        "said": {"limit": 1, "period": "Weekly"},
        "api-monthly": {"limit": 1},
        "mine": {"limit": 1},
        "odd": {"limit": 1, "period": "fortnightly"},
        "late_daily": {"limit": 1, "reset_at": "2026-03-13T06:30:00Z"},
        "ahead_daily": {"limit": 1, "reset_at": "2199-01-01T00:00:00Z"},
    }
    told = bring(fresh, {"quotas": quotas}, "--quota-period", "mine=hourly")
    periods = {name: quota["period"] for name, quota in state(fresh)["quotas"].items()}
    assert periods == {"said": "weekly", "api-monthly": "monthly", "mine": "hourly", "odd": "none",
                       "late_daily": "daily", "ahead_daily": "daily"}  # fmt: skip
    assert "never resets" in told["quota odd"][1]
    assert "reset_at 2026-03-13T06:30:00Z becomes 2026-03-14T00:00:00Z" in told["quota late_daily"][1]
    assert "reset_at 2199-01-01T00:00:00Z becomes 20" in told["quota ahead_daily"][1]
    file = str(fresh.path.parent / "old.json")
    assert fresh.refused("import", file, "--quota-period", "nope=daily") == "NOT_FOUND"
    assert fresh.refused("import", file, "--quota-period", "mine=often") == "USAGE"


@pytest.mark.parametrize(
    ("document", "record", "fate", "said"),
    [
        ({"agents": {"dev": {"role": "developer", "mood": "good"}}}, "agent dev", "changed", "not kept: mood"),
        ({"agents": {"dev": {"role": "developer", "tasks_completed": "many"}}}, "agent dev", "changed", "tasks_completed 'many'"),
        ({"agents": {"orchestrator": {"role": "orchestrator", "tasks_completed": 3}}}, "agent orchestrator", "unchanged", "not kept: tasks_completed"),
        ({"agents": {"orchestrator": {"role": "developer"}}}, "agent orchestrator", "left out", "ID_TAKEN"),
        ({"agents": [{"role": "developer"}, 7]}, "agent #2", "left out", "not a mapping"),
        ({"agents": "none"}, "agents", "left out", "neither a mapping nor a list"),
        ({"tasks": {"T-1": {"status": "Backlog", "effort": 3}}}, "task T-1", "changed", "not kept: effort"),
        ({"tasks": {"T-1": {"status": "backlog", "title": "x" * 300}}}, "task T-1", "changed", "title was cut to 200 bytes"),
        ({"tasks": {"T-1": {"status": "backlog", "assigned": "ghost"}}}, "task T-1", "changed", "assignee ghost"),
        ({"tasks": {"T-1": {"status": "backlog", "history": [{"status": "backlog", "mood": 1}, 7]}}}, "task T-1", "changed", "history: 1 of 2"),
        ({"tasks": {"T-1": {"status": "backlog", "history": [{"status": "backlog", "mood": 1}]}}}, "task T-1", "changed", "history: not kept: mood"),
        ({"quotas": {"q": {"limit": 5, "period": "daily", "used": -1}}}, "quota q", "changed", "used '-1'"),
        ({"metrics": {"alerts": [{"message": "disk full", "severity": "Critical"}]}}, "alert disk full", "changed", "imported."),
        ({"version": 2, "tasks": {}}, "version: 2", "not kept", "not a part"),
    ],
)  # fmt: skip
def test_what_is_changed_or_not_kept_is_said(fresh: Desk, document: object, record: str, fate: str, said: str) -> None:
    planned = bring(fresh, document, "--dry-run")
    told = bring(fresh, document)
    assert planned == told
    assert told[record][0] == fate
    assert said in told[record][1]
    again = bring(fresh, document)
    assert {one for one, _ in again.values()} <= {"unchanged", "not kept", "left out"}


def test_older_names_of_the_fields_of_a_history_are_known(fresh: Desk) -> None:
    bring(
        fresh, {"tasks": {"T-1": {"status": "backlog", "history": [{"status": "Backlog", "time": "t", "note": "n"}]}}}
    )
    event = state(fresh)["tasks"]["T-1"]["history"][0]
    assert event == {"status": "backlog", "at": "t", "notes": "n", "imported": True}


def test_completed_is_what_an_agent_finished_and_stays(done: Desk) -> None:
    def completed() -> dict[str, int]:
        return {name: agent["tasks_completed"] for name, agent in state(done)["agents"].items()}

    assert completed() == {"orchestrator": 0, "dev": 1, "qa": 1, "ship": 0, "eye": 0}
    done.ok("task", "move", "T-1", "--to", "deployed")
    finished = {"orchestrator": 0, "dev": 1, "qa": 1, "ship": 1, "eye": 0}
    assert completed() == finished
    done.ok("rollback", "T-1", "--reason", "errors")
    assert completed() == finished
    told = done.ok("report", "--since", "52w", "--json").json["report"]["agents"]
    assert {name: told[name]["completed"] for name in told} == {n: finished[n] for n in told}


def test_who_signed_off_an_earlier_stage_has_completed_a_review(desk: Desk, output: Path) -> None:
    desk.ok("agent", "add", "qa2", "--role", "reviewer")
    desk.ok("task", "add", "--title", "x", "--assign", "dev", "--pipeline", "dev,qa,qa2,ship")
    desk.ok("task", "start", "T-1")
    desk.ok("task", "submit", "T-1", "--output", str(output))
    desk.ok("review", "sign-off", "T-1", "--as", "qa")
    desk.ok("review", "reject", "T-1", "--as", "qa2", "--reason", "no")
    agents = state(desk)["agents"]
    assert [agents[name]["tasks_completed"] for name in ("dev", "qa", "qa2")] == [0, 1, 1]


def test_imported_figures_count_on(fresh: Desk) -> None:
    bring(fresh, SAMPLE)
    assert fresh.ok("agent", "show", "dev", "--json").json["agent"]["imported"]["tasks_completed"] == 20
    assert state(fresh)["agents"]["dev"]["last_active"] == "2026-03-12T05:00:00Z"
    fresh.ok("task", "add", "--title", "x", "--assign", "dev")
    fresh.ok("task", "start", "T-1")
    assert state(fresh)["agents"]["dev"]["last_active"] > "2026-03-12T05:00:00Z"
    fresh.ok("verify")


def test_last_check_moves_with_recorded_runs_alone(desk: Desk) -> None:
    run = desk.ok("monitor", "--check-stale")
    assert "not recorded" in run.err
    assert state(desk)["metrics"]["last_check"] is None
    assert desk.ok("monitor", "--check-stale", "--json").json["recorded"] is False
    desk.ok("metric", "set", "downloads", "3")
    assert state(desk)["metrics"]["last_check"] is None
    assert desk.ok("monitor", "--check-stale", "--raise", "--json").json["recorded"] is True
    checked = state(desk)["metrics"]["last_check"]
    assert checked
    desk.ok("monitor", "--check-stale", "--raise")  # within the same second too
    assert state(desk)["metrics"] == {"last_check": checked, "downloads": 3, "alerts": []} or checked
    assert desk.refused("metric", "set", "last_check", "1.5") == "BAD_VALUE"
    desk.ok("verify")


def test_notes_tags_and_any_case(desk: Desk, output: Path) -> None:
    desk.ok("task", "add", "--title", "x", "--assign", "dev", "--tags", "a,b", "--priority", "HIGH")
    desk.ok("task", "move", "T-1", "--to", "IN-PROGRESS", "--notes", "begun")
    desk.ok("task", "move", "T-1", "--to", "Review", "--output", str(output))
    desk.ok("task", "move", "T-1", "--to", "done", "--approved-by", "qa", "--notes", "All checks pass")
    history = state(desk)["tasks"]["T-1"]["history"]
    assert [event.get("notes") for event in history] == [None, "begun", None, "All checks pass"]
    assert [list(event)[:3] for event in history] == [["status", "at", "by"]] * 4
    assert desk.ok("task", "list", "--status", "DONE", "--tag", "a", "--json").json["tasks"][0]["priority"] == "high"
    assert desk.run("task", "list", "--status", "finished", "--json").code == "USAGE"


def test_quota_check_without_a_name_checks_all(desk: Desk) -> None:
    desk.ok("quota", "set", "a_daily", "--limit", "2")
    desk.ok("quota", "set", "b", "--limit", "2", "--period", "NONE")
    assert [q["name"] for q in desk.ok("quota", "check", "--json").json["quotas"]] == ["a_daily", "b"]
    desk.ok("quota", "use", "b", "2")
    assert desk.run("quota", "check").exit == 8
    assert "EXHAUSTED" in desk.run("quota", "check").out
    assert "EXHAUSTED" in desk.run("quota", "check", "b").out
    assert desk.ok("quota", "check", "a_daily").exit == 0


def test_a_period_is_never_chosen_silently(desk: Desk) -> None:
    assert desk.refused("quota", "set", "q", "--limit", "2") == "PERIOD_REQUIRED"
    made = desk.ok("quota", "set", "api_hourly", "--limit", "2")
    assert "api_hourly is hourly, from its name" in made.err
    told = desk.ok("quota", "set", "b_weekly", "--limit", "2", "--json").json
    assert "b_weekly is weekly, from its name" in told["notices"]


def test_dashboards_show_metrics_and_say_that_a_quota_is_exhausted(desk: Desk) -> None:
    desk.ok("metric", "set", "skills_online", "152")
    desk.ok("quota", "set", "q", "--limit", "1", "--period", "none")
    desk.ok("quota", "set", "r_daily", "--limit", "1")
    for name in ("q", "r_daily"):
        desk.ok("quota", "use", name)
    for form in ("text", "md", "html"):
        shown = desk.ok("dashboard", "--format", form).out
        assert "152" in shown
        assert "exhausted until 20" in shown
        assert "exhausted" in shown.replace("exhausted until", "")


def test_an_exhausted_quota_is_red(desk: Desk) -> None:
    from opsgit.operations import summary
    from opsgit.views import board

    desk.ok("quota", "set", "q", "--limit", "1", "--period", "none")
    desk.ok("quota", "use", "q")
    line = next(
        row for row in board.dashboard(summary.summary(desk.session(), 0), 100, True).split("\n") if "1/1" in row
    )
    assert line.count("\x1b[1;31m") == 3  # the number, the bar and the word
    assert '<b class="critical">exhausted</b>' in desk.ok("dashboard", "--format", "html").out


def test_what_was_imported_is_marked_wherever_it_is_shown(fresh: Desk) -> None:
    bring(fresh, SAMPLE)
    told = fresh.ok("history", "SKILL-001", "--json").json["history"]
    assert [entry["status"] for entry in told] == ["assigned", "in-progress", "review", "done", "deployed", "deployed"]
    assert [entry.get("imported") for entry in told] == [True] * 5 + [None]
    assert fresh.ok("history", "SKILL-001").out.count("imported") == 5
    for form in ("text", "md", "html"):
        assert "20 (20 imported)" in fresh.ok("dashboard", "--format", form).out.replace("\\(", "(").replace("\\)", ")")
    assert fresh.ok("report", "--json").json["report"]["progress"]["reached"]["deployed"] == 0


def test_a_file_that_says_otherwise_by_now_is_not_silently_unchanged(fresh: Desk) -> None:
    bring(fresh, {"tasks": {"T-1": {"title": "one", "status": "backlog"}}})
    told = bring(fresh, {"tasks": {"T-1": {"title": "two", "status": "backlog"}}, "project": "new"})
    assert told["task T-1"] == ("unchanged", "kept as it is here; the file has another title")
    assert told["project: new"] == ("unchanged", "")


def test_an_imported_deployment_says_why_it_cannot_be_rolled_back(fresh: Desk) -> None:
    bring(fresh, SAMPLE)
    refused = fresh.run("rollback", "SKILL-001", "--as", "orchestrator").err
    assert "NO_DEPLOYMENT" in refused
    assert "deployed before it was imported" in refused


def test_a_dry_run_and_new_keys_are_said(fresh: Desk) -> None:
    file = fresh.path.parent / "old.json"
    file.write_text(json.dumps(SAMPLE))
    assert "dry run: nothing was written" in fresh.ok("import", str(file), "--dry-run").err
    assert "keys were made for 3 agents" in fresh.ok("import", str(file)).err
    assert fresh.refused("import", str(file), "--as", "nobody") == "NOT_FOUND"
    file.write_text('{"foo": 1}')
    assert fresh.refused("import", str(file)) == "BAD_VALUE"


def test_the_live_dashboard_counts_quotas_as_they_are_now(fresh: Desk) -> None:
    bring(fresh, SAMPLE)
    assert state(fresh)["quotas"]["publish_daily"]["used"] == 45
    assert fresh.ok("dashboard", "--json").json["state"]["quotas"]["publish_daily"]["used"] == 0


@pytest.mark.parametrize("name", ["a" * 33, "a" * 300, "reviewer"])
def test_no_key_is_made_for_an_agent_that_is_left_out(desk: Desk, tmp_path: Path, name: str) -> None:
    """A dry run and the import itself say the same."""
    file = tmp_path / "state.json"
    file.write_text(json.dumps({"agents": {name: {"role": "developer"}, "fine": {"role": "developer"}}}))
    for words in (["--dry-run"], []):
        told = desk.run("import", str(file), "--json", *words)
        assert told.exit == 10 and [one["fate"] for one in told.json["records"]] == ["left out", "imported"], told
    assert {path.name for path in desk.session().repository.keys.folder.iterdir()} >= {"fine"}
    assert not desk.session().repository.keys.folder.joinpath(name[:200]).exists()
