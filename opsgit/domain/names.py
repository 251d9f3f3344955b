"""Ids and names, and the one path that each has in the tree."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from opsgit.domain.refusals import Refused, refuse

ID = re.compile(r"[A-Za-z0-9]+([._-][A-Za-z0-9]+)*\Z")
NAME = re.compile(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*\Z")
REVISION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/~^-]{0,200}\Z")
MAIN = "refs/heads/main"
PROJECT = "ops.yaml"
COMMIT_ID = "[0-9a-f]{40}|[0-9a-f]{64}"
COMMIT = re.compile(rf"({COMMIT_ID})\Z")
# Written by init and changed by `file.set` alone (design, section 2).
MANAGED_FILES = frozenset({".gitignore", ".gitattributes", ".pre-commit-config.yaml", "README.md", ".gitlab-ci.yml"})
MANAGED_FOLDERS = ("schema/", "gates/", ".github/", ".forgejo/")
MANAGED_PART = re.compile(r"[A-Za-z0-9._-]{1,100}\Z")


LAST_CHECK = "last_check"  # the metric that says when a monitor ran; state.json shows its time
RESERVED_METRICS = frozenset({"alerts"})  # state.json has these beside the metrics


class Place(NamedTuple):
    """What a path holds: its kind (project, task, agent, quota, metric, alert, managed) and its id or name."""

    kind: str
    name: str


class Entity(NamedTuple):
    """A kind of file that holds a record: the project, a task, an agent ...

    `folder` is where its files lie (empty: the project's one file), `identifier` the field that names a file, `check`
    what judges that name, `schema` the name of its JSON Schema, `model` its class (or the name of one in `model`).
    """

    kind: str
    folder: str
    identifier: str
    check: Callable[[str], str]
    schema: str
    model: str | type


def check_id(text: str, what: str = "id") -> str:
    """Return a task or alert id if it is legal, else refuse it with `BAD_ID` (design, section 2)."""
    if len(text) > 64 or not ID.match(text) or text.lower().endswith(".lock"):
        refuse(
            "BAD_ID",
            f"{text!r} is no {what}: letters and digits, joined by single . _ or -, at most 64, not ending in .lock",
            "opsgit task add --id SKILL-001 --title ...",
            what,
        )
    return text


def check_name(text: str, what: str = "name") -> str:
    """Return an agent, quota, metric or role name if it is legal, else refuse it with `BAD_NAME`."""
    if len(text) > 32 or not NAME.match(text) or text.endswith(".lock"):
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


def task_folder(task_id: str) -> str:
    """The folder of a task: the last two letters or digits of the id, lower context, padded with 0."""
    letters = re.sub(r"[._-]", "", task_id).lower()
    return f"tasks/{letters[-2:].rjust(2, '0')}"


def task_path(task_id: str) -> str:
    """The path of a task's file."""
    return f"{task_folder(task_id)}/{task_id}.yaml"


def path_of(kind: str, name: str) -> str:
    """The path of the file of a kind (a key of `ENTITIES`) and an id or name."""
    if kind == "project":
        return PROJECT
    return task_path(name) if kind == "task" else f"{ENTITIES[kind].folder}/{name}.yaml"


def review_ref(task_id: str) -> str:
    """The full name of a task's review branch."""
    return f"refs/heads/review/{task_id}"


def place(path: str) -> Place:
    """What may stand at a path; refuses a path that no operation writes with `WRONG_FILE`."""
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
    """Whether a path is one of the files around the ledger: schemas, gates, CI, README."""
    inside = path.startswith(MANAGED_FOLDERS) and all(
        MANAGED_PART.match(part) and part.strip(".") and part.lower() not in (".git", "git~1")
        for part in path.split("/")
    )
    return path in MANAGED_FILES or inside
