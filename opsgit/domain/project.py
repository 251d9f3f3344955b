"""The effects of operations on ops.yaml and on managed files, and the checks of a new policy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from opsgit.domain import names, policy
from opsgit.domain.context import Context
from opsgit.domain.model import Agent, Project
from opsgit.domain.records import Record, checked
from opsgit.domain.refusals import refuse
from opsgit.domain.request import Edit, ManagedFile, Outcome
from opsgit.domain.vocabulary import ORCHESTRATE

FIXED = {"name": "show", "repository": "show", "created": "show", "rules": "upgrade-rules", "clock": "reset-clock"}


def set_policy(context: Context, _: Project) -> Outcome:
    """Replace ops.yaml by the request's `record`; the argument `content` holds the bytes of the new file.

    :raises Refused: `IDENTITY_FIXED` when name, repository, rules or created changes or a role is removed;
        `EXCLUSIVE_ROLES` when a role gains or loses the right to orchestrate; `BAD_VALUE`; the codes of `check_policy`.
    """
    record: Record = context.request.get("record")
    changed = differences(context.snapshot.record(names.PROJECT) or {}, record)
    for key, command in FIXED.items():
        if key in changed:
            refuse(
                "IDENTITY_FIXED", f"{key} of a project cannot be set", f"opsgit project {command}", f"ops.yaml: {key}"
            )
    _check(context, checked(Project, record, "record"))
    edit = Edit(names.PROJECT, context.request.get("content"), record)
    return Outcome((edit,), f"project: set {', '.join(changed)}")


def upgrade_rules(context: Context, before: Project) -> Outcome:
    """Change `rules` in ops.yaml to the next version of the rule book; nothing else may change.

    The old version still decides this commit; the new version decides the next one.

    :raises Refused: `BAD_VALUE`; `UNKNOWN_RULES` when this program does not have the next version.
    """
    why = f"the next version of the rule book is {before.rules + 1}, and nothing else changes with it"
    edit = _one_key(context, "rules", before.rules + 1, why)
    context.rules.next()
    return Outcome((edit,), f"project: rules {before.rules} → {before.rules + 1}")


def reset_clock(context: Context, _: Project) -> Outcome:
    """Set `clock` in ops.yaml to the time of this commit; nothing else may change.

    After commits from a clock that was ahead, the time goes on from this commit, which may be dated before its parent.

    :raises Refused: `BAD_VALUE`.
    """
    why = f"clock becomes {context.at}, the time of this commit, and nothing else changes with it"
    return Outcome((_one_key(context, "clock", context.at, why),), f"project: clock {context.at}")


def _one_key(context: Context, key: str, value: object, why: str) -> Edit:
    """Return the edit of ops.yaml; refuse it unless it sets one key to a value and changes nothing else."""
    record: Record = context.request.get("record")
    old = context.snapshot.record(names.PROJECT) or {}
    if differences(old, record) != [key] or record[key] != value:
        refuse("BAD_VALUE", why, context.operation.command)
    return Edit(names.PROJECT, context.request.get("content"), record)


def _check(context: Context, after: Project) -> None:
    check_policy(after, context.snapshot.find_agent)
    for role, held in context.project.roles.items():
        if role not in after.roles:
            refuse("IDENTITY_FIXED", f"role {role} cannot be taken away: a name never returns",
                   f"opsgit project set roles.{role} '[]'", f"roles.{role}")  # fmt: skip
        if (ORCHESTRATE in held) != (ORCHESTRATE in after.roles[role]):
            refuse("EXCLUSIVE_ROLES", f"role {role} cannot begin or cease to orchestrate",
                   "define another role", f"roles.{role}")  # fmt: skip


def check_policy(project: Project, find_agent: Callable[[str], Agent | None]) -> None:
    """Refuse roles and a default pipeline that are not allowed in any project.

    :param find_agent: returns the agent of a name, or None.
    :raises Refused: `BAD_NAME`, `IDENTITY_FIXED`, `EXCLUSIVE_ROLES`, `ID_TAKEN`, `BAD_PIPELINE`.
    """
    policy.check_roles(project)
    for role in project.roles:
        if find_agent(role):
            refuse("ID_TAKEN", f"{role} is an agent; agents and roles share one name space", "choose another name")
    if project.pipeline:
        policy.typed_pipeline(project, project.pipeline, find_agent)


def differences(before: Mapping[str, Any], after: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Return the dotted keys in which two mappings differ, sorted at each level.

    :param prefix: the dotted key of both mappings, with a final dot.
    """
    found: list[str] = []
    for key in sorted(set(before) | set(after)):
        old, new = before.get(key), after.get(key)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            found += differences(old, new, f"{prefix}{key}.")
        elif old != new or type(old) is not type(new):
            found.append(f"{prefix}{key}")
    return found


def set_files(context: Context, _: None) -> Outcome:
    """Write or remove managed files.

    The argument `files` maps each path to a `ManagedFile`, or to None to remove the file.

    :raises Refused: `WRONG_FILE` for another path, or for an executable file outside gates/; `NOTHING_CHANGES`.
    """
    given: Mapping[str, ManagedFile | None] = context.request.get("files")
    for path, file in given.items():
        if not names.is_managed(path) or (file and file.executable and not path.startswith("gates/")):
            refuse("WRONG_FILE", f"{path} is not one of the files around the ledger", "opsgit help format", path)
    files = {path: given[path] for path in sorted(given) if given[path] != context.snapshot.reader.managed(path)}
    if not files:
        refuse("NOTHING_CHANGES", f"like that already: {', '.join(given) or 'no file is named'}", "opsgit help format")
    edits = (
        Edit(path, file and file.content, executable=bool(file and file.executable)) for path, file in files.items()
    )
    return Outcome(tuple(edits), f"files: {', '.join(files)}")
