"""The gates: conditions of operations, one function each. The catalogue refers to them by the names in `GATES`.

A gate receives the context of a request and the value that the operation is about (None for a new file). It refuses
when its condition does not hold. A gate of `EVIDENCE` reads arguments or the note of the request; `decide.may` has
neither, so it checks only the others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from opsgit.domain import authority, canonical, leases, names, policy, standing
from opsgit.domain.context import Context
from opsgit.domain.dependencies import open_dependencies
from opsgit.domain.model import Agent, Remark, Review, Stage, Submission, Task
from opsgit.domain.operation import Who
from opsgit.domain.records import to_record
from opsgit.domain.refusals import Refused, refuse
from opsgit.domain.vocabulary import ASSIGNED, BACKLOG, DONE, IN_PROGRESS, ORCHESTRATE, REVIEW, WORK

Check = Callable[[Context, Any], None]
COMMENTS_MAX = 200
WORKERS_MAX = 150  # in a review, for who did the work: reviewers have room for objections
OTHERS_MAX, OTHERS_SIZE = 40, 32 * 1024  # comments, and bytes in the file, of all who are not party to a task
REACH = 99_999_999  # the highest automatic number that an orchestrator may choose
KEYS_MAX = 30
CREATOR_EDITS = frozenset({"title", "description", "tags", "priority"})
UNTIL_START = frozenset({"pipeline", "depends_on"})
ATTESTED = "attested"  # no command is set: the agent's signature is the only evidence
SUCCESS = "exit 0"


def success(command: tuple[str, ...]) -> str:
    """Return the evidence that counts as success: `exit 0`, or `attested` when no command is set.

    :param command: the argument list; empty when no command is set.
    """
    return SUCCESS if command else ATTESTED


# --- tasks ---------------------------------------------------------------------------------------------------------


def orchestrate_for_more(context: Context, _: None) -> None:
    """Require the right to orchestrate for an assignee, dependencies or a pipeline that is not the default.

    :raises Refused: `RIGHT_MISSING`, `BAD_PIPELINE`.
    """
    get = context.request.get
    if get("assigned") or get("depends_on") or (get("pipeline") and not _is_default(context, get("pipeline"))):
        context.need_right(ORCHESTRATE)


def _is_default(context: Context, stages: Sequence[str]) -> bool:
    default = context.project.pipeline or policy.PIPELINE
    return _spelled_out(context, stages) == _spelled_out(context, default)


def _spelled_out(context: Context, stages: Sequence[str]) -> list[tuple[str, int]]:
    """Return the stages, each with its number of reviewers."""
    usual = context.project.review.approvals or 1
    return [(name, number or usual) for name, number in map(policy.counted, stages)]


def another_assignee(context: Context, task: Task) -> None:
    """Require another assignee for a task that is assigned or in progress.

    :raises Refused: `NOTHING_CHANGES`.
    """
    name = str(context.request.get("to") or "")
    if task.status in (ASSIGNED, IN_PROGRESS) and name == task.assigned:
        refuse("NOTHING_CHANGES", f"{task.id} is assigned to {name} already", f"opsgit task show {task.id}")


def somebody_fits(context: Context, task: Task) -> None:
    """Require that at least one active agent with the right to work fits the first stage.

    :raises Refused: `NOBODY_FITS`.
    """
    first, project = task.pipeline[0], context.project
    known = context.snapshot.agents()
    fits = (policy.matches(first, agent) and WORK in policy.rights(project, agent) for agent in known)
    if not any(fits):
        refuse("NOBODY_FITS", f"no active agent fits {first.name}, the first stage of {task.id}",
               "opsgit agent add --name NAME --role developer")  # fmt: skip


def reason_to_reopen(context: Context, task: Task) -> None:
    """Require a reason to reopen a done task, because that voids the approval.

    :raises Refused: `REASON_REQUIRED`.
    """
    if task.status == DONE:
        context.need_note(f"reopening {task.id}")


def reason(context: Context, task: Task) -> None:
    """Require a reason for a rejection.

    :raises Refused: `REASON_REQUIRED`.
    """
    context.need_note(f"rejecting {task.id}")


def no_deployment_runs(_: Context, task: Task) -> None:
    """Require that no deployment of the task is running.

    :raises Refused: `DEPLOY_RUNNING`.
    """
    if task.deployment and task.deployment.state == "started":
        refuse("DEPLOY_RUNNING", f"{task.deployment.by} is deploying {task.id}",
               f"wait, or as an orchestrator: opsgit deploy abandon {task.id}")  # fmt: skip


def dependencies_met(context: Context, task: Task) -> None:
    """Require that all dependencies of the task are done or deployed.

    :raises Refused: `DEPENDENCY_OPEN`.
    """
    unmet = open_dependencies(task.depends_on, lambda other: context.snapshot.task(other).status)
    if unmet:
        named = ", ".join(f"{other}, which is {context.snapshot.task(other).status}" for other in unmet)
        refuse("DEPENDENCY_OPEN", f"{task.id} depends on {named}", f"opsgit task show {unmet[0]}")
    for other in map(context.snapshot.task, task.depends_on):
        why = standing.void_approval(context.snapshot, other)
        if why:
            refuse("DEPENDENCY_OPEN", f"{task.id} depends on {other.id}, whose approval does not count: {why}",
                   _review_again(other))  # fmt: skip


def deliverable_named(context: Context, _: Task) -> None:
    """Require that the request names a deliverable.

    :raises Refused: `DELIVERABLE_REQUIRED`.
    """
    if not context.request.get("deliverable"):
        refuse("DELIVERABLE_REQUIRED", "a review needs a deliverable", "add --output PATH")


def not_rejected_before(context: Context, task: Task) -> None:
    """Require that the digest is not one that a review of this task has rejected.

    :raises Refused: `DELIVERABLE_UNCHANGED`.
    """
    if context.request.get("digest") in task.rejected:
        refuse("DELIVERABLE_UNCHANGED", f"a review of {task.id} rejected this very digest",
               f"change the deliverable, or give the task up: opsgit task release {task.id}")  # fmt: skip


def another_digest(context: Context, task: Task) -> None:
    """Require that a revision has a digest other than that of the submission.

    :raises Refused: `NOTHING_CHANGES`, `DELIVERABLE_REQUIRED`.
    """
    if context.request.get("digest") == submission_of(task).digest:
        refuse("NOTHING_CHANGES", f"{task.id} was submitted with this digest already", f"opsgit task show {task.id}")


def free_to_claim(context: Context, task: Task) -> None:
    """Require that nobody has the task, or that the lease of who has it ran out.

    :raises Refused: `ALREADY_CLAIMED`.
    """
    if task.assigned and not leases.ran_out(task, context.at):
        until = f" until {task.lease.until}" if task.lease else ""
        refuse("ALREADY_CLAIMED", f"{task.id} was claimed by {task.assigned}{until}", "opsgit task next")


def room_for_a_comment(context: Context, task: Task) -> None:
    """Require room for a comment; the ledger and the review are counted separately.

    There are `COMMENTS_MAX` comments at most. Of them, agents that are not party to the task have a small share.

    :raises Refused: `COMMENTS_FULL`, `DELIVERABLE_REQUIRED`.
    """
    in_review = context.request.op.startswith("review.")
    comments = review_of(task).comments if in_review else task.comments
    most = WORKERS_MAX if in_review and context.me in task.contributors else COMMENTS_MAX
    hint = f"an orchestrator, when it is not in review: opsgit task trim {task.id} --keep 20"
    if len(comments) >= most:
        refuse("COMMENTS_FULL", f"there are {most} comments already", hint)
    if authority.is_party(context.snapshot, task, context.me):
        return
    parties = {name for name in {one.by for one in comments} if authority.is_party(context.snapshot, task, name)}
    others = [one for one in comments if one.by not in parties]
    written = canonical.emit("task", {"comments": [to_record(one) for one in others]})
    if len(others) >= OTHERS_MAX or len(written) >= OTHERS_SIZE:
        refuse(
            "COMMENTS_FULL", f"agents that are not party to {task.id} have used up their share of the comments", hint
        )


def creator_describes(context: Context, _: Task) -> None:
    """Require that an actor without the right to orchestrate edits only title, description, tags and priority.

    :raises Refused: `RIGHT_MISSING`.
    """
    if ORCHESTRATE not in context.rights and not set(context.request.fields) <= CREATOR_EDITS:
        refuse("RIGHT_MISSING", "the creator may edit title, description, tags and priority", "ask an orchestrator")


def fixed_once_started(context: Context, task: Task) -> None:
    """Require that the task is in the backlog or assigned when pipeline or dependencies change.

    :raises Refused: `ILLEGAL_TRANSITION`.
    """
    if UNTIL_START & set(context.request.fields) and task.status not in (BACKLOG, ASSIGNED):
        refuse("ILLEGAL_TRANSITION", f"pipeline and depends_on are fixed once {task.id} was started",
               f"opsgit task release {task.id}")  # fmt: skip


# --- reviews -------------------------------------------------------------------------------------------------------


def review_of(task: Task) -> Review:
    """Return the task's review; an empty one when nothing was written to it yet.

    :raises Refused: `DELIVERABLE_REQUIRED` when the task was never submitted here.
    """
    return task.review or Review(round=submission_of(task).round)


def submission_of(task: Task) -> Submission:
    """Return the task's submission.

    :raises Refused: `DELIVERABLE_REQUIRED` when the task was never submitted here.
    """
    if task.submission is None:
        # doubled: what is in review was submitted, and what was imported as done is refused as not approved
        refuse("DELIVERABLE_REQUIRED", f"{task.id} was never submitted here", f"opsgit task show {task.id}")
    return task.submission


def review_not_requested(_: Context, task: Task) -> None:
    """Require that the review of this round was not requested yet.

    :raises Refused: `NOTHING_CHANGES`, `DELIVERABLE_REQUIRED`.
    """
    if review_of(task).request:
        refuse("NOTHING_CHANGES", f"the review of {task.id} is open already", f"opsgit task show {task.id}")


def sign_off_is_missing(_: Context, task: Task) -> None:
    """Require that a sign-off is missing: the last reviewer gives the verdict instead.

    :raises Refused: `STAGES_DONE`.
    """
    if authority.gives_verdict(task):
        refuse("STAGES_DONE", f"the last reviewer of {task.id} gives the verdict",
               f"opsgit review approve {task.id} --as {task.pipeline[-2].agent or 'REVIEWER'}")  # fmt: skip


def sign_offs_given(context: Context, task: Task) -> None:
    """Require every sign-off before the verdict: of the earlier stages, and of all reviewers of the last but one.

    :raises Refused: `STAGE_OPEN`, `DELIVERABLE_REQUIRED`.
    """
    if authority.gives_verdict(task):
        return
    number = authority.open_stage(task)
    stage = task.pipeline[number]
    more = authority.missing(task, number) - (number == len(task.pipeline) - 2)
    why = f"{stage.name} has not signed off round {submission_of(task).version} of {task.id}"
    refuse("STAGE_OPEN", f"{why} ({more} of {stage.count} missing before the verdict)" if stage.count else why,
           f"opsgit review sign-off {task.id} --as {_who_signs(context, task, stage)}")  # fmt: skip


def _who_signs(context: Context, task: Task, stage: Stage) -> str:
    """Return the actor, if it may sign off the stage, else the agent that the stage names."""
    signed = {mark.by for mark in review_of(task).sign_offs}
    fits = policy.matches(stage, context.actor) and context.me not in signed
    return context.me if fits else stage.agent or "REVIEWER"


def no_blocking_thread_is_open(_: Context, task: Task) -> None:
    """Require that every blocking thread of the review is resolved.

    :raises Refused: `THREAD_OPEN`, `DELIVERABLE_REQUIRED`.
    """
    open_ones = [one for one in review_of(task).comments if one.blocks]
    if open_ones:
        named = ", ".join(f"{one.id} by {one.by}" for one in open_ones)
        first = open_ones[0]
        why = f"{task.id} has blocking threads that are open: {named}; each is resolved before an approval"
        refuse("THREAD_OPEN", why, f"opsgit review resolve {task.id} {first.id} --as {first.by}")


def checks_passed(context: Context, task: Task) -> None:
    """Require that each check that the policy names has passed for this version of the deliverable.

    :raises Refused: `CHECK_MISSING`, `DELIVERABLE_REQUIRED`.
    """
    digest = submission_of(task).digest
    found = {one.name: one.status for one in review_of(task).checks if one.digest == digest}
    for name in context.project.review.checks:
        if found.get(name) != "pass":
            why = "failed" if name in found else "was not reported"
            refuse("CHECK_MISSING", f"the check {name} {why} for round {submission_of(task).version} of {task.id}",
                   f"opsgit review check {task.id} --name {name} --status pass --as OBSERVER")  # fmt: skip


def not_ones_own_work(context: Context, task: Task) -> None:
    """Require that the actor is no contributor.

    :raises Refused: `SELF_REVIEW`.
    """
    if context.me in task.contributors:
        refuse("SELF_REVIEW", f"{context.me} contributed to {task.id} and may not report its checks",
               f"opsgit review check {task.id} --as OBSERVER")  # fmt: skip


def blocks_as_a_judge(context: Context, task: Task) -> None:
    """Require, for a blocking comment, that the actor could judge the task, and that it begins a thread.

    :raises Refused: `BAD_VALUE`; the codes of `authority.reviewer`.
    """
    if context.request.get("blocking"):
        authority.reviewer(context, Who(REVIEW, "reviewer"), task)
        if context.request.get("answers"):
            refuse("BAD_VALUE", "an answer does not block: the thread that it answers may", "leave out --blocking",
                   "blocking")  # fmt: skip


def answers_a_thread(context: Context, task: Task) -> None:
    """Require that the comment that is answered begins a thread of this review.

    :raises Refused: `NOT_FOUND`, `DELIVERABLE_REQUIRED`.
    """
    if context.request.get("answers"):
        thread(task, str(context.request.get("answers")))


def thread(task: Task, name: str) -> Remark:
    """Return the first comment of a thread.

    :param name: the comment's id.
    :raises Refused: `NOT_FOUND`, `DELIVERABLE_REQUIRED`.
    """
    review, hint = review_of(task), f"opsgit review show {task.id}"
    found = next((one for one in review.comments if one.id == name), None)
    if found and found.answers:
        refuse("NOT_FOUND", f"{name} is an answer; its thread is {found.answers}", hint)
    if found is None:
        why = f"round {review.round} of {task.id} has no thread {name[:40]}"
        refuse("NOT_FOUND", f"{why}; only blocking threads that are open go on from an earlier round", hint)
    return found


def thread_is_ones_own(context: Context, task: Task) -> None:
    """Require that the actor began the thread or could judge the task; whoever did the work ends no objection to it.

    :raises Refused: `NOT_FOUND`, `NOT_YOUR_THREAD`, `NOTHING_CHANGES`, `DELIVERABLE_REQUIRED`.
    """
    first = thread(task, str(context.request.get("thread")))
    if first.resolved and first.resolved.by == context.me:
        refuse("NOTHING_CHANGES", f"{context.me} has resolved {first.id} already", f"opsgit review show {task.id}")
    if first.by == context.me and not (first.blocking and context.me in task.contributors):
        return
    try:
        authority.reviewer(context, Who(REVIEW, "reviewer"), task)
    except Refused as refused:
        why = f"{first.by} or a reviewer of {task.id} resolves {first.id}: {refused.refusal.message}"
        refuse("NOT_YOUR_THREAD", why, f'opsgit review comment {task.id} --reply-to {first.id} --text "..."')


def stage_is_the_actors(context: Context, task: Task) -> None:
    """Require that the open stage fits the actor, who has signed off nothing in this review.

    :raises Refused: `NOT_IN_PIPELINE`, `ALREADY_SIGNED_OFF`, `DELIVERABLE_REQUIRED`.
    """
    stage = authority.open_stage(task)
    name = task.pipeline[stage].name
    if not policy.matches(task.pipeline[stage], context.actor):
        refuse("NOT_IN_PIPELINE", f"the open review stage of {task.id} is {name}'s", f"ask {name}")
    if any(sign_off.by == context.me for sign_off in review_of(task).sign_offs):
        refuse("ALREADY_SIGNED_OFF", f"{context.me} has signed off {task.id} already", f"ask another {name}")


def round_as_seen(context: Context, task: Task) -> None:
    """Require that the request names the current round and revision, so that nobody decides on a version unseen.

    :raises Refused: `STALE`, `DELIVERABLE_REQUIRED`.
    """
    submission, get = submission_of(task), context.request.get
    if (get("round"), get("revision")) != (submission.round, submission.revision):
        refuse("STALE", f"{task.id} is in round {submission.version} by now", f"opsgit review show {task.id}")


def digest_as_submitted(context: Context, task: Task) -> None:
    """Require that the digest that the reviewer measured is that of the submission.

    :raises Refused: `DELIVERABLE_CHANGED`, `DELIVERABLE_REQUIRED`.
    """
    submission = submission_of(task)
    if context.request.get("digest") != submission.digest:
        refuse("DELIVERABLE_CHANGED", f"{submission.deliverable} is not what was submitted in round "
               f"{submission.version} of {task.id}",
               f'opsgit review reject {task.id} --as {context.me} --reason "changed after submission"')  # fmt: skip


def sign_offs_fit(context: Context, task: Task) -> None:
    """Require that each sign-off is for this digest, and that its author still fits the stage.

    Its author is no contributor: a revision, which makes contributors during a review, voids every sign-off.

    :raises Refused: `STAGE_OPEN`, `DELIVERABLE_REQUIRED`.
    """
    for mark in review_of(task).sign_offs:
        if not policy.matches(task.pipeline[mark.stage], context.snapshot.agent(mark.by)):
            refuse("STAGE_OPEN", f"the sign-off of {mark.by} on {task.id} no longer counts",
                   f'opsgit review reject {task.id} --as {context.me} --reason "sign-off void"')  # fmt: skip
        if mark.digest != submission_of(task).digest:  # doubled: revising voids every sign-off
            refuse("STAGE_OPEN", f"{mark.by} signed another digest of {task.id}", f"opsgit task show {task.id}")


def branch_stands(context: Context, task: Task) -> None:
    """Require that the authors of all that the approval rests on may still give it (`standing.counted`).

    Those operations were decided by an earlier state, but the approval takes effect now. A verdict that approves
    nothing (rejected, withdrawn) and cancelling do not have this gate.

    :raises Refused: `APPROVAL_VOID`.
    """
    snapshot, hint = context.snapshot, f"opsgit review withdraw {task.id}, or review reject, then a new round"
    actions = snapshot.branch_actions()
    for signed in standing.counted(actions, standing.relied_on(task, context.project.review.checks)):
        lost = standing.lost_by(snapshot, signed, context.rules.operations)
        if lost:
            refuse("APPROVAL_VOID", f"{signed.by} {lost} since its {signed.op} in the review of {task.id}", hint)
    for one in review_of(task).comments:
        if one.blocking and not standing.is_settled(snapshot, one):
            who = one.resolved.by if one.resolved else "nobody"
            refuse("APPROVAL_VOID", f"{who} may no longer resolve {one.id} of {task.id}",
                   f"opsgit review resolve {task.id} {one.id} --as REVIEWER")  # fmt: skip
    why = standing.stolen_submission(snapshot, task, actions)
    if why:
        refuse("APPROVAL_VOID", f"the submission of {task.id} does not count: {why}", hint)


# --- deployments ---------------------------------------------------------------------------------------------------


def approved_here(_: Context, task: Task) -> None:
    """Require that a review in this ledger approved the submission; an approval in another tracker does not count.

    :raises Refused: `NOT_APPROVED`.
    """
    approved = task.submission and task.review and task.review.verdict and task.review.verdict.outcome == "approved"
    if not approved:
        command = f"opsgit task assign {task.id} --to {task.assigned or 'AGENT'}"
        refuse("NOT_APPROVED", f"{task.id} was not approved here", f'{command} --reason "to be reviewed here"')


def approval_stands(context: Context, task: Task) -> None:
    """Require that no compromised key signed the approval, or a sign-off or revision that it rests on.

    :raises Refused: `APPROVAL_VOID`.
    """
    why = standing.void_approval(context.snapshot, task)
    if why:
        refuse("APPROVAL_VOID", f"the approval of {task.id} does not count: {why}", _review_again(task))


def _review_again(task: Task) -> str:
    again = f'opsgit task assign {task.id} --to {task.assigned} --reason "to be reviewed again"'
    return f"{again}; if the commit is genuine: opsgit agent ratify COMMIT"


def start_stands(context: Context, task: Task) -> None:
    """Require that no compromised key signed the start of the running deployment.

    :raises Refused: `APPROVAL_VOID`, `NO_DEPLOYMENT`.
    """
    by, path = authority.running(task).by, names.task_path(task.id)
    why = standing.voided_by(context.snapshot, path, "task.deploy-start", [by])
    if why:
        refuse("APPROVAL_VOID", f"the start of the deployment of {task.id} does not count: {why}",
               f"opsgit deploy abandon {task.id}")  # fmt: skip


def digest_as_approved(context: Context, task: Task) -> None:
    """Require that the digest that the deployer measured is the approved one.

    :raises Refused: `DELIVERABLE_CHANGED`, `DELIVERABLE_REQUIRED`.
    """
    if context.request.get("digest") != submission_of(task).digest:
        refuse("DELIVERABLE_CHANGED", f"the deliverable of {task.id} is not what was approved",
               f'opsgit task assign {task.id} --to {task.assigned} --reason "deliverable changed"')  # fmt: skip


def when_it_succeeded(check: Check) -> Check:
    """Return a gate that makes a check only of a deployment that succeeded; a failure is recorded in any case.

    It refuses with `NO_DEPLOYMENT` too.
    """

    def checked(context: Context, task: Task) -> None:
        if context.request.get("evidence") == success(authority.running(task).command):
            check(context, task)

    return checked


def command_as_seen(context: Context, _: Task) -> None:
    """Require that the deploy command in the request is the project's current one.

    :raises Refused: `STALE`.
    """
    if tuple(context.request.get("command") or ()) != context.project.deploy.command:
        refuse("STALE", "the deploy command was changed meanwhile", "opsgit project show, then try again")


def deployment_runs(_: Context, task: Task) -> None:
    """Require that a deployment of the task is running.

    :raises Refused: `NO_DEPLOYMENT`.
    """
    authority.running(task)


def start_as_seen(context: Context, task: Task) -> None:
    """Require that the start time in the request is that of the running deployment.

    :raises Refused: `STALE`, `NO_DEPLOYMENT`.
    """
    if context.request.get("started") != authority.running(task).started:
        refuse(
            "STALE", f"the deployment of {task.id} that ended is not the one that runs", f"opsgit task show {task.id}"
        )


def deployed_here(_: Context, task: Task) -> None:
    """Require that the task was deployed in this ledger, not before an import.

    :raises Refused: `NO_DEPLOYMENT`.
    """
    if task.deployment is None:
        refuse("NO_DEPLOYMENT", f"{task.id} was deployed before it was imported: there is nothing here to roll back",
               'for work on it: opsgit task add --title "..."')  # fmt: skip


def rollback_succeeded(context: Context, task: Task) -> None:
    """Require that the evidence says that the rollback command succeeded.

    :raises Refused: `ROLLBACK_FAILED`, `BAD_TEXT`.
    """
    evidence = context.words("evidence", 50, lines=False)
    if evidence != success(context.project.rollback.command):
        refuse("ROLLBACK_FAILED", f"the rollback command of {task.id} ended with: {evidence}",
               "mend the command: opsgit project set rollback.command '[...]'")  # fmt: skip


def reverts_the_deployment(context: Context, task: Task) -> None:
    """Require that the request names the commit that deployed the task.

    :raises Refused: `WRONG_REVERT`.
    """
    if context.request.get("reverts") != context.snapshot.reader.deploy_commit(task.id):
        refuse("WRONG_REVERT", f"that is not the commit that deployed {task.id}", f"opsgit history {task.id}")


def alert_fits(context: Context, task: Task) -> None:
    """Require that an alert in the request justifies the rollback, whichever right the actor has.

    :raises Refused: `ALERT_UNFIT`, `BAD_ID`, `NOT_FOUND`.
    """
    if context.request.get("alert"):
        authority.alerted(context, Who(None), task)


# --- agents --------------------------------------------------------------------------------------------------------


def agent_is_active(_: Context, agent: Agent) -> None:
    """Require that the agent was not removed.

    :raises Refused: `AGENT_REMOVED`.
    """
    if agent.status != "active":
        refuse("AGENT_REMOVED", f"agent {agent.name} was removed", "opsgit agent list")


def others_orchestrate(context: Context, agent: Agent) -> None:
    """Require that the agent is not the only one with the right to orchestrate and an active key.

    :raises Refused: `LAST_ORCHESTRATOR`.
    """
    able = {
        other.name
        for other in context.snapshot.agents()
        if ORCHESTRATE in policy.rights(context.project, other) and other.active_keys
    }
    if able == {agent.name}:
        refuse("LAST_ORCHESTRATOR", f"{agent.name} is the only orchestrator left",
               "opsgit agent add --name NAME --role orchestrator")  # fmt: skip


def last_key_stays(context: Context, agent: Agent) -> None:
    """Require that the request does not retire the last active key of the last orchestrator.

    :raises Refused: `LAST_ORCHESTRATOR`.
    """
    if agent.active_keys == (context.request.get("key"),):
        others_orchestrate(context, agent)


def room_for_a_key(_: Context, agent: Agent) -> None:
    """Require fewer than `KEYS_MAX` keys, so that declaring them compromised still fits into the agent's file.

    :raises Refused: `FILE_FULL`.
    """
    if len(agent.keys) >= KEYS_MAX:
        another = f"opsgit agent add --name NAME --role {agent.role}"
        refuse("FILE_FULL", f"{agent.name} has had {KEYS_MAX} keys", another)


def key_proved(context: Context, _: Agent | None) -> None:
    """Require that the proof of possession of the new key is valid, and the key never belonged to an agent.

    The door checks the proof and passes the result as `proved`.

    :raises Refused: `BAD_KEY`, `KEY_TAKEN`.
    """
    if not context.request.get("proved"):
        refuse("BAD_KEY", f"the key of {context.request.target} comes without proof that its private half is held",
               "opsgit agent add --name NAME --role ROLE makes and proves a key")  # fmt: skip
    key = context.request.get("key")
    owner = next((a.name for a in context.snapshot.agents() if any(k.key == key for k in a.keys)), None)
    if owner:
        refuse("KEY_TAKEN", f"that key is {owner}'s, for ever", "make another key")


def name_is_no_role(context: Context, _: None) -> None:
    """Require that no role has the agent's name, because a pipeline names agents and roles in the same way.

    :raises Refused: `ID_TAKEN`.
    """
    name = context.request.target
    if name in policy.roles(context.project):
        refuse("ID_TAKEN", f"{name} is a role; agents and roles share one name space", "choose another name")


# --- all -----------------------------------------------------------------------------------------------------------


def id_is_unused(context: Context, _: None) -> None:
    """Require that no file of this kind has the id or name, case folded; removed agents keep their names.

    :raises Refused: `ID_TAKEN`.
    """
    operation = context.operation
    path = names.path_of(operation.kind, context.request.target)
    taken = context.snapshot.taken(path)
    if taken:
        known = taken.removesuffix(".yaml")
        more = ", or did once: a name never returns" if operation.kind == "agent" else ""
        refuse("ID_TAKEN", f"{operation.kind} {known} exists{more}", f"opsgit {operation.kind} list")


def number_is_next(context: Context, _: None) -> None:
    """Require that an id with an automatic number (`T-7`) has the number after one that exists.

    Otherwise somebody could take the last number there is. An orchestrator may choose any number within `REACH`.

    :raises Refused: `BAD_ID`.
    """
    kind, target = context.operation.kind, context.request.target
    form = names.AUTOMATIC[kind].match(target)
    if not form:
        return
    number = int(form[2])
    before = number == 1 or context.snapshot.taken(names.path_of(kind, f"{form[1]}-{number - 1}"))
    if not before and not (ORCHESTRATE in context.rights and number <= REACH):
        refuse("BAD_ID", f"numbers like {target[:40]} are given out in order", "leave out --id, or choose a word", "id")


class Gate(NamedTuple):
    """A gate: its check, and whether the check reads arguments or the note of the request."""

    check: Check
    evidence: bool = False


# The names of the gates: in the catalogue, in `opsgit help lifecycle`, and for `RuleBook.with_changes`.
STATE: dict[str, Check] = {
    "the id is unused": id_is_unused,
    "a number is the next": number_is_next,
    "the name is no role": name_is_no_role,
    "no deployment runs": no_deployment_runs,
    "nobody has it, or the lease ran out": free_to_claim,
    "somebody fits the first stage": somebody_fits,
    "its dependencies are done or deployed": dependencies_met,
    "there is room for a comment": room_for_a_comment,
    "no review was requested yet": review_not_requested,
    "a sign-off is missing": sign_off_is_missing,
    "every sign-off before the verdict": sign_offs_given,
    "no blocking thread is open": no_blocking_thread_is_open,
    "the checks of the policy passed": checks_passed,
    "not one's own work": not_ones_own_work,
    "the open stage is the actor's": stage_is_the_actors,
    "the sign-offs fit their stages": sign_offs_fit,
    "what the approval rests on stands": branch_stands,
    "a review here approved it": approved_here,
    "the approval stands": approval_stands,
    "the start of the deployment stands": start_stands,
    "a deployment runs": deployment_runs,
    "it was deployed here": deployed_here,
    "the agent is active": agent_is_active,
    "there is room for a key": room_for_a_key,
    "another orchestrator is left": others_orchestrate,
}
EVIDENCE: dict[str, Check] = {
    "an assignee, a pipeline or dependencies: orchestrate": orchestrate_for_more,
    "another assignee": another_assignee,
    "from done a reason": reason_to_reopen,
    "a reason": reason,
    "a deliverable is named": deliverable_named,
    "not a digest that a review rejected": not_rejected_before,
    "another digest": another_digest,
    "the creator edits what describes it": creator_describes,
    "pipeline and dependencies until it is started": fixed_once_started,
    "who blocks could judge": blocks_as_a_judge,
    "it answers a thread": answers_a_thread,
    "the thread is one's own, or one's to judge": thread_is_ones_own,
    "the version that was seen": round_as_seen,
    "the deliverable has the submitted digest": digest_as_submitted,
    "the deliverable has the approved digest": digest_as_approved,
    "when it succeeded, the approved digest": when_it_succeeded(digest_as_approved),
    "when it succeeded, the approval stands": when_it_succeeded(approval_stands),
    "the command that was seen": command_as_seen,
    "the deployment that was started": start_as_seen,
    "the rollback command succeeded": rollback_succeeded,
    "it reverts the deployment": reverts_the_deployment,
    "an alert that is named fits": alert_fits,
    "another key is left to the last orchestrator": last_key_stays,
    "the key is proved and unused": key_proved,
}
GATES: dict[str, Gate] = {name: Gate(check) for name, check in STATE.items()}
GATES |= {name: Gate(check, evidence=True) for name, check in EVIDENCE.items()}
