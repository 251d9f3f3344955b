"""Deploying and rolling back: what is recorded before a command runs and what after."""

from __future__ import annotations

from dataclasses import replace

from opsgit.domain import authority
from opsgit.domain.case import Case
from opsgit.domain.codes import refuse
from opsgit.domain.lifecycle import Who
from opsgit.domain.model import Deployment, Submission, Task, Undoing
from opsgit.domain.tasks import not_deploying
from opsgit.domain.words import DEPLOYED, ROLLED_BACK

ATTESTED = "attested"  # no command is set: the signature is the evidence
SUCCESS = "exit 0"


def expected(command: tuple[str, ...]) -> str:
    """The evidence of success that a command asks for."""
    return SUCCESS if command else ATTESTED


def start(case: Case, task: Task) -> Task:
    """Announce a deployment: nobody else starts one meanwhile; the deliverable still is what was approved."""
    not_deploying(task)
    submission = _approved(case, task)
    ref = case.words("ref", 200, lines=False) if case.request.get("ref") else None
    command = case.project.deploy.command
    if tuple(case.request.get("command") or ()) != command:
        refuse("STALE", "the deploy command was changed meanwhile", "opsgit project show, then try again")
    deployment = Deployment(
        state="started", by=case.me, ref=ref, digest=submission.digest, command=command, started=case.at
    )
    return replace(task, deployment=deployment)


def _approved(case: Case, task: Task) -> Submission:
    submission = task.submission
    if submission is None or case.request.get("digest") != submission.digest:
        refuse("DELIVERABLE_CHANGED", f"the deliverable of {task.id} is not what was approved",
               f'opsgit task assign {task.id} --to {task.assigned} --reason "deliverable changed"')  # fmt: skip
    return submission


def finish(case: Case, task: Task) -> Task:
    """Record how the deploy command ended: deployed on success, else failed and still done."""
    running = task.deployment
    if running is None:  # doubled: `starter` has refused it before
        refuse("NO_DEPLOYMENT", f"no deployment of {task.id} is running", f"opsgit task show {task.id}")
    if case.request.get("started") != running.started:
        refuse(
            "STALE", f"the deployment of {task.id} that ended is not the one that runs", f"opsgit task show {task.id}"
        )
    evidence = case.words("evidence", 50, lines=False)
    if evidence != expected(running.command):
        return replace(task, deployment=replace(running, state="failed", finished=case.at, evidence=evidence))
    _approved(case, task)
    done = replace(running, state="deployed", finished=case.at, evidence=evidence)
    return replace(task, status=DEPLOYED, deployment=done)


def abandon(case: Case, task: Task) -> Task:
    """Give up a deployment whose agent is gone."""
    if not task.deployment or task.deployment.state != "started":
        refuse("NO_DEPLOYMENT", f"no deployment of {task.id} is running", f"opsgit task show {task.id}")
    return replace(task, deployment=replace(task.deployment, state="abandoned", finished=case.at))


def rollback(case: Case, task: Task) -> Task:
    """Undo the deployment; names the commit that it reverts, and the alert where an observer does it."""
    deployment = task.deployment
    if deployment is None:
        refuse("NO_DEPLOYMENT", f"{task.id} was never deployed", f"opsgit task show {task.id}")
    evidence = case.words("evidence", 50, lines=False)
    if evidence != expected(case.project.rollback.command):
        refuse("ROLLBACK_FAILED", f"the rollback command of {task.id} ended with: {evidence}",
               "mend the command: opsgit project set rollback.command '[...]'")  # fmt: skip
    if case.request.get("reverts") != case.snapshot.reader.deploy_commit(task.id):
        refuse("WRONG_REVERT", f"that is not the commit that deployed {task.id}", f"opsgit history {task.id}")
    alert = case.request.get("alert")
    if alert:
        authority.alerted(case, Who(None), task)
    undoing = Undoing(by=case.me, at=case.at, evidence=evidence, alert=alert)
    return replace(task, status=ROLLED_BACK, deployment=replace(deployment, state="rolled-back", rollback=undoing))
