"""The next step of a task, and the steps that an agent can take on it now. Both are derived from the rule book."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from opsgit.domain import policy
from opsgit.domain.advice import ORCHESTRATORS
from opsgit.domain.decide import may
from opsgit.domain.model import Agent, Task
from opsgit.domain.operation import Operation
from opsgit.domain.request import Snapshot
from opsgit.domain.rules import RuleBook
from opsgit.domain.vocabulary import DONE, ORCHESTRATE


class Step(NamedTuple):
    """One step that an agent can take on a task now: the name of the operation, a description and the command."""

    op: str
    act: str
    command: str


def advised(rules: RuleBook) -> tuple[Operation, ...]:
    """Return the operations that take a task forward: those with an `Advice`."""
    return tuple(one for one in rules.operations.values() if one.advice)


def waits_for(
    rules: RuleBook, task: Task, can_act: Callable[[str], bool], blocked: Iterable[str] = ()
) -> tuple[str, str] | None:
    """Return the agent or role that has to act next, and what it has to do.

    :param can_act: returns whether the agent of a name is active.
    :param blocked: the ids of the open dependencies of the task.
    :returns: None when the task has ended, or when the stage that should act names an agent that was removed.
    """
    found: tuple[str, str] | None = None
    for one in advised(rules):  # when several steps are possible, the last in the catalogue is the usual one
        name = one.advice.who(task, can_act) if one.advice else None
        if one.advice and name:
            found = name, one.advice.act
    return (found[0], f"{found[1]} (blocked by {', '.join(blocked)})") if found and blocked else found


def steps(snapshot: Snapshot, rules: RuleBook, agent: Agent, task: Task, now: int) -> Iterator[Step]:
    """Yield the steps on a task that wait for an agent and that the rule book permits.

    :param snapshot: the state; for a task in review with the review branch's version of the task.
    :param now: seconds after the epoch.
    """
    can_act = snapshot.is_active
    held = policy.rights(snapshot.project, agent)
    for one in advised(rules):
        name = one.advice.who(task, can_act) if one.advice else None
        means = name in (agent.name, agent.role) or (name == ORCHESTRATORS and ORCHESTRATE in held)
        if not (one.advice and name and means):
            continue
        refusal = may(snapshot, one.name, agent.name, task.id, now)
        if refusal is None:
            yield Step(one.name, one.advice.act, _command(one, task, agent.name))
        elif refusal.code in one.advice.despite and may(snapshot, one.advice.instead, agent.name, task.id, now) is None:
            yield Step(one.advice.instead, f"{one.advice.act} ({refusal.message})", _command(one, task, agent.name))


def _command(operation: Operation, task: Task, me: str) -> str:
    assert operation.advice
    template = operation.advice.command or operation.command
    made = template.format(id=task.id).replace("--as REVIEWER", f"--as {me}")
    if task.status == DONE and "from done a reason" in operation.gates:
        made += ' --reason "..."'
    return made if " --as " in made else f"{made} --as {me}"
