"""Deployments and rollbacks: record the start of a deployment, run the project's command, record how it ended."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from opsgit.domain import vocabulary
from opsgit.domain.gates import ATTESTED, success
from opsgit.domain.model import Run, Task
from opsgit.domain.records import from_record
from opsgit.domain.refusals import Refused, refuse
from opsgit.domain.request import Request
from opsgit.operations import deliverables, outcomes
from opsgit.operations.batch import refuse_in_batch
from opsgit.operations.deliverables import Copy
from opsgit.operations.publication import act, write
from opsgit.operations.session import Session
from opsgit.operations.transactions import Written
from opsgit.storage import deliverable, runner
from opsgit.storage.ledger import new_id
from opsgit.storage.objects import EXECUTABLE, Objects
from opsgit.storage.repository import Repository

CHANGED = "changed"


def deploy(session: Session, task_id: str, ref: str | None, local: str | None = None) -> list[Written]:
    """Deploy a task that is done. The result is recorded as deployed or failed.

    The command gets a private copy of the deliverable, so that what is deployed is what was approved.

    :param ref: what is deployed, such as a tag; recorded, and given to the command.
    :param local: the path of a copy of the deliverable on this machine.
    :raises Refused: `DEPLOY_FAILED` after the command failed; `NOT_TRUSTED` if nobody has consented to the command
        here; as `deliverables.digest_now`; if the rule book refuses the operation.
    """
    refuse_in_batch(session, "a deployment is published before and after its command runs")
    ran = outcomes.of(session.repository, "task.deploy-finish", task_id)
    if ran:
        return _told(_record(session, ran), ran.request)
    snapshot = session.look()
    task = snapshot.task(task_id)
    if task.status != vocabulary.DONE or task.submission is None or session.repeated():
        return act(session, "task.deploy-start", task_id)  # the rule book refuses it and says why
    command = snapshot.project.deploy
    if session.dry_run or not command.command:
        digest = deliverables.digest_now(session, snapshot, task, local)
        return _attested(session, task_id, ref, digest, command)
    with deliverables.private_copy(session, snapshot, task, local) as copy:
        asked = session.request("task.deploy-start", task_id, ref=ref, digest=copy.digest, command=command.command)
        gates = check_trust(session.repository, command)
        started = write(session, asked)
        ended = _run(session, command, gates, _as_written(started), "deploy", copy)
    digest = "" if ended.evidence == CHANGED else copy.digest
    finish = _finish(asked, started, ended.evidence, digest)
    written = started + _record(session, outcomes.keep(session.repository, finish))
    return _told(written, finish, ended.output.strip()[-300:])


def _as_written(started: list[Written]) -> Task:
    """Return the task as its deploy-start made it: main here may not have moved, if the disk was full."""
    return from_record(Task, started[0].change.edits[0].record or {})


def _told(written: list[Written], finish: Request, last_words: str = "") -> list[Written]:
    """Return what was written, if the deployment succeeded.

    :raises Refused: `DEPLOY_FAILED`.
    """
    task_id = finish.target
    if written[-1].change.after != vocabulary.DEPLOYED:
        refuse("DEPLOY_FAILED", f"the deploy command of {task_id} ended with: {finish.get('evidence')}"
               + (f"; its last words: {last_words}" if last_words else ""),
               f"mend it, then opsgit task move {task_id} --to deployed")  # fmt: skip
    return written


def _record(session: Session, ran: outcomes.Outcome) -> list[Written]:
    """Publish the result of a command that ran. It is kept until that has happened, so that nothing is run twice.

    :raises Refused: as `write`; the result stays kept if the refusal is one of the remote or of this machine.
    """
    try:
        written = write(session, ran.request)
    except Refused as refused:
        if outcomes.is_final(refused.refusal):
            _drop(session, ran)
            raise
        first = refused.refusal
        said = f"{ran.request.target}: the command ended with {ran.request.get('evidence')}, and that is kept here, "
        refuse(first.code, f"{said}but not published: {first.message}", "opsgit sync publishes it, and runs nothing")
    _drop(session, ran)
    return written


def _drop(session: Session, ran: outcomes.Outcome) -> None:
    if not session.dry_run:  # a dry run has published nothing
        ran.drop()


def _attested(session: Session, task_id: str, ref: str | None, digest: str, command: Run) -> list[Written]:
    """Start and finish a deployment without a command; in a dry run only decide the start."""
    asked = session.request("task.deploy-start", task_id, ref=ref, digest=digest, command=command.command)
    started = write(session, asked)
    return started if session.dry_run else started + write(session, _finish(asked, started, ATTESTED, digest))


def _finish(asked: Request, started: list[Written], evidence: str, digest: str) -> Request:
    fields = {"evidence": evidence, "digest": digest, "started": started[0].change.at}
    return Request("task.deploy-finish", asked.actor, asked.target, fields, "", new_id())


def rollback(session: Session, task_id: str, alert: str | None = None) -> list[Written]:
    """Roll a deployed task back with the project's rollback command.

    :param alert: the id of the alert that an observer acts on.
    :raises Refused: `ROLLBACK_FAILED` if the command fails; `NOT_TRUSTED` if nobody has consented to it here; if the
        rule book refuses the operation.
    """
    refuse_in_batch(session, "a rollback is published before and after its command runs")
    ran = outcomes.of(session.repository, "task.rollback", task_id)
    if ran:
        return _record(session, ran)
    transaction = session.transaction()
    snapshot = transaction.snapshot()
    task = snapshot.task(task_id)
    reverts = snapshot.reader.deploy_commit(task_id) if task.status == vocabulary.DEPLOYED else None
    expected = success(snapshot.project.rollback.command)
    again = session.repeated() is not None
    asked = session.request("task.rollback", task_id, alert=alert, reverts=reverts, evidence=expected)
    if session.dry_run or session.offline or again:
        return write(session, asked)
    transaction.decide(asked)
    gates = check_trust(session.repository, snapshot.project.rollback)
    with session.repository.lock(f"rollback-{task_id}"):  # two rollbacks at once must not both run the command
        session.transaction().decide(asked)
        return _roll(session, asked, task, snapshot.project.rollback, gates, expected)


def _roll(
    session: Session, asked: Request, task: Task, command: Run, gates: str | None, expected: str
) -> list[Written]:
    with _copy_for_rollback(session, asked.target) as copy:
        ended = _run(session, command, gates, task, "rollback", copy) if command.command else None
    if ended and ended.output.strip() and ended.evidence != expected:
        session.notices.append(f"the rollback command's last words: {ended.output.strip()[-300:]}")
    evidence = ended.evidence if ended else ATTESTED
    finish = replace(asked, fields={**asked.fields, "evidence": evidence}, id=asked.id or new_id())
    return _record(session, outcomes.keep(session.repository, finish))


@contextmanager
def _copy_for_rollback(session: Session, task_id: str) -> Iterator[Copy]:
    """Yield a private copy of what was deployed; an empty one if it is not here any more, which stops no rollback."""
    snapshot = session.look()
    task = snapshot.task(task_id)
    assert task.submission
    with ExitStack() as stack:
        copy = Copy()
        try:
            made = stack.enter_context(deliverables.private_copy(session, snapshot, task, None))
            copy = made if made.digest == task.submission.digest else copy
        except Refused as refused:
            session.notices.append(f"the rollback command gets no deliverable: {refused.refusal.message}")
        yield copy


def abandon(session: Session, task_id: str) -> list[Written]:
    """Give up a running deployment, whose agent is gone; the task stays done.

    :raises Refused: if the rule book refuses the operation.
    """
    return act(session, "task.deploy-abandon", task_id)


def _run(session: Session, command: Run, gates: str | None, task: Task, what: str, copy: Copy) -> runner.Ended:
    """Run a command in a new folder that holds the given version of gates/, with the task in OPSGIT_* variables.

    The evidence is `changed` if the deliverable or gates/ is not as it was before.
    """
    with tempfile.TemporaryDirectory(prefix="opsgit-") as folder:
        transaction = session.transaction()
        _extract_gates(transaction.objects, gates, Path(folder))
        scripts = partial(deliverable.digest, Path(folder, "gates"))
        before = _measured(scripts)
        variables = _variables(session.repository.identity.name, task, what, copy)
        ended = runner.run(command, Path(folder), variables)
        intact = _measured(copy.measured) == copy.digest and _measured(scripts) == before
        return ended if intact else replace(ended, evidence=CHANGED)


def _measured(measure: Callable[[], str]) -> str:
    """Return a digest; empty for what cannot be measured, because it is not there or is not plain files any more."""
    try:
        return measure()
    except Refused:
        return ""


def _variables(project: str, task: Task, what: str, copy: Copy) -> dict[str, str]:
    submission, deployment = task.submission, task.deployment
    assert submission
    return {
        "OPSGIT_ACTION": what,
        "OPSGIT_PROJECT": project,
        "OPSGIT_TASK": task.id,
        "OPSGIT_TITLE": task.title,
        "OPSGIT_ROUND": str(submission.round),
        "OPSGIT_DELIVERABLE": copy.deliverable,
        "OPSGIT_DIGEST": submission.digest,
        "OPSGIT_REPOSITORY": copy.repository,
        "OPSGIT_REF": (deployment and deployment.ref) or "",
    }


def _extract_gates(objects: Objects, gates: str | None, folder: Path) -> None:
    for path, (_, entry) in objects.differences(None, gates, "gates/") if gates else ():
        if entry:
            where = folder / path
            where.parent.mkdir(parents=True, exist_ok=True)
            where.write_bytes(objects.need(entry.id, "blob").content)
            where.chmod(0o755 if entry.mode == EXECUTABLE else 0o644)


def trust(repository: Repository, *commands: Run) -> None:
    """Record consent, in this clone, to run commands with the present version of gates/."""
    known, gates = _trusted(repository), _gates(repository)
    repository.own.mkdir(exist_ok=True)
    marks = {_mark(command, gates) for command in commands if command.command}
    (repository.own / "trusted").write_text("\n".join(sorted({*known, *marks})) + "\n")


def check_trust(repository: Repository, command: Run) -> str | None:
    """Refuse a command that nobody has set or consented to in this clone.

    :returns: the hex id of the tree gates/, or None if there is none.
    :raises Refused: `NOT_TRUSTED`.
    """
    gates = _gates(repository)
    if command.command and _mark(command, gates) not in _trusted(repository):
        refuse("NOT_TRUSTED", f"nobody here has consented to {json.dumps(command.command)} with the gates/ of now",
               "read it, then: opsgit deploy trust")  # fmt: skip
    return gates


def _trusted(repository: Repository) -> list[str]:
    path = repository.own / "trusted"
    return path.read_text().split() if path.exists() else []


def _gates(repository: Repository) -> str | None:
    """Return the hex id of the present tree gates/, or None."""
    objects = repository.objects()
    found = objects.entry(objects.root(repository.tip()), "gates")
    return found.id if found else None


def _mark(command: Run, gates: str | None) -> str:
    """Return a digest of what consent covers: the argument list and the scripts in gates/."""
    return hashlib.sha256(json.dumps([command.command, gates]).encode()).hexdigest()
