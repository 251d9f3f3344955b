"""Refusals: the stable codes, the meaning of each, and the exit code of the command that ends with it."""

from __future__ import annotations

from typing import NamedTuple, NoReturn

from opsgit.domain.values import Value, positional

EXITS: dict[int, str] = {
    0: "ok",
    1: "a bug in opsgit",
    2: "usage: the words on the command line",
    3: "not found",
    4: "invalid data",
    5: "a gate or a policy says no",
    6: "identity or signature",
    7: "conflict: somebody was first; look again, then retry",
    8: "quota",
    9: "busy, unreachable or unknown: retry or fix",
    10: "a check found something",
}


class Code(NamedTuple):
    """The meaning of a refusal code: the exit code, one sentence, and whether the same command may succeed later."""

    exit: int
    meaning: str
    retryable: bool = False


CODES: dict[str, Code] = {
    "INTERNAL": Code(1, "opsgit failed in a way it did not foresee; please report it"),
    "USAGE": Code(2, "the command line could not be understood"),
    "NO_REPOSITORY": Code(3, "no state repository here, in OPS_STATE_DIR or at -C"),
    "NOT_FOUND": Code(3, "no task, agent, quota, metric, alert or commit of that name"),
    "BAD_ID": Code(4, "an id that is not a plain word of letters, digits and single . _ - between them"),
    "BAD_NAME": Code(4, "a name that is not lower-case words joined by - or _"),
    "BAD_TEXT": Code(4, "text that is empty, too long, or holds control or bidi characters"),
    "BAD_VALUE": Code(4, "a value outside what the field allows"),
    "BAD_YAML": Code(4, "YAML outside the safe core: anchors, tags, duplicate keys, depth, size, encoding"),
    "SCHEMA": Code(4, "a file that breaks its schema"),
    "NOT_CANONICAL": Code(4, "a file whose bytes are not the canonical form of its content"),
    "NOT_A_STATE_REPOSITORY": Code(4, "a git repository without an opsgit ledger on main"),
    "ALREADY_A_REPOSITORY": Code(4, "init where a repository or other files already are"),
    "BAD_KEY": Code(4, "a key that is not an ed25519 OpenSSH key, or without proof of possession"),
    "UNKNOWN_KEY": Code(4, "a policy key that ops.yaml does not have"),
    "PERIOD_REQUIRED": Code(4, "a new quota needs a period"),
    "UNKNOWN_FIELD": Code(4, "a field that a task does not have"),
    "UNKNOWN_ROLE": Code(4, "a role that is neither built in nor defined in ops.yaml"),
    "BAD_PIPELINE": Code(4, "a pipeline without a worker first, reviewers between and a deployer last"),
    "DEPENDENCY_CYCLE": Code(4, "depends_on that leads back to the task itself"),
    "NOTHING_CHANGES": Code(4, "an operation that would change nothing"),
    "NO_SUCH_OPERATION": Code(5, "an operation that no row of the tables has"),
    "ILLEGAL_TRANSITION": Code(5, "a step that the lifecycle does not have from this status"),
    "IN_REVIEW": Code(5, "the task's file is frozen on the ledger while it is in review"),
    "RIGHT_MISSING": Code(5, "the agent's role does not hold the right that the operation needs"),
    "NOTHING_TO_DO": Code(5, "the task does not wait for the agent that was to be spawned for it"),
    "NOT_ASSIGNEE": Code(5, "only the assignee may do this"),
    "NOT_CREATOR": Code(5, "only an orchestrator, or the creator while in backlog, may edit"),
    "NOT_IN_PIPELINE": Code(5, "the task's pipeline names somebody else for this stage"),
    "NOT_STARTED_BY_YOU": Code(5, "a deployment is finished by the agent that started it"),
    "NOT_YOURS": Code(5, "keys are changed by their own agent or an orchestrator"),
    "SELF_REVIEW": Code(5, "a contributor may not judge the task"),
    "ALREADY_SIGNED_OFF": Code(5, "one agent signs off once in a round"),
    "STAGE_OPEN": Code(5, "a sign-off before the verdict is missing in this round"),
    "THREAD_OPEN": Code(5, "a blocking thread of the review is not resolved"),
    "NOT_YOUR_THREAD": Code(5, "a thread is resolved by who began it or by a reviewer of the task"),
    "CHECK_MISSING": Code(5, "a check that the policy names has not passed for this version"),
    "APPROVAL_VOID": Code(5, "an approval, or what it rests on, is by a stolen key or somebody without the right"),
    "WORDS_VOID": Code(5, "a push of new words in a review by somebody removed, without the right, or an old key"),
    "STAGES_DONE": Code(5, "no sign-off is missing: the last reviewer gives the verdict"),
    "REASON_REQUIRED": Code(5, "rejecting and reopening need a reason"),
    "DELIVERABLE_REQUIRED": Code(5, "a review needs a deliverable"),
    "DELIVERABLE_MISSING": Code(5, "the deliverable is not there or cannot be read"),
    "DELIVERABLE_UNSAFE": Code(5, "the deliverable holds a symlink or something that is no file"),
    "DELIVERABLE_OUTSIDE": Code(5, "the deliverable is not inside the workspace"),
    "DELIVERABLE_CHANGED": Code(5, "the deliverable does not have the digest that was submitted"),
    "DELIVERABLE_UNSTABLE": Code(5, "the deliverable changed while it was being read", True),
    "DELIVERABLE_UNCHANGED": Code(5, "the very digest that was rejected, submitted again"),
    "DELIVERABLE_TOO_LARGE": Code(5, "a deliverable with more files or bytes than the policy attaches"),
    "ATTACHMENT_UNFIT": Code(6, "an attachment that is not what was submitted, or a ref that no submission has"),
    "DEPENDENCY_OPEN": Code(5, "a task that this one depends on is not done"),
    "DEPLOY_FAILED": Code(5, "the deploy command did not succeed; the failure is recorded"),
    "ROLLBACK_FAILED": Code(5, "the rollback command did not succeed; the task stays deployed"),
    "NOBODY_FITS": Code(5, "no active agent fits the first stage of the task's pipeline"),
    "NOT_APPROVED": Code(5, "a task that no review of this ledger has approved"),
    "NO_DEPLOYMENT": Code(5, "no deployment is running"),
    "WRONG_REVERT": Code(5, "a rollback reverts the commit that deployed the task"),
    "ALERT_REQUIRED": Code(5, "an observer rolls back only by an open alert on the task"),
    "ALERT_UNFIT": Code(5, "the alert is resolved, older than the deployment, one's own or on another task"),
    "EXCLUSIVE_ROLES": Code(5, "whoever orchestrates never works, reviews or deploys, nor the other way round"),
    "LAST_ORCHESTRATOR": Code(5, "the last orchestrator cannot be removed"),
    "IDENTITY_FIXED": Code(5, "name, repository id and rules of a project, and built-in roles, cannot be set"),
    "FILE_FULL": Code(5, "a file that would be larger than the operation may make it; 256 KiB at most"),
    "COMMENTS_FULL": Code(5, "a task carries at most 200 comments; an orchestrator may trim them"),
    "NOT_TRUSTED": Code(5, "a command that came with somebody else's commit needs `opsgit deploy trust` once"),
    "WRONG_FILE": Code(5, "a path that no operation may write"),
    "NOT_ON_QUOTA": Code(5, "the quota names the agents that may use it"),
    "CONTENT_MISMATCH": Code(5, "the files are not what the rule book makes of the request"),
    "MESSAGE_MISMATCH": Code(5, "the message is not the one the rule book generates"),
    "AGENT_REMOVED": Code(6, "the agent was removed from the project"),
    "IDENTITY_REQUIRED": Code(6, "nobody is named and no natural actor's key is on this machine"),
    "IDENTITY_CONFLICT": Code(6, "--as, OPSGIT_AGENT, opsgit.agent and --approved-by name different agents"),
    "KEY_MISSING": Code(6, "the agent's private key is not on this machine"),
    "KEY_UNFIT": Code(6, "the private key is not one of the agent's active keys, or ssh-keygen cannot use it"),
    "BAD_SIGNATURE": Code(6, "a commit without a good signature of its author's active key"),
    "BAD_COMMIT": Code(6, "a commit object that is not in the one accepted form"),
    "BAD_TREE": Code(6, "a tree object that is not in the one accepted form, or too deep or wide to be a ledger's"),
    "BAD_GENESIS": Code(6, "a first commit that does not found a project: its own orchestrator signs it"),
    "BAD_MERGE": Code(6, "a merge that is not the verdict on the task's whole review branch"),
    "FORGE_MERGE": Code(6, "a merge, squash or rebase that a forge's button made"),
    "WRONG_REF": Code(5, "a ref that a state repository does not have, or a commit made for another one"),
    "FOREIGN_REPOSITORY": Code(6, "a repository that belongs to another user, whose settings and hooks git would run"),
    "BACKDATED": Code(
        6,
        "a push with what is dated too long ago by the server's clock: a use of a quota, a new agent or key",
    ),
    "AHEAD_OF_TIME": Code(6, "a commit that lies more than 5 minutes ahead of the clock"),
    "REWOUND": Code(6, "the ledger no longer holds a commit that was verified here: it was rewound or forked"),
    "NOT_FAST_FORWARD": Code(6, "a push that does not go on from the ledger's tip"),
    "PIN_MISMATCH": Code(6, "the ledger does not begin with the genesis that is pinned for it"),
    "COMPROMISED_KEY": Code(
        6, "a commit by a compromised key that an orchestrator has neither ratified nor marked as undone"
    ),
    "WRONG_PUSHER": Code(6, "what is new on the ledger was not signed by who pushes it"),
    "HAND_MADE": Code(5, "a commit that only opsgit makes: a submission, a verdict, an amendment, a time in a record"),
    "TOO_LARGE": Code(5, "a push with more or larger objects than the server takes"),
    "ID_TAKEN": Code(7, "the id or name exists (ids are compared with case folded)"),
    "KEY_TAKEN": Code(7, "the key already belongs to an agent, now or once"),
    "ALREADY_CLAIMED": Code(7, "somebody else has the task"),
    "ALREADY_THERE": Code(7, "the task already has that status"),
    "DEPLOY_RUNNING": Code(7, "somebody is deploying the task"),
    "STALE": Code(7, "what was looked at was changed since: another version, command or deployment", True),
    "REVIEW_BRANCH_MISSING": Code(9, "main was pushed or fetched without the review branch that belongs to it", True),
    "REF_MOVED": Code(7, "somebody else wrote to the repository first", True),
    "UNCOMMITTED_EDIT": Code(7, "a file that the operation writes has an uncommitted edit"),
    "QUOTA_EXCEEDED": Code(8, "the quota's window has not enough left"),
    "NOT_DELIVERED": Code(9, "a webhook or a program did not take an event", True),
    "UNREACHABLE": Code(9, "the remote could not be reached; nothing was changed", True),
    "UNCONFIRMED": Code(9, "the remote ended the connection before it said whether it took the operation"),
    "OFFLINE": Code(9, "an operation whose promise needs the remote, which was not to be asked"),
    "UNSYNCED": Code(9, "operations that were made here are not published, and the remote has others"),
    "UNFINISHED": Code(9, "a merge, rebase, revert or cherry-pick by git is unfinished here"),
    "REMOTE_REFUSED": Code(9, "the remote does not take the push, and says no code of opsgit"),
    "BATCH_OPEN": Code(2, "what a batch of the Python API cannot hold, or a batch within a batch"),
    "OP_ID_TAKEN": Code(7, "the operation id was used by the same agent for another request"),
    "REVIEW_AHEAD": Code(9, "a review names a ledger commit that is not here yet", True),
    "TOO_SLOW": Code(9, "a push takes longer to judge than the server allows"),
    "BUSY": Code(9, "another process holds the repository's lock", True),
    "CLOCK": Code(9, "the last commit is more than 5 minutes ahead of this machine's clock"),
    "DISK": Code(9, "the disk is full or refused a write; nothing was changed", True),
    "OUTPUT": Code(9, "the command is done, but what it was to print could not be written"),
    "REPOSITORY_BROKEN": Code(9, "git could not read the repository"),
    "INCOMPLETE": Code(9, "a shallow or partial clone, or objects that are missing: nothing can be said"),
    "UNVERIFIED": Code(9, "the commit that a range begins with was never verified here"),
    "NO_PIN": Code(9, "no pin is known and one is required"),
    "UNKNOWN_RULES": Code(9, "ops.yaml asks for a version of the rule book that this opsgit does not have"),
    "EXTRA_MISSING": Code(9, "an optional part of opsgit is not installed"),
    "TOOL_FAILED": Code(9, "git or ssh-keygen failed"),
}


@positional
class Refusal(Value):
    """A refusal as data: a stable code, the reason, the command that would be correct, and the place of the fault."""

    code: str
    message: str
    hint: str = ""
    where: str = ""

    @property
    def exit(self) -> int:
        """The exit code of the command that ends with this refusal."""
        return CODES[self.code].exit

    @property
    def retryable(self) -> bool:
        """Whether the same command may succeed when it is run again."""
        return CODES[self.code].retryable


class Refused(Exception):  # noqa: N818 - it is a verdict on its way to the caller, not an error
    """An exception that carries one or more refusals to the caller that turns them into data."""

    def __init__(self, *refusals: Refusal) -> None:
        super().__init__("; ".join(f"{r.code}: {r.message}" for r in refusals))
        self.refusals = refusals

    @property
    def refusal(self) -> Refusal:
        """The first refusal, which decides the exit code."""
        return self.refusals[0]

    @property
    def code(self) -> str:
        """The code of the first refusal."""
        return self.refusal.code

    @property
    def hint(self) -> str:
        """The command that would be correct, or empty."""
        return self.refusal.hint


def refuse(code: str, message: str, hint: str = "", where: str = "") -> NoReturn:
    """Raise `Refused` with one refusal.

    :param code: a key of `CODES`.
    :param message: what was refused and why.
    :param hint: the command that would be correct.
    :param where: the file, field or argument at fault, if there is one.
    :raises Refused: always.
    """
    raise Refused(Refusal(code, message, hint, where))
