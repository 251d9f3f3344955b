"""Deploying and rolling back: what is recorded before a command runs and what after."""

from __future__ import annotations

from dataclasses import replace

from opsgit.domain import authority
from opsgit.domain.context import Context
from opsgit.domain.lifecycle import Who
from opsgit.domain.model import Deployment, Rollback, Submission, Task
from opsgit.domain.refusals import refuse
from opsgit.domain.tasks import not_deploying
from opsgit.domain.vocabulary import DEPLOYED, ROLLED_BACK

ATTESTED = "attested"  # no command is set: the signature is the evidence
SUCCESS = "exit 0"


def expected(command: tuple[str, ...]) -> str:
    """The evidence of success that a command asks for."""
    return SUCCESS if command else ATTESTED


def start(context: Context, task: Task) -> Task:
    """Announce a deployment: nobody else starts one meanwhile; the deliverable still is what was approved."""
    not_deploying(task)
    submission = _approved(context, task)
    ref = context.words("ref", 200, lines=False) if context.request.get("ref") else None
    command = context.project.deploy.command
    if tuple(context.request.get("command") or ()) != command:
        refuse("STALE", "the deploy command was changed meanwhile", "opsgit project show, then try again")
    deployment = Deployment(
        state="started", by=context.me, ref=ref, digest=submission.digest, command=command, started=context.at
    )
    return replace(task, deployment=deployment)


def _approved(context: Context, task: Task) -> Submission:
    submission = task.submission
    if submission is None or context.request.get("digest") != submission.digest:
        refuse("DELIVERABLE_CHANGED", f"the deliverable of {task.id} is not what was approved",
               f'opsgit task assign {task.id} --to {task.assigned} --reason "deliverable changed"')  # fmt: skip
    return submission


def finish(context: Context, task: Task) -> Task:
    """Record how the deploy command ended: deployed on success, else failed and still done."""
    running = task.deployment
    if running is None:  # doubled: `starter` has refused it before
        refuse("NO_DEPLOYMENT", f"no deployment of {task.id} is running", f"opsgit task show {task.id}")
    if context.request.get("started") != running.started:
        refuse(
            "STALE", f"the deployment of {task.id} that ended is not the one that runs", f"opsgit task show {task.id}"
        )
    evidence = context.words("evidence", 50, lines=False)
    if evidence != expected(running.command):
        return replace(task, deployment=replace(running, state="failed", finished=context.at, evidence=evidence))
    _approved(context, task)
    done = replace(running, state="deployed", finished=context.at, evidence=evidence)
    return replace(task, status=DEPLOYED, deployment=done)


def abandon(context: Context, task: Task) -> Task:
    """Give up a deployment whose agent is gone."""
    if not task.deployment or task.deployment.state != "started":
        refuse("NO_DEPLOYMENT", f"no deployment of {task.id} is running", f"opsgit task show {task.id}")
    return replace(task, deployment=replace(task.deployment, state="abandoned", finished=context.at))


def rollback(context: Context, task: Task) -> Task:
    """Undo the deployment; names the commit that it reverts, and the alert where an observer does it."""
    deployment = task.deployment
    if deployment is None:
        refuse("NO_DEPLOYMENT", f"{task.id} was never deployed", f"opsgit task show {task.id}")
    evidence = context.words("evidence", 50, lines=False)
    if evidence != expected(context.project.rollback.command):
        refuse("ROLLBACK_FAILED", f"the rollback command of {task.id} ended with: {evidence}",
               "mend the command: opsgit project set rollback.command '[...]'")  # fmt: skip
    if context.request.get("reverts") != context.snapshot.reader.deploy_commit(task.id):
        refuse("WRONG_REVERT", f"that is not the commit that deployed {task.id}", f"opsgit history {task.id}")
    alert = context.request.get("alert")
    if alert:
        authority.alerted(context, Who(None), task)
    undoing = Rollback(by=context.me, at=context.at, evidence=evidence, alert=alert)
    return replace(task, status=ROLLED_BACK, deployment=replace(deployment, state="rolled-back", rollback=undoing))
