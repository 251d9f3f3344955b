"""What is recorded of a deployment before its command runs and after, and of its rollback."""

from __future__ import annotations

from dataclasses import replace

from opsgit.domain.context import Context
from opsgit.domain.gates import running, submission_of, success
from opsgit.domain.model import Deployment, Rollback, Task
from opsgit.domain.vocabulary import DEPLOYED, DONE


def start(context: Context, task: Task) -> Task:
    """Announce a deployment: nobody else starts one meanwhile."""
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
    """Record how the deploy command ended."""
    state = "deployed" if finished_as(context, task) == DEPLOYED else "failed"
    evidence = context.words("evidence", 50, lines=False)
    return replace(task, deployment=replace(running(task), state=state, finished=context.at, evidence=evidence))


def finished_as(context: Context, task: Task) -> str:
    """The status after a deployment has ended: deployed on success, else still done."""
    succeeded = context.request.get("evidence") == success(running(task).command)
    return DEPLOYED if succeeded else DONE


def abandon(context: Context, task: Task) -> Task:
    """Give up a deployment whose agent is gone."""
    return replace(task, deployment=replace(running(task), state="abandoned", finished=context.at))


def rollback(context: Context, task: Task) -> Task:
    """Undo the deployment, on an alert where an observer does it."""
    get = context.request.get
    done = Rollback(by=context.me, at=context.at, evidence=str(get("evidence")), alert=get("alert"))
    assert task.deployment  # the gate `it was deployed here`
    return replace(task, deployment=replace(task.deployment, state="rolled-back", rollback=done))
