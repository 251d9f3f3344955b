"""Ids and names, and the path of the file that belongs to each. Read it for the layout of a state repository."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from opsgit.domain.refusals import Refused, refuse

ID = re.compile(r"[A-Za-z0-9]+([._-][A-Za-z0-9]+)*\Z")
NAME = re.compile(r"(?=.{1,32}\Z)[a-z][a-z0-9]*([-_][a-z0-9]+)*\Z")
REVISION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/~^-]{0,200}\Z")
# Ids with the numbers that opsgit gives out: T-7; A-7, and for an alert of the monitor the check, a hash and a number.
AUTOMATIC = {
    "task": re.compile(r"(T)-([1-9][0-9]*)\Z", re.IGNORECASE),
    "alert": re.compile(r"(A|[a-z-]+\.[0-9a-f]{10})-([1-9][0-9]*)\Z", re.IGNORECASE),
}
MAIN = "refs/heads/main"
REMOTE_MAIN = "refs/remotes/origin/main"  # what was last fetched of it
LEAD = "opsgit/"  # how the branches of a ledger begin that lies in a code repository: opsgit/main, opsgit/review/ID
PROJECT = "ops.yaml"
COMMIT_ID = "[0-9a-f]{40}|[0-9a-f]{64}"
COMMIT = re.compile(rf"({COMMIT_ID})\Z")
# `opsgit init` writes these files; after that only the operation `file.set` changes them.
MANAGED_FILES = frozenset({".gitignore", ".gitattributes", ".pre-commit-config.yaml", "README.md", ".gitlab-ci.yml"})
MANAGED_FOLDERS = ("schema/", "gates/", ".github/", ".forgejo/")
MANAGED_PART = re.compile(r"[A-Za-z0-9._-]{1,100}\Z")


LAST_CHECK = "last_check"  # the metric that a monitor run sets; state.json shows the time of that run
RESERVED_METRICS = frozenset({"alerts"})  # state.json uses these keys next to the names of metrics


class Place(NamedTuple):
    """The kind of file at a path, and the id or name that the path contains.

    `kind` is project, task, agent, quota, metric, alert or managed. `name` is empty for the project and the whole path
    for a managed file.
    """

    kind: str
    name: str


class Entity(NamedTuple):
    """One kind of file that holds a record, for example the project, a task or an agent.

    - `kind`: the name of the kind. `folder`: the folder of its files; empty for the project, which has a single file.
    - `identifier`: the field that names the file. `check`: a function that returns a valid name and refuses others.
    - `schema`: the name of its JSON Schema. `model`: its class, or the name of a class in the module `model`.
    """

    kind: str
    folder: str
    identifier: str
    check: Callable[[str], str]
    schema: str
    model: str | type


def check_id(text: str, what: str = "id") -> str:
    """Return a task id or alert id if its form is valid.

    :param what: what the id is for, for the message.
    :raises Refused: `BAD_ID`.
    """
    if len(text) > 64 or not ID.match(text) or text.lower().endswith(".lock"):
        refuse(
            "BAD_ID",
            f"{text!r} is no {what}: letters and digits, joined by single . _ or -, at most 64, not ending in .lock",
            "opsgit task add --id SKILL-001 --title ...",
            what,
        )
    return text


def check_name(text: str, what: str = "name") -> str:
    """Return the name of an agent, quota, metric or role if its form is valid.

    :param what: what the name is for, for the message.
    :raises Refused: `BAD_NAME`.
    """
    if not NAME.match(text):
        refuse(
            "BAD_NAME",
            f"{text!r} is no {what}: lower-case letters and digits joined by - or _, from a letter, at most 32",
            f"for example {re.sub('[^a-z0-9]+', '-', text.lower()).strip('-0123456789')[:32].strip('-') or 'dev-2'}",
            what,
        )
    return text


ENTITIES: dict[str, Entity] = {
    one.kind: one
    for one in (
        Entity("project", "", "name", str, "ops", "Project"),
        Entity("task", "tasks", "id", check_id, "task", "Task"),
        Entity("agent", "agents", "name", check_name, "agent", "Agent"),
        Entity("quota", "quotas", "name", check_name, "quota", "Quota"),
        Entity("metric", "metrics", "name", check_name, "metric", "Metric"),
        Entity("alert", "alerts", "id", check_id, "alert", "Alert"),
    )
}
FOLDERS = frozenset(one.folder for one in ENTITIES.values() if one.folder)


def task_folder(task_id: str) -> str:
    """Return a task's folder: the last two letters or digits of the id, in lower case, padded with 0 on the left."""
    letters = re.sub(r"[._-]", "", task_id).lower()
    return f"tasks/{letters[-2:].rjust(2, '0')}"


def task_path(task_id: str) -> str:
    """Return the path of a task's file."""
    return f"{task_folder(task_id)}/{task_id}.yaml"


def path_of(kind: str, name: str) -> str:
    """Return the path of the file of an entity.

    :param kind: a key of `ENTITIES`.
    :param name: the id or name; ignored for the project.
    """
    if kind == "project":
        return PROJECT
    return task_path(name) if kind == "task" else f"{ENTITIES[kind].folder}/{name}.yaml"


def review_ref(task_id: str) -> str:
    """Return the full name of a task's review branch."""
    return f"refs/heads/review/{task_id}"


ATTACHMENTS = "refs/opsgit/deliverables/"


def attachment_ref(task_id: str, version: str) -> str:
    """Return the full name of the ref of a submission's attachment.

    :param version: the round, and the revision if there is one, such as `2` or `2.1`.
    """
    return f"{ATTACHMENTS}{task_id}/{version}"


def place(path: str) -> Place:
    """Return what may be stored at a path.

    :param path: a path relative to the root of the state repository.
    :raises Refused: `WRONG_FILE` for a path that no operation writes.
    """
    if path == PROJECT:
        return Place("project", "")
    folder, _, rest = path.partition("/")
    stem = rest.rsplit("/", 1)[-1].removesuffix(".yaml")
    entity = next((one for one in ENTITIES.values() if one.folder == folder), None)
    if entity and _is_legal(entity, stem) and path_of(entity.kind, stem) == path:
        return Place(entity.kind, stem)
    if is_managed(path):
        return Place("managed", path)
    refuse("WRONG_FILE", f"{path} is not a file that a state repository has", f"git rm --cached {path}", path)


def _is_legal(entity: Entity, name: str) -> bool:
    try:
        return entity.check(name) == name
    except Refused:
        return False


def is_managed(path: str) -> bool:
    """Return whether a path belongs to a managed file: schemas, gate scripts, CI configuration, README."""
    inside = path.startswith(MANAGED_FOLDERS) and all(
        MANAGED_PART.match(part) and part.strip(".") and part.lower() not in (".git", "git~1")
        for part in path.split("/")
    )
    return path in MANAGED_FILES or inside
