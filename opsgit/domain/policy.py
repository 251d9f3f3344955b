"""Rights, roles and pipelines: the permissions of an agent that do not depend on a task."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from opsgit.domain import names
from opsgit.domain.model import Agent, Project, Stage
from opsgit.domain.refusals import refuse
from opsgit.domain.vocabulary import DEPLOY, OBSERVE, ORCHESTRATE, REVIEW, WORK

# No role holds the right to orchestrate together with one of these rights.
IMPLEMENTING = frozenset({WORK, REVIEW, DEPLOY})
ROLES: dict[str, tuple[str, ...]] = {
    "orchestrator": (ORCHESTRATE,),
    "developer": (WORK,),
    "reviewer": (REVIEW,),
    "deployer": (DEPLOY,),
    "observer": (OBSERVE,),
}
APPROVALS_MAX = 20
PIPELINE = ("developer", "reviewer", "deployer")


def roles(project: Project) -> dict[str, tuple[str, ...]]:
    """Return all roles of a project, its own and the built-in ones, each with its rights."""
    return {**project.roles, **ROLES}


def rights(project: Project, agent: Agent) -> frozenset[str]:
    """Return the rights that an agent holds now; a removed agent holds none."""
    if agent.status != "active":
        return frozenset()
    return frozenset(roles(project).get(agent.role, ()))


def check_role(project: Project, role: str) -> str:
    """Return the name of a role that exists.

    :raises Refused: `UNKNOWN_ROLE`.
    """
    known = roles(project)
    if role not in known:
        refuse("UNKNOWN_ROLE", f"no role {role!r}; there are {', '.join(known)}",
               f"opsgit project set roles.{role} '[work]'", "role")  # fmt: skip
    return role


def check_roles(project: Project) -> None:
    """Refuse role definitions of a project that are not allowed.

    :raises Refused: `BAD_NAME`; `IDENTITY_FIXED` for the name of a built-in role; `EXCLUSIVE_ROLES` for a role that has
        the right to orchestrate and also the right to work, review or deploy.
    """
    for name, held in project.roles.items():
        names.check_name(name, "role")
        if name in ROLES:
            refuse("IDENTITY_FIXED", f"role {name} is built in", "define a role of another name", f"roles.{name}")
        if ORCHESTRATE in held and IMPLEMENTING & set(held):
            refuse("EXCLUSIVE_ROLES", f"role {name} would orchestrate and implement", "make two roles", f"roles.{name}")


def matches(stage: Stage, agent: Agent) -> bool:
    """Return whether a stage names this agent or its role."""
    return agent.name == stage.agent or (stage.role is not None and agent.role == stage.role)


def split_pipeline(words: str) -> tuple[str, ...]:
    """Return the names of the stages in a text such as `dev→qa→deploy`; `->` and `,` also separate stages."""
    return tuple(part.strip() for part in words.replace("→", ",").replace("->", ",").split(","))


def stage_rights(count: int) -> list[str]:
    """Return the right that each of `count` stages needs: work for the first, deploy for the last, else review."""
    return [WORK, *[REVIEW] * (count - 2), DEPLOY]


def typed_pipeline(
    project: Project, stages: Sequence[str], agent_of: Callable[[str], Agent | None]
) -> tuple[Stage, ...]:
    """Return the stages of a pipeline, each as an agent or a role; an agent takes precedence over a role.

    :param stages: the names of the stages.
    :param agent_of: returns the agent of a name, or None.
    :raises Refused: `BAD_PIPELINE`.
    """
    hint = "opsgit task add ... --pipeline 'dev→qa→deploy'"
    if len(stages) < 3:
        refuse("BAD_PIPELINE", "a pipeline has a worker, at least one reviewer and a deployer", hint, "pipeline")
    named = [name for name in (counted(stage)[0] for stage in stages[:-1]) if agent_of(name)]
    if len(stages) > 20 or len(set(named)) < len(named):
        refuse(
            "BAD_PIPELINE",
            "a pipeline has at most 20 stages, and nobody works or reviews in two of them",
            hint,
            "pipeline",
        )
    typed = []
    for words, right in zip(stages, stage_rights(len(stages)), strict=True):
        name, number = counted(words)
        agent = agent_of(name)
        held = rights(project, agent) if agent else roles(project).get(name)
        if held is None:
            refuse("BAD_PIPELINE", f"stage {name!r} is neither an agent nor a role", "opsgit agent list", "pipeline")
        if right not in held:
            refuse("BAD_PIPELINE", f"stage {name!r} does not hold the right to {right}", hint, "pipeline")
        if number is not None and (agent or right != REVIEW):
            refuse("BAD_PIPELINE", f"stage {words!r}: only a role that reviews has a number", "reviewer*2", "pipeline")
        typed.append(Stage(agent=name) if agent else Stage(role=name, count=_needed(project, right, number)))
    return tuple(typed)


def counted(stage: str) -> tuple[str, int | None]:
    """Return the name in a stage's text such as `reviewer*2`, and the number of reviewers; None when it has none.

    :raises Refused: `BAD_PIPELINE`.
    """
    name, star, number = stage.partition("*")
    if not star:
        return name, None
    if number not in map(str, range(1, APPROVALS_MAX + 1)):
        refuse("BAD_PIPELINE", f"stage {stage[:50]!r} needs 1 to {APPROVALS_MAX} reviewers", "reviewer*2", "pipeline")
    return name, int(number)


def _needed(project: Project, right: str, number: int | None) -> int | None:
    """Return the number of reviewers of a stage, or None for one."""
    needed = number or (project.review.approvals if right == REVIEW else None) or 1
    return needed if needed > 1 else None
