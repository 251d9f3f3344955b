"""A project of some weeks for pages to show: tasks in every status, reviews with rounds, deployments, rollbacks."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import opsgit
from opsgit.api.project import Project
from opsgit.cli.main import main

START = 1_780_300_800  # Monday, 1 June 2026, 08:00 UTC
DAY = 86_400
WORDS = "chart export login search upload report cache parser index queue mail theme audit backup billing".split()
PEOPLE = (("ana", "developer"), ("ben", "developer"), ("qa", "reviewer"), ("ship", "deployer"), ("eye", "observer"))


class Worked:
    """A state repository whose clock is the story's."""

    def __init__(self, folder: Path, seed: int = 1) -> None:
        self.path, self.now, self.random = folder / "state", START, random.Random(seed)
        self.output = folder / "output"
        with self.as_("orchestrator", found=True) as lead:
            for name, role in PEOPLE:
                lead.agents.add(name, role, kind="human" if name == "qa" else "agent")
            lead.set("deploy.command", '["true"]')
            lead.quotas.set("publish_daily", limit=10, period="daily")

    @contextmanager
    def as_(self, name: str, found: bool = False) -> Iterator[Project]:
        """The project for one agent, at the time of the story."""
        if found:
            from opsgit.operations import init

            init.init(self.path, "atlas", now=self.now).close()
        with opsgit.open(self.path, actor=name, clock=lambda: self.now) as project:
            yield project

    def submit(self, project: Project, task: str) -> None:
        """Submit a folder of its own for a task, anew in each round."""
        place = self.output / f"{task}-{self.now}"
        place.mkdir(parents=True)
        (place / "main.py").write_text(f"def run(rows):\n    return [{self.now % 97}]\n")
        project.tasks.submit(task, place)

    def each(self, name: str, act: Callable[[Project, str], object], tasks: list[str]) -> None:
        """Let an agent do something with some tasks, at once."""
        self.now += 600
        if not tasks:
            return
        with self.as_(name) as project, project.batch():
            for task in tasks:
                act(project, task)


def worked(folder: Path, tasks: int, days: int = 40) -> Worked:
    """Return a project in which some tasks are made each day and go on, most of them to the end."""
    story = Worked(folder)
    pick = story.random
    left = tasks
    groups: dict[str, list[str]] = {}
    for day in range(days):
        story.now = START + (day + 1) * DAY
        number = left if day == days - 1 else min(left, round(tasks / days * pick.uniform(0.4, 1.6)))
        left -= number
        _day(story, groups, number)
    return story


def _day(story: Worked, groups: dict[str, list[str]], number: int) -> None:
    pick = story.random

    def part(status: str, share: float) -> list[str]:
        held = groups.get(status, [])
        chosen = [task for task in held if pick.random() < share]
        groups[status] = [task for task in held if task not in set(chosen)]
        return chosen

    made: list[tuple[str, str]] = []

    def add(project: Project, _: str) -> None:
        who = pick.choice(["ana", "ben"])
        title = (
            f"{pick.choice(WORDS).capitalize()}: {pick.choice(['add', 'mend', 'speed up'])} the {pick.choice(WORDS)}"
        )
        done = project.tasks.add(title, assign=who if pick.random() < 0.8 else None, description=f"Make *{title}* work.\n\n- one\n- two",
                                 priority=pick.choice(["critical", "high", "medium", "medium", "low"]), tags=[pick.choice(WORDS)])  # fmt: skip
        made.append((done.target, who if done.operations[0].after == "assigned" else ""))

    story.each("orchestrator", add, [""] * number)
    for task, who in made:
        groups.setdefault(f"assigned {who}" if who else "backlog", []).append(task)
    for who in ("ana", "ben"):
        started = part(f"assigned {who}", 0.6)
        story.each(who, lambda project, task: project.tasks.start(task), started)
        handed = part(f"working {who}", 0.5)
        story.each(who, story.submit, handed)
        groups.setdefault(f"working {who}", []).extend(started)
        groups.setdefault("review", []).extend(handed)
    verdicts = part("review", 0.7)
    bad = [task for task in verdicts if pick.random() < 0.2]
    story.each(
        "qa", lambda project, task: project.reviews.comment(task, "what about empty input?", at="main.py:1"), bad
    )
    story.each("qa", lambda project, task: project.reviews.reject(task, "it fails for empty input"), bad)
    good = [task for task in verdicts if task not in bad]
    story.each("qa", lambda project, task: project.reviews.approve(task), good)
    groups.setdefault("rejected", []).extend(bad)
    again = part("rejected", 0.5)
    for who in ("ana", "ben"):
        with story.as_(who) as project:
            mine = [task for task in again if project.tasks.show(task).assigned == who]
        story.each(who, lambda project, task: project.tasks.start(task), mine)
        groups.setdefault(f"working {who}", []).extend(mine)
    groups.setdefault("done", []).extend(good)
    deployed = part("done", 0.4)[:3]
    for number, task in enumerate(deployed):
        story.now += 300
        with story.as_("ship") as ship:
            ship.tasks.deploy(task, ref=f"v{story.now // DAY}.{number}")
            if pick.random() < 0.2:
                with story.as_("eye") as eye:
                    eye.alerts.raise_("errors went up", severity="critical", task=task)
                story.now += 3600
                ship.tasks.rollback(task, note="errors went up")
    with story.as_("ship") as ship:
        ship.quotas.use("publish_daily", 1 + len(deployed))


if __name__ == "__main__":
    import sys

    os_folder = Path(sys.argv[1])
    worked(os_folder, int(sys.argv[2]))
    sys.exit(main(["-C", str(os_folder / "state"), "report", "--format", "html", "--out", str(os_folder / "site")]))
