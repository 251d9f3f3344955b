"""The next step of a task, and the steps that an agent can take on it now. Both are derived from the rule book."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from opsgit.domain import policy
from opsgit.domain.advice import ORCHESTRATORS
from opsgit.domain.decide import may
from opsgit.domain.dependencies import with_blockers
from opsgit.domain.model import Agent, Task
from opsgit.domain.operation import Advice, Operation
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


def awaited(rules: RuleBook, task: Task, can_act: Callable[[str], bool]) -> Iterator[tuple[Operation, Advice, str]]:
    """Yield each operation that takes a task forward and waits for somebody, with its advice and that agent or role.

    :param can_act: returns whether the agent of a name is active.
    """
    for one in advised(rules):
        name = one.advice.who(task, can_act) if one.advice else None
        if one.advice and name:
            yield one, one.advice, name


def waits_for(
    rules: RuleBook, task: Task, can_act: Callable[[str], bool], blocked: Sequence[str] = ()
) -> tuple[str, str] | None:
    """Return the agent or role that has to act next, and what it has to do.

    :param can_act: returns whether the agent of a name is active.
    :param blocked: the ids of the open dependencies of the task.
    :returns: None when the task has ended, or when the stage that should act names an agent that was removed.
    """
    found: tuple[str, str] | None = None
    for _, advice, name in awaited(rules, task, can_act):  # if there are several, the last in the catalogue is usual
        found = name, with_blockers(advice.act, blocked)
    return found


def steps(snapshot: Snapshot, rules: RuleBook, agent: Agent, task: Task, now: int) -> Iterator[Step]:
    """Yield the steps on a task that wait for an agent and that the rule book permits.

    :param snapshot: the state; for a task in review with the review branch's version of the task.
    :param now: seconds after the epoch.
    """
    held = policy.rights(snapshot.project, agent)
    for one, advice, name in awaited(rules, task, snapshot.is_active):
        if not (name in (agent.name, agent.role) or (name == ORCHESTRATORS and ORCHESTRATE in held)):
            continue
        refusal = may(snapshot, one.name, agent.name, task.id, now)
        if refusal is None:
            yield Step(one.name, advice.act, _command(one, task, agent.name))
        elif refusal.code in advice.despite and may(snapshot, advice.instead, agent.name, task.id, now) is None:
            yield Step(advice.instead, f"{advice.act} ({refusal.message})", _command(one, task, agent.name))


def _command(operation: Operation, task: Task, me: str) -> str:
    assert operation.advice
    template = operation.advice.command or operation.command
    made = template.format(id=task.id).replace("--as REVIEWER", f"--as {me}")
    if task.status == DONE and "from done a reason" in operation.gates:
        made += ' --reason "..."'
    return made if " --as " in made else f"{made} --as {me}"
