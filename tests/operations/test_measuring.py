"""Quotas, monitor, compile, report and import on a real repository."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from opsgit.operations import compile, monitor
from opsgit.operations.session import Session
from opsgit.storage.repository import Repository
from tests.conftest import Desk

DAY = 86400


def later(desk: Desk, seconds: int) -> Session:
    session = desk.session()
    base = session.transaction().now()
    session.clock = lambda: base + seconds
    return session


def found(desk: Desk, seconds: int, *checks: str) -> dict[str, str]:
    return {trouble.key: trouble.message for trouble in monitor.monitor(later(desk, seconds), checks)}


def test_check_exits_8_when_exhausted_and_warns_at_80_percent(desk: Desk) -> None:
    desk.ok("quota", "set", "q", "--limit", "5", "--period", "daily")
    assert desk.ok("quota", "use", "q", "3").err.count("warning") == 0
    assert "warning: q has 1 of 5 left" in desk.ok("quota", "use", "q").err
    assert desk.ok("quota", "check", "q", "--json").json["quota"]["left"] == 1
    desk.ok("quota", "use", "--name", "q", "--amount", "1")
    result = desk.run("quota", "check", "q", "--json")
    assert (result.exit, result.json["quota"]["exhausted"]) == (8, True)
    assert desk.run("quota", "use", "q", "--json").code == "QUOTA_EXCEEDED"
    assert desk.run("quota", "check", "nope", "--json").code == "NOT_FOUND"
    assert desk.run("quota", "use", "--json").code == "USAGE"
    assert desk.run("quota", "use", "q", "--json", "--", "-1").code == "BAD_VALUE"
    assert desk.run("quota", "use", "--json", "--", "q", "--5").code == "USAGE"
    assert "q" in desk.ok("quota", "list").out


def test_a_stale_task_an_idle_agent_a_waiting_review(in_review: Desk) -> None:
    in_review.ok("task", "add", "--title", "two", "--assign", "dev")
    assert found(in_review, 3600) == {}
    assert set(found(in_review, 25 * 3600)) == {"stale:T-2", "reviews:T-1"}
    assert set(found(in_review, 4 * DAY)) == {"stale:T-2", "reviews:T-1", "idle:dev"}
    assert set(found(in_review, 4 * DAY, "idle")) == {"idle:dev"}
    in_review.ok("project", "set", "stale.assigned", "7d")
    in_review.ok("project", "set", "idle", "30d")
    assert set(found(in_review, 4 * DAY)) == {"reviews:T-1"}
    assert in_review.refused("project", "set", "stale.assigned", "soon") == "SCHEMA"


def test_failed_and_endless_deployments(done: Desk) -> None:
    done.ok("project", "set", "deploy.command", '["false"]')
    done.run("task", "move", "T-1", "--to", "deployed")
    assert "exit 1" in found(done, 0, "deploys")["deploys:T-1"]
    done.ok("project", "set", "deploy.command", '["true"]')
    done.ok("task", "move", "T-1", "--to", "deployed")
    assert found(done, 0, "deploys") == {}


def test_trouble_is_written_once_while_it_lasts_and_once_when_it_is_over(desk: Desk, tmp_path: Path) -> None:
    file = tmp_path / "alerts.log"
    file.write_text("not ours\n{broken\n[1]\n")
    desk.ok("quota", "set", "q", "--limit", "1", "--period", "none")
    desk.ok("quota", "use", "q")
    for _ in range(2):
        assert desk.run("monitor", "--check-quota", "--alert-to", str(file)).exit == 10
    assert desk.run("monitor", "--check-idle", "--alert-to", str(file)).exit == 0
    desk.ok("quota", "set", "q", "--limit", "10", "--period", "none")
    for _ in range(2):
        desk.ok("monitor", "--check-quota", "--alert-to", str(file))
    lines = [json.loads(line) for line in file.read_text().splitlines()[3:]]
    assert [(line["state"], line["key"]) for line in lines] == [("raised", "quota:q"), ("over", "quota:q")]


def test_newlines_cannot_be_injected_into_the_alert_file(tmp_path: Path) -> None:
    trouble = monitor.Problem("stale", "T-1", "warning", 'a\nb\r\u2028"}\n{"state": "over"}')
    monitor.tell(tmp_path / "f", [trouble], [], 0)
    assert len((tmp_path / "f").read_bytes().splitlines()) == 1
    assert json.loads((tmp_path / "f").read_text())["message"] == trouble.message


def test_raise_makes_alerts_that_count_as_rollback_triggers(done: Desk) -> None:
    done.ok("agent", "add", "eye2", "--role", "observer")
    done.ok("project", "set", "deploy.command", '["false"]')
    done.run("task", "move", "T-1", "--to", "deployed")
    for _ in range(2):
        assert done.run("monitor", "--check-deploys", "--raise", "--as", "eye").exit == 10
    alerts = done.ok("alert", "list", "--json").json["alerts"]
    assert [(a["task"], a["raised_by"], a["severity"]) for a in alerts] == [("T-1", "eye", "critical")]
    done.ok("project", "set", "deploy.command", '["true"]')
    done.ok("task", "move", "T-1", "--to", "deployed")
    done.ok("monitor", "--check-deploys", "--raise", "--as", "eye")
    assert done.ok("alert", "list", "--json").json["alerts"] == []
    done.ok("alert", "raise", "--message", "errors", "--task", "T-1", "--as", "eye2")
    assert done.refused("rollback", "T-1", "--as", "eye") == "ALERT_REQUIRED"
    done.ok("rollback", "T-1", "--alert", "A-1", "--as", "eye")


@pytest.mark.slow
def test_the_same_commit_gives_the_same_bytes(done: Desk, tmp_path: Path) -> None:
    done.ok("quota", "set", "q", "--limit", "3", "--period", "daily")
    done.ok("metric", "set", "downloads", "42")
    seen = set()
    names = ("state.json", "dashboard.md", "dashboard.html")
    for zone, locale, seed, index in (
        ("UTC", "C", "0", True),
        ("Asia/Kolkata", "de_DE.UTF-8", "7", False),
        ("America/Lima", "C.UTF-8", "99", False),
    ):
        if not index:
            (done.path / ".git/opsgit/index.db").unlink()
        env = {**os.environ, "TZ": zone, "LC_ALL": locale, "PYTHONHASHSEED": seed}
        subprocess.run(
            [sys.executable, "-m", "opsgit", "-C", str(done.path), "compile"], env=env, check=True, capture_output=True
        )
        seen.add(b"".join((done.path / name).read_bytes() for name in names))
    assert len(seen) == 1


def test_state_json_is_fresh_after_every_write_and_fits_its_schema(in_review: Desk) -> None:
    from jsonschema import Draft202012Validator

    from opsgit.storage import schema

    def state() -> Any:
        return json.loads((in_review.path / "state.json").read_text())

    in_review.ok("review", "approve", "T-1", "--as", "qa")
    Draft202012Validator(schema.load("state")).validate(state())
    assert state()["tasks"]["T-1"]["status"] == "done"
    assert state()["tasks"]["T-1"]["waiting_for"] == "deployer"
    assert state()["agents"]["dev"]["tasks_completed"] == 1
    assert state()["metrics"]["last_check"] is None
    in_review.ok("metric", "set", "skills_online", "1.5")
    assert state()["metrics"]["last_check"] is None and state()["metrics"]["skills_online"] == 1.5
    in_review.run("monitor", "--raise")
    Draft202012Validator(schema.load("state")).validate(state())
    assert state()["metrics"]["last_check"]


def test_the_index_built_anew_says_the_same(done: Desk) -> None:
    done.ok("task", "comment", "T-1", "--text", "x", "--as", "orchestrator")
    one = compile.state(done.session())
    (done.path / ".git/opsgit/index.db").unlink()
    assert compile.state(done.session()) == one
    assert one["commit"] == Repository((done.path / ".git").resolve(), done.path).tip()


OLD: dict[str, Any] = {
    "project": "old", "created": "2024-01-01T00:00:00Z",
    "agents": {"dev9": {"role": "developer", "description": "d\nx"}, "Bad Name": {"role": "developer"}, "wiz": {"role": "wizard"},
               "dev": {"role": "developer"}},
    "tasks": {
        "S-1": {"title": "one", "status": "deployed", "assigned": "dev9", "priority": "high", "pipeline": ["dev9", "qa", "ship"],
                "created": "2024", "history": [{"status": "assigned", "by": "boss", "time": "t\n1"}, {"status": "deployed", "by": "x", "ref": "v1"}, 7]},
        "S-2": {"title": "two\u202e\n<script>", "status": "review", "assigned": "dev9"},
        "S-3": {"title": "", "status": "dancing", "assigned": "ghost", "priority": "urgent", "pipeline": "a→b"},
        "../x": {"title": "escape", "status": "done"},
        "S-4": "not a mapping",
    },
    "quotas": {"publish": {"limit": 5, "used": 3, "period": "daily"}, "odd": {"limit": 2, "period": "fortnightly"}, "bad": {"limit": -1}},
    "metrics": {"downloads": 5, "last_check": "x", "alerts": [], "words": "many"},
}  # fmt: skip


def test_import_says_what_becomes_of_each_record(desk: Desk, tmp_path: Path) -> None:
    file = tmp_path / "old.json"
    file.write_text(json.dumps(OLD))
    before = desk.refs()
    planned = desk.run("import", str(file), "--dry-run", "--json")
    assert desk.refs() == before
    result = desk.run("import", str(file), "--json")
    assert (planned.exit, result.exit) == (10, 10)
    fates = {record["record"]: record["fate"] for record in result.json["records"]}
    assert fates == {
        "project: old": "not kept", "created: 2024-01-01T00:00:00Z": "not kept", "metric last_check: x": "not kept",
        "agent dev9": "changed", "agent Bad Name": "left out", "agent wiz": "left out", "agent dev": "unchanged",
        "task S-1": "changed", "task S-2": "changed", "task S-3": "changed", "task ../x": "left out", "task S-4": "left out",
        "quota publish": "imported", "quota odd": "changed", "quota bad": "left out",
        "metric downloads": "imported", "metric words": "left out",
    }  # fmt: skip
    assert planned.json["records"] == result.json["records"]
    assert desk.status("S-1") == "deployed"
    assert desk.status("S-2") == "in-progress"
    assert desk.refused("rollback", "S-1") == "NO_DEPLOYMENT"
    desk.ok("compile")
    state = json.loads((desk.path / "state.json").read_text())
    assert [h.get("imported") for h in state["tasks"]["S-1"]["history"]] == [True, True, None]
    assert "imported, unproven" in (desk.path / "dashboard.html").read_text()
    assert "imported, unproven" in (desk.path / "dashboard.md").read_text()
    assert "imported" in desk.ok("task", "show", "S-1").out


def test_an_imported_approval_deploys_nothing(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "old.json").write_text(
        json.dumps({"tasks": {"S-1": {"title": "t", "status": "done", "assigned": "dev"}}})
    )
    desk.ok("import", str(tmp_path / "old.json"))
    assert desk.refused("task", "move", "S-1", "--to", "deployed") == "NOT_APPROVED"


@pytest.mark.parametrize("content", ["", "[]", "{", '{"tasks": 5}', "[" * 100000])
def test_what_is_no_state_json(desk: Desk, tmp_path: Path, content: str) -> None:
    (tmp_path / "x.json").write_text(content)
    assert desk.refused("import", str(tmp_path / "x.json")) == "BAD_VALUE"
    assert desk.refused("import", str(tmp_path / "none.json")) == "NOT_FOUND"


def test_the_report_of_a_real_history(done: Desk) -> None:
    told = done.ok("report", "--json").json["report"]
    assert told["progress"]["tasks"]["done"] == 1
    assert told["progress"]["reached"]["review"] == 1
    assert told["agents"]["dev"]["success_rate"] == 1.0
    assert told["agents"]["qa"]["reviews"] == 1
    assert told["cycle"]["count"] == 1
    assert told["pipeline"] == {"deployer": ["T-1"]}
    for form in ("text", "md", "html"):
        assert "deployer" in done.ok("report", "--format", form).out
    assert done.refused("report", "--since", "soon") == "BAD_VALUE"


def test_ops_sh_forwards(desk: Desk, tmp_path: Path) -> None:
    script = tmp_path / "ops.sh"
    script.write_text(desk.ok("help", "ops.sh").out)
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "OPS_STATE_DIR": str(desk.path)}
    done = subprocess.run(["bash", str(script), "agent", "list"], env=env, capture_output=True, text=True, check=True)
    assert "developer" in done.stdout


def test_setting_a_quota_changes_what_is_named_alone(desk: Desk) -> None:
    desk.ok("quota", "set", "q", "--limit", "3", "--period", "weekly", "--agent", "dev")
    desk.ok("quota", "use", "q", "2", "--as", "dev")
    desk.ok("quota", "set", "q", "--limit", "10")
    told = desk.ok("quota", "show", "q", "--json").json["quota"]
    assert (told["used"], told["period"], told["agents"]) == (2, "weekly", ["dev"])
    desk.ok("quota", "set", "q", "--limit", "10", "--agent", "")
    assert "agents" not in desk.ok("quota", "show", "q", "--json").json["quota"]


def test_a_gauge_may_be_negative(desk: Desk) -> None:
    desk.ok("metric", "set", "m", "-3.5", "--as", "eye")
    assert desk.ok("metric", "list", "--json").json["metrics"][0]["value"] == -3.5


def test_what_waits_for_another_task_is_nothing_to_do_next(desk: Desk) -> None:
    desk.ok("task", "add", "--id", "first", "--title", "x", "--priority", "low")
    desk.ok("task", "add", "--id", "then", "--title", "y", "--priority", "critical", "--depends-on", "first")
    steps = desk.ok("task", "next", "--as", "dev", "--json").json["steps"]
    assert [step["task"] for step in steps] == ["first"]
    assert desk.refused("task", "list", "--assigned", "nobody") == "NOT_FOUND"
