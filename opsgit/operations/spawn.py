"""`agent spawn`: make an agent's clone ready, and say what to tell the agent so that it does one task."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, NoReturn

from opsgit.domain import names, policy
from opsgit.domain.model import Agent, Task
from opsgit.domain.next_steps import steps, waits_for
from opsgit.domain.refusals import refuse
from opsgit.domain.request import Snapshot
from opsgit.domain.rules import RuleBook, in_force
from opsgit.domain.vocabulary import DEPLOYED, OBSERVE
from opsgit.operations import clone, queries, update
from opsgit.operations.session import Session
from opsgit.storage import clones, git, repository

# The commands after a step, by its operation. A claim goes on with the commands after a start.
WORK = ("task show {id}", "task submit {id}{output}")
LOOK = ("review show {id}", "review diff {id}")
REJECT = 'review reject {id} --reason "WHY"'
THEN: dict[str, tuple[str, ...]] = {
    "task.claim": ("task start {id}", *WORK),
    "task.start": WORK,
    "task.submit": WORK,
    "review.approve": LOOK,
    "review.reject": LOOK,
    "review.sign-off": LOOK,
}
# The commands of which exactly one ends the step, after those above.
EITHER: dict[str, tuple[str, ...]] = {
    "review.approve": ("review approve {id}", REJECT),
    "review.reject": (REJECT, 'review comment {id} --text "WORDS"'),
    "review.sign-off": ("review sign-off {id}", REJECT),
}
WATCH = ("task show {id}", "monitor --raise")


class Spawn(NamedTuple):
    """An agent's clone and its orders: the task's title and description, and the commands in order.

    `name` and `role` are the agent's. `act` says what to do. `folder` is the clone's absolute path. `workplace` is the
    folder in which the agent builds, empty for an agent that builds nothing; `commits` is whether it is a work tree of
    the code, whose commit is the deliverable. Of the commands `either`, exactly one is for the end. `holds_key` is
    whether this key folder has the agent's key.
    """

    name: str
    role: str
    project: str
    task: str
    title: str
    description: str
    act: str
    folder: str
    workplace: str
    commits: bool
    commands: tuple[str, ...]
    either: tuple[str, ...]
    holds_key: bool


def spawn(session: Session, name: str, task_id: str, folder: Path | None = None) -> Spawn:
    """Make or refresh the clone of an agent, and return what to tell the agent.

    :param folder: the clone; None: a folder of the agent's name in `<state repository>.agents`, beside it.
    :raises Refused: `NOT_FOUND` if there is no such agent or task; `NOTHING_TO_DO` if the task waits for somebody else;
        `ALREADY_A_REPOSITORY` if the folder is something else; as `clone.checkout` and `update.update`.
    """
    snapshot = session.look(names.check_id(task_id))
    agent, task = snapshot.agent(name), snapshot.task(task_id)
    act, op, first = _order(session, snapshot, agent, task)
    place = folder or _default(session, name)
    _ready(session, name, place)
    builds = op in ("task.claim", "task.start", "task.submit")
    workplace = _workplace(session, snapshot, place, task) if builds else None
    commits = bool(workplace and session.repository.code)
    output = f" --output {shlex.quote(str(workplace))}" if workplace and not commits else ""
    lines = [*([first] if first else []), *(WATCH if op == "" else THEN.get(op, ()))]
    return Spawn(
        name=name,
        role=agent.role,
        project=snapshot.project.name,
        task=task_id,
        title=task.title,
        description=task.description or "",
        act=act,
        folder=str(place.resolve()),
        workplace=str(workplace or ""),
        commits=commits,
        commands=_signed(lines, task.id, agent.name, output),
        either=_signed(EITHER.get(op, ()), task.id, agent.name, output),
        holds_key=session.repository.keys.holds(name),
    )


def _order(session: Session, snapshot: Snapshot, agent: Agent, task: Task) -> tuple[str, str, str]:
    """Return what an agent has to do on a task, the operation (empty: to watch), and its first command, if it has one.

    :raises Refused: `NOTHING_TO_DO`.
    """
    book, record = in_force(snapshot.project), snapshot.record(names.task_path(task.id)) or {}
    blockers = queries.blocked(session.index(), record)
    found = () if blockers else tuple(steps(snapshot, book, agent, task, session.now()))
    if found:
        own = found[0].command.partition(" --as ")[0].removeprefix("opsgit ")
        return found[0].act, found[0].op, "" if found[0].op.startswith(("review.", "task.submit")) else own
    if OBSERVE in policy.rights(snapshot.project, agent) and task.status == DEPLOYED:
        return "watch", "", ""
    _refuse(snapshot, book, agent, task, blockers)


def _workplace(session: Session, snapshot: Snapshot, place: Path, task: Task) -> Path:
    """Return the folder in which an agent builds a task's deliverable; it is made, and is outside the ledger.

    It lies beside the agent's clone, or in the workspace of the policy. Beside code it is a work tree of the code.
    """
    beside_clone = place.with_name(f"{place.name}.work").absolute()
    if session.repository.code:
        tree = beside_clone
        if not tree.exists():
            clones.add_work_tree(session.repository.code.resolve(), tree)
        git.configure(place.resolve() / ".git", {"opsgit.code": str(tree)})
        return tree
    top = Path(snapshot.project.workspace).absolute() if snapshot.project.workspace else beside_clone
    (top / task.id).mkdir(parents=True, exist_ok=True)
    return top / task.id


def _signed(commands: Sequence[str], task_id: str, name: str, output: str) -> tuple[str, ...]:
    return tuple(f"opsgit {command.format(id=task_id, output=output)} --as {name}" for command in commands)


def _refuse(snapshot: Snapshot, book: RuleBook, agent: Agent, task: Task, blockers: Sequence[str]) -> NoReturn:
    """Refuse a task that does not wait for an agent; the hint spawns an agent for which it waits, if there is one.

    :raises Refused: `NOTHING_TO_DO`.
    """
    who = waits_for(book, task, snapshot.is_active, blockers)
    why = f"it waits for {who[0]} to {who[1]}" if who else f"it is {task.status}"
    able = [one.name for one in snapshot.agents() if who and not blockers and who[0] in (one.name, one.role)]
    other = next((one for one in able if one != agent.name and snapshot.is_active(one)), None)
    hint = f"opsgit agent spawn {other} {task.id}" if other else f"opsgit task show {task.id}"
    refuse("NOTHING_TO_DO", f"{agent.name} has no step on {task.id} now: {why}", hint)


def _default(session: Session, name: str) -> Path:
    """Return the folder for an agent's clone, beside the state repository."""
    top = session.repository.top or session.repository.folder
    return (top.parent if top.parent.name.endswith(".agents") else top.with_name(f"{top.name}.agents")) / name


def _ready(session: Session, name: str, place: Path) -> None:
    """Make the clone of an agent, or bring the one that is there up to date.

    :raises Refused: `ALREADY_A_REPOSITORY` if the folder is neither empty nor that clone; as `clone.checkout`.
    """
    if not place.exists() or not any(place.iterdir()):
        place.parent.mkdir(parents=True, exist_ok=True)
        clone.checkout(session, name, place)
        return
    found = repository.find(place)
    try:
        own = found.top == place.resolve() and found.agent() == name
        if not own or found.identity.repository != session.repository.identity.repository:
            refuse("ALREADY_A_REPOSITORY", f"{place} is not a clone of this project that acts as {name}", "--dir DIR")
        there = Session(found, say=session.say, progress=session.progress)
        update.update(there)
        session.notices += there.notices
    finally:
        found.close()
