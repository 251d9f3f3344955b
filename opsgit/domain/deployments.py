"""The effects of operations on deployments: start, finish, abandon and rollback."""

from __future__ import annotations

from dataclasses import replace

from opsgit.domain.authority import running
from opsgit.domain.context import Context
from opsgit.domain.gates import submission_of, success
from opsgit.domain.model import Deployment, Rollback, Task
from opsgit.domain.vocabulary import DEPLOYED, DONE


def start(context: Context, task: Task) -> Task:
    """Record that a deployment has started. While it is running, the gates refuse another one.

    :raises Refused: `BAD_TEXT`, `DELIVERABLE_REQUIRED`.
    """
    ref = context.words("ref", 200, lines=False) if context.request.get("ref") else None
    deployment = Deployment(
        state="started",
        by=context.me,
        ref=ref,
        digest=submission_of(task).digest,
        command=context.project.deploy.command,
        started=context.at,
    )
    return replace(task, deployment=deployment)


def finish(context: Context, task: Task) -> Task:
    """Record how the deploy command ended.

    :raises Refused: `NO_DEPLOYMENT`, `BAD_TEXT`.
    """
    state = "deployed" if finished_as(context, task) == DEPLOYED else "failed"
    evidence = context.words("evidence", 50, lines=False)
    return replace(task, deployment=replace(running(task), state=state, finished=context.at, evidence=evidence))


def finished_as(context: Context, task: Task) -> str:
    """Return the status after a deployment has ended: deployed when it succeeded, else done.

    :raises Refused: `NO_DEPLOYMENT`.
    """
    succeeded = context.request.get("evidence") == success(running(task).command)
    return DEPLOYED if succeeded else DONE


def abandon(context: Context, task: Task) -> Task:
    """Record that a running deployment was given up.

    :raises Refused: `NO_DEPLOYMENT`.
    """
    return replace(task, deployment=replace(running(task), state="abandoned", finished=context.at))


def rollback(context: Context, task: Task) -> Task:
    """Record the rollback of the latest deployment, with its evidence and, if the request names one, the alert."""
    get = context.request.get
    done = Rollback(by=context.me, at=context.at, evidence=str(get("evidence")), alert=get("alert"))
    assert task.deployment  # the gate `it was deployed here`
    return replace(task, deployment=replace(task.deployment, state="rolled-back", rollback=done))
