"""What the index answers equals what a walk over the ledger says, on random histories."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from opsgit.domain import concerns, names, rules, statistics, vocabulary
from opsgit.domain.model import Agent, Project, Quota, Task
from opsgit.domain.next_steps import waits_for
from opsgit.domain.records import Record, from_record, to_record
from opsgit.operations import compile
from opsgit.operations.queries import SORTS
from opsgit.operations.session import Session
from opsgit.storage.index import Index
from opsgit.storage.index_reader import IndexReader
from opsgit.storage.log import raw_entries, summary
from opsgit.storage.reader import TreeReader, read_record
from tests.conftest import Desk, git

PEOPLE = ("dev", "dev2", "qa", "ship", "eye", "orchestrator")


def step(rng: random.Random, output: Path) -> tuple[str, ...]:
    """A command that may be legal or not."""
    task, who = f"T-{rng.randint(1, 9)}", rng.choice(PEOPLE)
    return rng.choice(
        [
            ("task", "add", "--title", f"about {rng.randint(1, 99)}", "--priority", rng.choice(vocabulary.PRIORITIES)),
            ("task", "add", "--title", "held", "--assign", rng.choice(("dev", "dev2"))),
            ("task", "add", "--title", "later", "--depends-on", task),
            ("task", "add", "--title", "named", "--pipeline", "dev2→qa→ship"),
            ("task", "assign", task, "--to", rng.choice(("dev", "dev2"))),
            ("task", "claim", task, "--as", who),
            ("task", "start", task, "--as", who),
            ("task", "submit", task, "--output", str(output), "--as", who),
            ("task", "submit", task, "--output", str(output)),
            ("review", "approve", task, "--as", "qa"),
            ("review", "reject", task, "--reason", "no", "--as", "qa"),
            ("review", "comment", task, "--text", f"@{who} look", "--as", "qa"),
            ("task", "comment", task, "--text", f"@{who} and @eye, please", "--as", rng.choice(PEOPLE)),
            ("task", "move", task, "--to", "deployed", "--as", "ship"),
            ("rollback", task, "--reason", "errors", "--as", "ship"),
            ("task", "cancel", task, "--reason", "no use"),
            ("task", "edit", task, "--priority", rng.choice(vocabulary.PRIORITIES)),
            ("agent", "add", "dev2", "--role", "developer"),
            ("agent", "remove", "dev2", "--release"),
            ("agent", "remove", "dev2"),
            ("project", "set", "deploy.command", rng.choice(('["true"]', '["false"]'))),
            ("quota", "use", "q", "--as", "dev"),
        ]
    )


class Walk:
    """The ledger, walked file by file and commit by commit, without the index of the clone."""

    def __init__(self, session: Session) -> None:
        repository = session.repository
        objects, tip = repository.objects(), repository.tip()
        self.index = Index(None)  # only a memory of what was parsed
        self.reader = TreeReader(objects, self.index, tip)
        paths = [one for one in git(repository.folder, "ls-tree", "-r", "--name-only", tip).split("\n") if one]
        found = {path: self.reader.record(path) or {} for path in paths if not names.is_managed(path)}
        self.records: dict[str, Record] = found
        self.tasks = {path: from_record(Task, one) for path, one in found.items() if path.startswith("tasks/")}
        self.book = rules.in_force(from_record(Project, found[names.PROJECT]))
        agents = (from_record(Agent, one) for path, one in found.items() if path.startswith("agents/"))
        self.active = {one.name for one in agents if one.status == "active"}
        self.log = [summary(entry, self._record) for entry in raw_entries(repository.git, tip, None)]

    def _record(self, path: str, blob: str) -> Record:
        return read_record(self.reader.objects, self.index, path, blob)

    def ordered(self, sort: str) -> list[str]:
        """The ids of all tasks in an order of lists."""
        last = {entry["path"]: entry["at"] for entry in self.log}

        def place(path: str) -> tuple[Any, ...]:
            task = self.tasks[path]
            need, rank = vocabulary.BY_NEED.index(task.status), vocabulary.PRIORITIES.index(task.priority)
            return {
                "need": (need, rank, task.created, path),
                "priority": (rank, task.created, path),
                "age": (task.created, path),
                "updated": (-last[path], path),
                "id": (task.id,),
            }[sort]

        return [self.tasks[path].id for path in sorted(self.tasks, key=place)]


def compare(session: Session) -> None:
    """Every answer of the index, beside the walk."""
    index, walk = session.index(), Walk(session)
    reader = IndexReader(session.repository, index, index.tip() or "")
    for path, record in walk.records.items():
        assert reader.record(path) == record
    for folder in ("agents", "tasks", "quotas", *{path.rpartition("/")[0] for path in walk.tasks}):
        assert reader.names(folder) == walk.reader.names(folder)
    for sort, order in SORTS.items():
        assert [one["id"] for one in index.select("kind = 'task'", (), order)] == walk.ordered(sort), sort
        opened = [one for one in walk.ordered(sort) if walk.tasks[names.task_path(one)].status not in vocabulary.ENDED]
        assert [one["id"] for one in index.select("open = 1", (), order)] == opened, sort
    assert index.tally("status", "kind = 'task'", ()) == Counter(task.status for task in walk.tasks.values())
    can_act = walk.active.__contains__
    assert {path: index.waits_of(path) for path in walk.tasks} == {
        path: waits_for(walk.book, task, can_act) if task.status not in vocabulary.ENDED else None
        for path, task in walk.tasks.items()
    }
    rows = index.base.execute("SELECT key, path FROM concern").fetchall()
    known = [(key, path) for path, task in walk.tasks.items() for key in set(concerns.keys(walk.book, task, can_act))]
    assert sorted(rows) == sorted(known)
    for key in {key for key, _ in rows}:
        told = [one["id"] for one, _ in index.concerning([key])]
        assert told == [one for one in walk.ordered("priority") if (key, names.task_path(one)) in known]
    done = statistics.figures(walk.log, 0).agents
    last = {entry["by"]: entry["at"] for entry in walk.log}
    assert index.agents() == {name: (one.completed, last.get(name)) for name, one in done.items()}
    assert [one["commit"] for one in index.log("1")] == [one["commit"] for one in walk.log]
    assert index.highest_number() == max((int(task.id[2:]) for task in walk.tasks.values()), default=0)
    assert (index.newest(), index.latest()) == (walk.log[-1]["at"], max(one["at"] for one in walk.log))
    quotas = [to_record(from_record(Quota, one)) for path, one in walk.records.items() if path.startswith("quotas/")]
    assert index.select("kind = 'quota'", (), "name") == quotas
    state = compile.state(session)
    assert json.loads(b"".join(compile.text(index))) == state  # some texts were kept at older commits
    compile.keep(index)
    assert json.loads(b"".join(compile.text(index))) == state
    walk.index.close()


@pytest.mark.parametrize("seed", range(3))
def test_the_index_says_what_a_walk_says(desk: Desk, output: Path, seed: int) -> None:
    rng = random.Random(seed)
    desk.ok("quota", "set", "q", "--limit", "50", "--period", "daily")
    for part in range(6):
        for _ in range(25):
            desk.run(*step(rng, output))
            (output / "result.txt").write_text(f"{seed} {part} {rng.random()}\n")
        session = desk.session()
        compare(session)
        session.repository.close()
    (desk.path / ".git/opsgit/index.db").unlink()
    session = desk.session()
    compare(session)  # built anew
    session.repository.close()


def test_texts_go_when_what_a_task_waits_for_follows_from_something_else(desk: Desk) -> None:
    """No operation names the task, and its file stays as it was."""
    desk.ok("agent", "add", "dev2", "--role", "developer")
    desk.ok("task", "add", "--title", "one", "--pipeline", "dev2→qa→ship", "--assign", "dev2")
    before = json.loads((desk.path / "state.json").read_text())["tasks"]["T-1"]
    desk.ok("agent", "remove", "dev2")
    after = json.loads((desk.path / "state.json").read_text())["tasks"]["T-1"]
    assert before["waiting_for"] == "dev2" != after["waiting_for"]
    session = desk.session()
    assert compile.state(session)["tasks"]["T-1"] == after
    session.repository.close()
