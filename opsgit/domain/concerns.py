"""Whom an open task concerns, as keys under which it is listed, so that what waits for an agent is found at once.

The keys only narrow the search. The rule book decides whether an agent may act, when the task is shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from opsgit.domain import policy
from opsgit.domain.advice import ORCHESTRATORS, CanAct
from opsgit.domain.model import Agent, Project, Task
from opsgit.domain.next_steps import awaited
from opsgit.domain.rules import RuleBook
from opsgit.domain.vocabulary import ENDED, IN_REVIEW, ORCHESTRATE

MENTION = re.compile(r"(?<![A-Za-z0-9_@.-])@([a-z][a-z0-9]*(?:[-_][a-z0-9]+)*)")
IN_REVIEWS, FAILED = "review", "failed"


def keys(rules: RuleBook, task: Task, can_act: CanAct) -> Iterator[str]:
    """Yield the keys of a task; none if it has ended.

    :param can_act: returns whether the agent of a name is active.
    """
    if task.status in ENDED:
        return
    yield from (f"step {name}" for *_, name in awaited(rules, task, can_act))
    for comment in task.comments:
        yield from (f"word {name}" for name in MENTION.findall(comment.text))
    if task.status == IN_REVIEW:  # what was said is on its review branch, and is not known here
        yield IN_REVIEWS
    if task.deployment and task.deployment.state == "failed":
        yield FAILED


def of_steps(project: Project, agent: Agent) -> list[str]:
    """Return the keys of the tasks on which an agent may have to take a step."""
    names = dict.fromkeys([agent.name, agent.role])
    if ORCHESTRATE in policy.rights(project, agent):
        names[ORCHESTRATORS] = None
    return [*(f"step {name}" for name in names), IN_REVIEWS]


def of_agent(project: Project, agent: Agent) -> list[str]:
    """Return the keys of the tasks that may concern an agent, except tasks that are only assigned to it."""
    return [*of_steps(project, agent), f"word {agent.name}", FAILED]
