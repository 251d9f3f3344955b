"""`agent spawn`: make an agent's clone ready, and say what to tell the agent so that it does one task."""

from __future__ import annotations

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
from opsgit.storage import repository

# The commands after a step, by its operation. A claim goes on with the commands after a start.
WORK = ("task show {id}", "task submit {id} --output PATH")
JUDGE = ("review show {id}", "review diff {id}", 'review reject {id} --reason "..."')
THEN: dict[str, tuple[str, ...]] = {
    "task.claim": ("task start {id}", *WORK),
    "task.start": WORK,
    "task.submit": WORK,
    "review.approve": (*JUDGE, "review approve {id}"),
    "review.reject": JUDGE,
    "review.sign-off": (*JUDGE, "review sign-off {id}"),
}
WATCH = ("task show {id}", "monitor --raise", 'alert raise --task {id} --message "..."')


class Spawn(NamedTuple):
    """An agent's clone and its orders: the task's title and description, and the commands in order.

    `name` and `role` are the agent's. `act` says what to do. `folder` is the clone's absolute path. `holds_key` is
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
    commands: tuple[str, ...]
    holds_key: bool


def spawn(session: Session, name: str, task_id: str, folder: Path | None = None) -> Spawn:
    """Make or refresh the clone of an agent, and return what to tell the agent.

    :param folder: the clone; None: a folder of the agent's name in `<state repository>.agents`, beside it.
    :raises Refused: `NOT_FOUND` if there is no such agent or task; `NOTHING_TO_DO` if the task waits for somebody else;
        `ALREADY_A_REPOSITORY` if the folder is something else; as `clone.checkout` and `update.update`.
    """
    snapshot = session.look(names.check_id(task_id))
    agent, task = snapshot.agent(name), snapshot.task(task_id)
    act, commands = _orders(session, snapshot, agent, task)
    place = folder or _default(session, name)
    _ready(session, name, place)
    return Spawn(name, agent.role, snapshot.project.name, task_id, task.title, task.description or "", act,
                 str(place.resolve()), commands, session.repository.keys.holds(name))  # fmt: skip


def _orders(session: Session, snapshot: Snapshot, agent: Agent, task: Task) -> tuple[str, tuple[str, ...]]:
    """Return what an agent has to do on a task, and the commands for it in order."""
    book, blockers = in_force(snapshot.project), queries.blockers(session, task)
    found = () if blockers else tuple(steps(snapshot, book, agent, task, session.transaction().now()))
    if found:
        own = () if found[0].op.startswith("review.") else (found[0].command.partition(" --as ")[0],)
        after = tuple(f"opsgit {one}" for one in THEN.get(found[0].op, ()))
        commands = after if found[0].op == "task.submit" else (*own, *after)
        return found[0].act, _signed(commands, task.id, agent.name)
    if OBSERVE in policy.rights(snapshot.project, agent) and task.status == DEPLOYED:
        return "watch", _signed([f"opsgit {one}" for one in WATCH], task.id, agent.name)
    _refuse(snapshot, book, agent, task, blockers)


def _signed(commands: Sequence[str], task_id: str, name: str) -> tuple[str, ...]:
    return tuple(f"{command.format(id=task_id)} --as {name}" for command in commands)


def _refuse(snapshot: Snapshot, book: RuleBook, agent: Agent, task: Task, blockers: Sequence[str]) -> NoReturn:
    """Refuse a task that does not wait for an agent; the hint spawns an agent for which it waits, if there is one.

    :raises Refused: `NOTHING_TO_DO`.
    """

    def can_act(name: str) -> bool:
        found = snapshot.find_agent(name)
        return found is not None and found.status == "active"

    who = waits_for(book, task, can_act, blockers)
    why = f"it waits for {who[0]} to {who[1]}" if who else f"it is {task.status}"
    able = [one.name for one in snapshot.agents() if who and not blockers and who[0] in (one.name, one.role)]
    other = next((one for one in able if one != agent.name and can_act(one)), None)
    hint = f"opsgit agent spawn {other} {task.id}" if other else f"opsgit task show {task.id}"
    refuse("NOTHING_TO_DO", f"{agent.name} has no step on {task.id} now: {why}", hint)


def _default(session: Session, name: str) -> Path:
    """Return the folder for an agent's clone, beside the state repository."""
    top = session.repository.top or session.repository.folder
    return top.with_name(f"{top.name}.agents") / name


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
