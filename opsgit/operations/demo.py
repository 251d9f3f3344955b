"""The demo: a real state repository, taken from init to rollback, with refusals on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from opsgit.domain import names
from opsgit.domain.refusals import Refused
from opsgit.operations import (
    agents,
    dashboards,
    deployments,
    init,
    moves,
    observations,
    project,
    quotas,
    reviews,
    tasks,
)
from opsgit.operations.deliverables import Given
from opsgit.operations.publication import act
from opsgit.operations.session import Session
from opsgit.operations.transactions import Written
from opsgit.storage.repository import find

Step = tuple[str, Callable[[Session], list[Written]]]
TASK, QUOTA = "SKILL-001", "publish_daily"


def walk(folder: Path) -> Iterator[tuple[str, str]]:
    """Make a state repository in `folder` and perform the demo's operations on it.

    :param folder: an empty or new folder.
    :returns: an iterator over kind and text; the kind is `command`, `done` or `refused`.
    """
    work_done = folder / "work" / "chart-generator"
    work_done.mkdir(parents=True)
    (work_done / "chart.py").write_text('print("chart")\n')
    repository = init.init(folder / "state", "demo")
    yield "command", f"opsgit init --project demo --state-dir {folder / 'state'}"
    yield "done", f"genesis {repository.tip()[:10]}, signed by orchestrator"
    try:
        for command, act in _steps(work_done):
            yield "command", f"opsgit {command}"
            session = Session(repository, _named(command))
            try:
                yield from (("done", f"{one.change.subject}  by {one.change.request.actor}") for one in act(session))
            except Refused as refused:
                yield "refused", f"{refused.refusal.code}: {refused.refusal.message}"
        dashboards.write(Session(repository))
    finally:
        repository.close()


def _named(command: str) -> tuple[tuple[str, str], ...]:
    words = command.split()
    options = ("--as", "--approved-by")
    return tuple((option, words[words.index(option) + 1]) for option in options if option in words)


def _steps(output: Path) -> Iterator[Step]:
    for name, role in (("dev", "developer"), ("qa", "reviewer"), ("deploy", "deployer"), ("watch", "observer")):
        yield f"agent add --name {name} --role {role}", lambda s, n=name, r=role: agents.add(s, n, r)  # type: ignore[misc]
    yield from _work(output)
    yield from _review(output)
    yield from _ship()


def _work(output: Path) -> Iterator[Step]:
    pipeline = "dev→qa→deploy"
    yield (
        f"task add --id {TASK} --title 'Build the chart generator' --assign dev --pipeline '{pipeline}'",
        lambda s: tasks.add(s, TASK, "Build the chart generator", assigned="dev", pipeline=pipeline),
    )
    yield f"task move {TASK} --to done --approved-by qa", lambda s: moves.move(s, TASK, "done")
    yield f"task start {TASK}", lambda s: act(s, "task.start", TASK)
    yield f"task submit {TASK} --output {output}.zip", lambda s: tasks.submit(s, TASK, Given(f"{output}.zip"))
    yield f"task submit {TASK} --output {output}", lambda s: tasks.submit(s, TASK, Given(str(output)))


def _review(output: Path) -> Iterator[Step]:
    yield f"review approve {TASK} --as dev", lambda s: reviews.verdict(s, "review.approve", TASK)
    yield (
        f"review comment {TASK} --as qa --text 'what about an empty series?'",
        lambda s: tasks.comment(s, TASK, "what about an empty series?"),
    )
    yield f"review approve {TASK} --as qa   # after somebody changed {output.name}", lambda s: _swapped(s, output)
    yield f"review approve {TASK} --as qa", lambda s: reviews.verdict(s, "review.approve", TASK)


def _swapped(session: Session, output: Path) -> list[Written]:
    script = output / "chart.py"
    good = script.read_text()
    script.write_text('print("something else")\n')
    try:
        return reviews.verdict(session, "review.approve", TASK)
    finally:
        script.write_text(good)


def _ship() -> Iterator[Step]:
    for value in ('["false"]', '["true"]'):
        yield f"project set deploy.command '{value}'", lambda s, v=value: project.set_key(s, "deploy.command", v)  # type: ignore[misc]
        yield f"task move {TASK} --to deployed --deploy-ref v2.0.0", lambda s: deployments.deploy(s, TASK, "v2.0.0")
    yield from _watch()


def _watch() -> Iterator[Step]:
    yield (
        "quota set --name publish_daily --limit 2 --period daily",
        lambda s: quotas.set_quota(s, QUOTA, limit=2, period="daily"),
    )
    for amount in (2, 1):
        yield f"quota use {QUOTA} {amount}", lambda s, a=amount: quotas.use(s, QUOTA, a)  # type: ignore[misc]
    yield (
        f"alert raise --message 'errors doubled' --severity critical --task {TASK}",
        lambda s: observations.raise_alert(s, None, "errors doubled", severity="critical", task=TASK),
    )
    yield f"rollback {TASK} --reason 'errors doubled'", lambda s: deployments.rollback(s, TASK)


def graph(folder: Path) -> list[str]:
    """Return the history of the demo's ledger as `git log --graph` draws it.

    :param folder: the folder that was given to `walk`.
    """
    repository = find(folder / "state")
    try:
        return repository.git.run("log", "--graph", "--format=%h %an: %s", names.MAIN).decode().splitlines()
    finally:
        repository.close()
