"""The project's policy: show it, and set it key by key."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from typing import Any

from opsgit.domain import canonical, names, times
from opsgit.domain.model import Project, Run
from opsgit.domain.operation import RESET_CLOCK
from opsgit.domain.records import Record
from opsgit.domain.refusals import refuse
from opsgit.domain.request import Request, Snapshot
from opsgit.operations import deployments, repeat
from opsgit.operations.publication import publish
from opsgit.operations.session import Session, orchestrator
from opsgit.operations.transactions import Transaction, Written
from opsgit.storage import reader, schema, yaml_codec


def policy(session: Session) -> Record:
    """Return the content of ops.yaml."""
    return session.look().record(names.PROJECT) or {}


def set_key(session: Session, key: str, value: str | None) -> list[Written]:
    """Set one key of ops.yaml in one operation. Setting a command is also consent to run it in this clone.

    :param key: the dotted key, such as `deploy.command`.
    :param value: a YAML value; None removes the key.
    :raises Refused: `UNKNOWN_KEY`, `BAD_VALUE`, `BAD_YAML` or `SCHEMA`; if the rule book refuses the operation.
    """
    _known(key)
    meant = None if value is None else yaml_codec.parse_value(value)
    if value is not None and meant is None:
        refuse("BAD_VALUE", f"{value!r} is no value", f"opsgit project set {key} --unset takes the key out", key)
    actor = session.actor(session.look(), orchestrator)
    # the lock keeps two edits of the file from overwriting each other
    written = publish(session, lambda tx: _perform(session, tx, "project.set", actor, key, meant))
    if not session.dry_run and key in COMMANDS:
        deployments.trust(session.repository, COMMANDS[key](session.look().project))
    return [written]


def upgrade_rules(session: Session) -> list[Written]:
    """Move the ledger to the next version of the rule book.

    :raises Refused: `UNKNOWN_RULES` if this program has no next version; if the rule book refuses the operation.
    """
    actor = session.actor(session.look(), orchestrator)

    def upgrade(transaction: Transaction) -> list[Written]:
        following = transaction.snapshot().project.rules + 1
        return [_perform(session, transaction, "project.upgrade-rules", actor, "rules", following)]

    return publish(session, upgrade)


def reset_clock(session: Session) -> list[Written]:
    """Let the time go on from now, after commits from a clock that was ahead.

    :raises Refused: `NOTHING_CHANGES` if the last commit is not ahead of the clock; if the rule book refuses the
        operation.
    """
    actor = session.actor(session.look(), orchestrator)

    def reset(transaction: Transaction) -> list[Written]:
        now = transaction.now(op=RESET_CLOCK)
        if max(transaction.time(), *_review_times(session, transaction)) <= now:
            refuse("NOTHING_CHANGES", "the last commit is not ahead of this machine's clock", "date -u")
        transaction.clock = lambda: now
        return [_perform(session, transaction, RESET_CLOCK, actor, "clock", times.text(now))]

    return publish(session, reset)


def _review_times(session: Session, transaction: Transaction) -> list[int]:
    """Return the times of the newest commits of all open reviews, in seconds after the epoch."""
    in_review = session.index().select("kind = 'task' AND status = 'review'", (), "path")
    branches = (transaction.branch(task["id"]) for task in in_review)
    return [0, *(transaction.time(branch) for branch in branches if branch)]


# The keys that set a command. Setting one of them is consent to that command alone.
COMMANDS: dict[str, Callable[[Project], Run]] = {
    **dict.fromkeys(("deploy", "deploy.command"), lambda project: project.deploy),
    **dict.fromkeys(("rollback", "rollback.command"), lambda project: project.rollback),
}


def _perform(session: Session, transaction: Transaction, op: str, actor: str, key: str, value: Any) -> Written:
    """Perform an operation that sets one key of ops.yaml; the comments in the file stay."""
    content = yaml_codec.edit_policy(_content(transaction), key, value)
    fields = {"record": reader.checked_record(content, names.PROJECT), "content": content}
    request = Request(op, actor, "", fields, session.note, session.op_id)
    return (repeat.performed(transaction, request) if session.op_id else None) or transaction.perform(request)


def _content(transaction: Transaction) -> bytes:
    entry = transaction.objects.entry(transaction.objects.root(transaction.tip), names.PROJECT)
    assert entry  # a state without ops.yaml was refused before
    return transaction.objects.need(entry.id, "blob").content


def _known(key: str) -> None:
    """Refuse a key that the schema does not have; the refusal names the nearest key."""
    known = _keys(schema.load("ops"), "")
    head = key.split(".")
    if key in known or (len(head) == 2 and head[0] in ("roles", "stale") and head[1]):
        return
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.3) or known[:1]
    refuse("UNKNOWN_KEY", f"the policy has no key {key!r}; the nearest is {near[0]}",
           f"opsgit project set {near[0]} VALUE (all keys: opsgit help policy)", key)  # fmt: skip


def _keys(part: Mapping[str, Any], prefix: str) -> list[str]:
    found: list[str] = []
    for name, inner in part.get("properties", {}).items():
        target = schema.load("ops")["$defs"][inner["$ref"].rsplit("/", 1)[-1]] if "$ref" in inner else inner
        found += [f"{prefix}{name}", *_keys(target, f"{prefix}{name}.")]
    return found


def consent(session: Session) -> dict[str, list[str]]:
    """Record consent, in this clone, to the project's deploy and rollback commands.

    :returns: both commands as argument lists.
    """
    project = Snapshot(session.look().reader).project
    deployments.trust(session.repository, project.deploy, project.rollback)
    return {"deploy": list(project.deploy.command), "rollback": list(project.rollback.command)}


def lines(policy_now: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Return a policy as lines `dotted.key: value`."""
    found: list[str] = []
    for key, value in policy_now.items():
        if isinstance(value, Mapping):
            found += lines(value, f"{prefix}{key}.")
        else:
            found.append(f"{prefix}{key}: {_flow(value)}")
    return found


def _flow(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(canonical.scalar, value))}]"
    return canonical.scalar(value)
