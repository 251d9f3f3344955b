"""What a task waits for, and what an agent should do next: asked of the rule book, never restated."""

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
    """One step that an agent can take on a task now: the operation, what to do, and the command that does it."""

    op: str
    act: str
    command: str


def advised(rules: RuleBook) -> tuple[Operation, ...]:
    """The operations that take a task forward."""
    return tuple(one for one in rules.operations.values() if one.advice)


def waits_for(
    rules: RuleBook, task: Task, can_act: Callable[[str], bool], blocked: Iterable[str] = ()
) -> tuple[str, str] | None:
    """Who has to act next (an agent or a role) and what to do; None when the task has ended.

    :param can_act: whether the agent of a name is active.
    :param blocked: the ids of the tasks that it is blocked by.
    """
    found: tuple[str, str] | None = None
    for one in advised(rules):  # of several steps the last in the catalogue is the usual one
        name = one.advice.who(task, can_act) if one.advice else None
        if one.advice and name:
            found = name, one.advice.act
    return (found[0], f"{found[1]} (blocked by {', '.join(blocked)})") if found and blocked else found


def steps(snapshot: Snapshot, rules: RuleBook, agent: Agent, task: Task, now: int) -> Iterator[Step]:
    """The steps on a task that wait for an agent, and that the rule book lets it take.

    :param snapshot: the state, with the task's review branch laid over while it is in review.
    :param now: seconds after the epoch.
    """

    def can_act(name: str) -> bool:
        found = snapshot.find_agent(name)
        return found is not None and found.status == "active"

    held = policy.rights(snapshot.project, agent)
    for one in advised(rules):
        name = one.advice.who(task, can_act) if one.advice else None
        means = name in (agent.name, agent.role) or (name == ORCHESTRATORS and ORCHESTRATE in held)
        if one.advice and name and means and may(snapshot, one.name, agent.name, task.id, now) is None:
            yield Step(one.name, one.advice.act, _command(one, task, agent.name))


def _command(operation: Operation, task: Task, me: str) -> str:
    assert operation.advice
    template = operation.advice.command or operation.command
    made = template.format(id=task.id).replace("--as REVIEWER", f"--as {me}")
    if task.status == DONE and "from done a reason" in operation.gates:
        made += ' --reason "..."'
    return made if " --as " in made else f"{made} --as {me}"
