"""Rights, roles and pipelines: who may do what, before any task is looked at."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from opsgit.domain import names
from opsgit.domain.model import Agent, Project, Stage
from opsgit.domain.refusals import refuse
from opsgit.domain.vocabulary import DEPLOY, OBSERVE, ORCHESTRATE, REVIEW, WORK

# Whoever orchestrates never implements (design, section 3).
IMPLEMENTING = frozenset({WORK, REVIEW, DEPLOY})
ROLES: dict[str, tuple[str, ...]] = {
    "orchestrator": (ORCHESTRATE,),
    "developer": (WORK,),
    "reviewer": (REVIEW,),
    "deployer": (DEPLOY,),
    "observer": (OBSERVE,),
}
PIPELINE = ("developer", "reviewer", "deployer")


def roles(project: Project) -> dict[str, tuple[str, ...]]:
    """All roles of a project, built in and its own, each with its rights."""
    return {**project.roles, **ROLES}


def rights(project: Project, agent: Agent) -> frozenset[str]:
    """The rights that an agent holds now; none when it was removed."""
    if agent.status != "active":
        return frozenset()
    return frozenset(roles(project).get(agent.role, ()))


def check_role(project: Project, role: str) -> str:
    """Return a role that exists, else refuse it with `UNKNOWN_ROLE`."""
    known = roles(project)
    if role not in known:
        refuse("UNKNOWN_ROLE", f"no role {role!r}; there are {', '.join(known)}",
               f"opsgit project set roles.{role} '[work]'", "role")  # fmt: skip
    return role


def check_roles(project: Project) -> None:
    """Refuse role definitions that are built in, badly named, or that mix orchestrating with implementing."""
    for name, held in project.roles.items():
        names.check_name(name, "role")
        if name in ROLES:
            refuse("IDENTITY_FIXED", f"role {name} is built in", "define a role of another name", f"roles.{name}")
        if ORCHESTRATE in held and IMPLEMENTING & set(held):
            refuse("EXCLUSIVE_ROLES", f"role {name} would orchestrate and implement", "make two roles", f"roles.{name}")


def matches(stage: Stage, agent: Agent) -> bool:
    """Whether a stage means this agent, by name or by role."""
    return agent.name == stage.agent or (stage.role is not None and agent.role == stage.role)


def split_pipeline(words: str) -> tuple[str, ...]:
    """The stages' names of `dev→qa→deploy`, also with `->` or `,` between them."""
    return tuple(part.strip() for part in words.replace("→", ",").replace("->", ",").split(","))


def stage_rights(count: int) -> list[str]:
    """The right that each of `count` stages needs: the first works, the last deploys, those between review."""
    return [WORK, *[REVIEW] * (count - 2), DEPLOY]


def typed_pipeline(
    project: Project, stages: Sequence[str], agent_of: Callable[[str], Agent | None]
) -> tuple[Stage, ...]:
    """Give each stage its type: an agent of that name, else a role; refuses with `BAD_PIPELINE`.

    :param agent_of: a function from a name to the `Agent` or None.
    """
    hint = "opsgit task add ... --pipeline 'dev→qa→deploy'"
    if len(stages) < 3:
        refuse("BAD_PIPELINE", "a pipeline has a worker, at least one reviewer and a deployer", hint, "pipeline")
    named = [name for name in stages[:-1] if agent_of(name)]
    if len(stages) > 20 or len(set(named)) < len(named):
        refuse(
            "BAD_PIPELINE",
            "a pipeline has at most 20 stages, and nobody works or reviews in two of them",
            hint,
            "pipeline",
        )
    typed = []
    for name, right in zip(stages, stage_rights(len(stages)), strict=True):
        agent = agent_of(name)
        held = rights(project, agent) if agent else roles(project).get(name)
        if held is None:
            refuse("BAD_PIPELINE", f"stage {name!r} is neither an agent nor a role", "opsgit agent list", "pipeline")
        if right not in held:
            refuse("BAD_PIPELINE", f"stage {name!r} does not hold the right to {right}", hint, "pipeline")
        typed.append(Stage(agent=name) if agent else Stage(role=name))
    return tuple(typed)
