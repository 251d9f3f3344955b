"""The Python API: the operations of the command line with types, refusals as one exception, and batches."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

import opsgit
from opsgit.api import others, tasks
from opsgit.cli.main import COMMANDS
from opsgit.cli.main import opsgit as commands
from tests.conftest import Desk, git


def test_a_task_from_beginning_to_end(desk: Desk, output: Path) -> None:
    with opsgit.open(desk.path, actor="orchestrator") as lead:
        made = lead.tasks.add("Build it", assign="dev", priority="high", tags=["a"])
        assert (made.target, made.operations[0].after) == ("T-1", "assigned")
        assert made.commit == git(desk.path, "rev-parse", "main").strip()
        lead.set("deploy.command", '["true"]')
    with opsgit.open(desk.path, actor="dev") as dev:
        assert [step["command"] for step in dev.tasks.next()] == ["opsgit task start T-1 --as dev"]
        found = dev.tasks.take()
        assert found and found.task["status"] == "in-progress"
        dev.tasks.progress("T-1", "half")
        dev.tasks.submit("T-1", output)
    with opsgit.open(desk.path, actor="qa") as qa:
        assert [item.about for item in qa.inbox()] == ["T-1"]
        assert qa.reviews.list()[0]["task"] == "T-1"
        qa.reviews.comment("T-1", "why?", at="result.txt:1", blocking=True)
        with pytest.raises(opsgit.Refused) as refused:
            qa.reviews.approve("T-1")
        assert refused.value.code == "THREAD_OPEN"
        assert "review resolve" in refused.value.hint
        qa.reviews.resolve("T-1", "1-1")
        qa.reviews.approve("T-1", note="fine")
    with opsgit.open(desk.path, actor="ship") as ship:
        assert ship.tasks.deploy("T-1", ref="v1").operations[-1].after == "deployed"
        ship.tasks.rollback("T-1", note="errors")
        assert ship.tasks.show("T-1").status == "rolled-back"
        assert [entry["status"] for entry in ship.tasks.history("T-1") if "status" in entry][-1] == "rolled-back"
        assert ship.verify().findings == []


def test_results_are_frozen(desk: Desk) -> None:
    with opsgit.open(desk.path, actor="orchestrator") as lead:
        made = lead.tasks.add("one")
        with pytest.raises(FrozenInstanceError):
            made.operations = ()  # type: ignore[misc]
        with pytest.raises(FrozenInstanceError):
            lead.tasks.show("T-1").title = "x"  # type: ignore[misc]
        with pytest.raises(TypeError):
            lead.policy()["name"] = "x"
        with pytest.raises(TypeError):
            lead.tasks.history("T-1")[0]["by"] = "x"


def test_a_batch_lands_whole(desk: Desk) -> None:
    before = git(desk.path, "rev-list", "--count", "main")
    with opsgit.open(desk.path, actor="orchestrator") as lead:
        with lead.batch() as batch:
            first = lead.tasks.add("one", assign="dev")
            second = lead.tasks.add("two", depends_on=[first.target])
            assert (first.target, second.target, first.commit) == ("T-1", "T-2", None)
            assert git(desk.path, "rev-list", "--count", "main") == before
        assert [one.id for one in batch.written] == git(desk.path, "rev-list", "--reverse", "-2", "main").split()
        assert lead.tasks.show("T-2").depends_on == ("T-1",)


def test_a_refusal_in_a_batch_leaves_nothing(desk: Desk) -> None:
    before = desk.refs()
    with opsgit.open(desk.path, actor="orchestrator") as lead:
        with pytest.raises(opsgit.Refused) as refused, lead.batch():
            lead.tasks.add("one")
            lead.tasks.start("T-1")
        assert refused.value.code == "ILLEGAL_TRANSITION"
        with pytest.raises(opsgit.Refused, match="ILLEGAL_TRANSITION"), lead.batch():
            lead.tasks.add("one")
            with pytest.raises(opsgit.Refused):
                lead.tasks.start("T-1")  # whoever catches it does not publish half of a batch
            with pytest.raises(opsgit.Refused, match="BATCH_OPEN: this batch has failed"):
                lead.tasks.add("two")
        with pytest.raises(ZeroDivisionError), lead.batch():
            lead.tasks.add("one")
            raise ZeroDivisionError
        with pytest.raises(opsgit.Refused, match="BATCH_OPEN"), lead.batch(), lead.batch():
            pass
        for words in ({"op_id": "x"}, {"dry_run": True}):
            with pytest.raises(opsgit.Refused, match="BATCH_OPEN"), lead.batch():
                lead.tasks.add("one", **words)
        with pytest.raises(opsgit.Refused, match="BATCH_OPEN"), lead.batch():
            lead.tasks.deploy("T-1")
        assert desk.refs() == before
        lead.tasks.add("after all")
    assert desk.status("T-1") == "backlog"


def test_a_batch_is_decided_again_after_a_lost_race(desk: Desk) -> None:
    with opsgit.open(desk.path, actor="orchestrator") as lead, opsgit.open(desk.path, actor="dev") as dev:
        lead.tasks.add("one")
        with pytest.raises(opsgit.Refused, match="T-1"), dev.batch():
            dev.tasks.claim("T-1")
            lead.tasks.cancel("T-1")
        with dev.batch():
            dev.tasks.comment("T-1", "so be it")
            lead.tasks.add("meanwhile")
    assert desk.ok("task", "show", "T-1", "--json").json["task"]["comments"][0]["text"] == "so be it"
    assert desk.ok("verify").exit == 0


def test_any_caught_refusal_breaks_a_batch(desk: Desk) -> None:
    before = desk.refs()
    with opsgit.open(desk.path, actor="orchestrator") as lead:
        for call, code in (
            (lambda: lead.tasks.submit("T-9", "x"), "NOT_FOUND"),
            (lambda: lead.tasks.start("no id"), "BAD_ID"),
            (lambda: lead.tasks.take(), "BATCH_OPEN"),
        ):
            with pytest.raises(opsgit.Refused, match=code), lead.batch():
                lead.tasks.add("one")
                with pytest.raises(opsgit.Refused, match=code):
                    call()
        assert desk.refs() == before


def test_reads_in_a_batch_show_what_is_published(desk: Desk) -> None:
    desk.ok("quota", "set", "calls_daily", "--limit", "3")
    with opsgit.open(desk.path, actor="orchestrator") as lead, lead.batch():
        lead.tasks.add("one")
        lead.quotas.use("calls_daily")
        assert (lead.tasks.list(), lead.quotas.check("calls_daily")["used"]) == ((), 0)
        with pytest.raises(opsgit.Refused, match="NOT_FOUND"):
            lead.tasks.show("T-1")
    assert desk.status("T-1") == "backlog", "a refused read breaks no batch"


def test_each_write_of_a_batch_keeps_its_note(desk: Desk) -> None:
    desk.ok("task", "add", "--title", "one")
    with opsgit.open(desk.path, actor="orchestrator") as lead, lead.batch():
        lead.tasks.assign("T-1", "dev", note="first words")
        lead.tasks.comment("T-1", "x", note="second words")
    assert "first words" in git(desk.path, "log", "-1", "--format=%B", "main~1")
    assert "second words" in git(desk.path, "log", "-1", "--format=%B", "main")


def test_a_number_that_was_taken_meanwhile(desk: Desk) -> None:
    with opsgit.open(desk.path, actor="orchestrator") as lead, opsgit.open(desk.path, actor="orchestrator") as other:
        with pytest.raises(opsgit.Refused) as refused, lead.batch():
            lead.tasks.add("mine")
            other.tasks.add("theirs")
        assert (refused.value.code, refused.value.refusal.retryable) == ("REF_MOVED", True)
        assert [task.title for task in lead.tasks.list()] == ["theirs"]


def test_words_that_are_none_of_the_known_ones(desk: Desk) -> None:
    with opsgit.open(desk.path, actor="orchestrator") as lead:
        for words in ({"status": ["x"]}, {"priority": ["x"]}, {"sort": "x"}):
            with pytest.raises(ValueError, match="'x'"):
                lead.tasks.list(**words)


def test_another_thread_is_told_at_once(desk: Desk) -> None:
    with opsgit.open(desk.path, actor="orchestrator") as lead, ThreadPoolExecutor() as pool:
        for call in (lambda: lead.tasks.add("one"), lambda: lead.tasks.list()):
            with pytest.raises(RuntimeError, match="open another one in this thread"):
                pool.submit(call).result()


def test_an_op_id_and_a_dry_run(desk: Desk) -> None:
    with opsgit.open(desk.path, actor="orchestrator") as lead:
        assert lead.tasks.add("one", dry_run=True).commit is None
        first, second = (lead.tasks.add("one", op_id="run-7") for _ in range(2))
        assert first == second
        with pytest.raises(opsgit.Refused, match="OP_ID_TAKEN"):
            lead.tasks.add("another", op_id="run-7")


def test_who_acts(desk: Desk, tmp_path: Path) -> None:
    desk.ok("agent", "checkout", "dev", str(tmp_path / "clone"))
    with pytest.raises(opsgit.Refused, match="IDENTITY_CONFLICT"):
        opsgit.open(tmp_path / "clone", actor="qa")
    with opsgit.open(tmp_path / "clone") as dev:
        assert dev.actor == "dev"
    with opsgit.open(desk.path) as nobody, pytest.raises(opsgit.Refused, match="IDENTITY_REQUIRED"):
        nobody.tasks.take()
    with pytest.raises(opsgit.Refused, match="NO_REPOSITORY"):
        opsgit.open(tmp_path)


def test_quotas_metrics_alerts_agents(desk: Desk) -> None:
    with opsgit.open(desk.path, actor="orchestrator") as lead:
        lead.agents.add("bot", "developer", description="builds")
        assert lead.agents.show("bot").description == "builds"
        lead.agents.edit("bot", description="tests")
        lead.agents.rotate("bot")
        lead.agents.remove("bot")
        assert {one.name: one.status for one in lead.agents.list()}["bot"] == "removed"
        lead.quotas.set("q_daily", limit=2)
        lead.quotas.use("q_daily", 2)
        assert lead.quotas.check("q_daily")["exhausted"] is True
        with pytest.raises(opsgit.Refused, match="QUOTA_EXCEEDED"):
            lead.quotas.use("q_daily")
        assert [problem.check for problem in lead.monitor("quota")] == ["quota"]
    with opsgit.open(desk.path, actor="eye") as eye:
        eye.metrics.set("errors", 3)
        assert [(one.name, one.value) for one in eye.metrics.list()] == [("errors", 3)]
        assert eye.alerts.raise_("bad", severity="critical").target == "A-1"
        eye.alerts.resolve("A-1")
        assert eye.alerts.list() == ()
        assert [one.id for one in eye.alerts.list(None)] == ["A-1"]


def test_mistakes_of_a_program(desk: Desk) -> None:
    with pytest.raises(opsgit.Refused, match="NOT_FOUND"):
        opsgit.open(desk.path, actor="nobody")
    lead = opsgit.open(desk.path, actor="orchestrator")
    for mistake in (lambda: lead.tasks.add("x", **{"asign": "dev"}), lambda: lead.tasks.add("x", tags="ui"),
                    lambda: lead.tasks.list(status="backlog"), lambda: lead.tasks.list(statuses=())):  # type: ignore[call-arg]  # fmt: skip
        with pytest.raises(TypeError):
            mistake()
    with pytest.raises(ValueError, match="sort is one of"):
        lead.tasks.list(sort="x")
    lead.tasks.add("one")
    assert [task.id for task in lead.tasks.list(status=["backlog"], text="one")] == ["T-1"]
    lead.close()
    index = desk.path / ".git/opsgit/index.db"
    before = index.stat().st_ino
    for call in (lambda: lead.tasks.list(), lambda: lead.tasks.add("two"), lambda: lead.batch().__enter__()):
        with pytest.raises(ValueError, match="closed"):
            call()
    assert index.stat().st_ino == before
    assert len(desk.ok("task", "list", "--json").json["tasks"]) == 1


WITHOUT = {"review open", "alert raise", "quota show", "agent prove", "agent checkout", "agent spawn"}


def test_every_command_of_a_group_has_its_method() -> None:
    import click

    groups = {"task": tasks.Tasks, "review": tasks.Reviews, "agent": others.Agents, "quota": others.Quotas,
              "metric": others.Metrics, "alert": others.Alerts}  # fmt: skip
    for name, group in groups.items():
        assert name in COMMANDS
        command = commands.get_command(click.Context(commands), name)
        assert isinstance(command, click.Group)
        for verb in command.list_commands(click.Context(command)):
            if f"{name} {verb}" not in WITHOUT:
                assert callable(getattr(group, verb.replace("-", "_"))), (name, verb)
        public = [method for title, method in inspect.getmembers(group, inspect.isfunction) if title[0] != "_"]
        assert all(method.__doc__ for method in public)


def test_the_command_line_does_not_import_it() -> None:
    script = "import sys, opsgit.cli.main; print([m for m in sys.modules if m.startswith('opsgit.api')])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []
    with pytest.raises(AttributeError):
        opsgit.nothing  # noqa: B018


def test_the_examples_of_help_api_run(desk: Desk, output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each example of the topic, in order: with the names that the text before it has introduced."""
    import textwrap

    from opsgit.cli import help as topics

    blocks, block = [], list[str]()
    for line in [*topics.text("api").splitlines(), "."]:
        if line.startswith("    ") or (block and not line):
            block.append(line)
        elif block:
            blocks.append(textwrap.dedent("\n".join(block)))
            block = []
    assert len(blocks) == 3
    monkeypatch.chdir(desk.path.parent)
    (desk.path.parent / "skills").mkdir()
    output.rename(desk.path.parent / "skills/chart-generator")
    desk.ok("task", "add", "--title", "one", "--assign", "dev")
    exec(blocks[0], {})
    assert desk.status("T-1") == "review"
    with opsgit.open(desk.path, actor="dev") as project:
        exec(blocks[1], {"opsgit": opsgit, "project": project})
    with opsgit.open(desk.path, actor="orchestrator") as project:
        exec(blocks[2], {"project": project})
    assert desk.ok("task", "show", "T-3", "--json").json["task"]["depends_on"] == ["T-2"]


@pytest.mark.slow
def test_a_batch_with_files_goes_to_the_remote_whole(desk: Desk, output: Path, tmp_path: Path) -> None:
    """A submission with its attachment and uses of a quota, while somebody else publishes in between."""
    from opsgit.cli.main import main

    hub = tmp_path / "hub.git"
    assert main(["server", "init", str(hub)]) == 0
    git(desk.path, "remote", "add", "origin", str(hub))
    desk.ok("quota", "set", "q_daily", "--limit", "3", "--agent", "dev")
    desk.ok("task", "add", "--title", "one", "--assign", "dev")
    with opsgit.open(desk.path, actor="dev") as dev, opsgit.open(desk.path, actor="orchestrator") as lead:
        desk.ok("agent", "checkout", "orchestrator", str(tmp_path / "lead"))
        with dev.batch() as batch:
            dev.tasks.start("T-1")
            dev.tasks.submit("T-1", output)
            dev.quotas.use("q_daily", 2)
            assert main(["-C", str(tmp_path / "lead"), "task", "add", "--title", "meanwhile"]) == 0
        assert [one.change.request.op for one in batch.written] == [
            "task.start", "task.submit", "review.request", "quota.use",
        ]  # fmt: skip
        with pytest.raises(opsgit.Refused, match="QUOTA_EXCEEDED"), dev.batch():
            dev.quotas.use("q_daily")
            dev.quotas.use("q_daily")
        assert lead.quotas.check("q_daily")["used"] == 2
    assert "refs/opsgit/deliverables/T-1/1" in git(hub, "for-each-ref", "refs/opsgit")
    assert git(hub, "rev-parse", "main") == git(desk.path, "rev-parse", "main")
    assert desk.status("T-2") == "backlog"
    assert desk.ok("verify").exit == 0
