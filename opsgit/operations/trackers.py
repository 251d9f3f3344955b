"""Other trackers for `import`: Backlog.md's folder and beads' JSONL, in the form of the original's state.json."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from opsgit.domain.refusals import Refused, refuse
from opsgit.storage import yaml_codec

Tasks = dict[str, Any]
FRONT = re.compile(r"\A---\r?\n(.*?)\r?\n---\r?\n?(.*)\Z", re.DOTALL)
MARKS = re.compile(r"^<!-- (SECTION|AC|DOD):.*? -->\n?", re.MULTILINE)  # Backlog.md's own marks in a text
FOLDERS = ("tasks", "completed", "archive/tasks", "drafts")
# What has no entry, such as a draft or a deferred issue, becomes backlog, and the import says so.
BACKLOG_MD = {"to-do": "backlog", "todo": "backlog", "in-progress": "in-progress", "done": "done"}
BEADS = {"open": "backlog", "in-progress": "in-progress", "closed": "done"}
BEADS_PRIORITIES = {0: "critical", 1: "high", 2: "medium", 3: "low", 4: "low"}
BEADS_TEXTS = ("description", "design", "acceptance_criteria", "notes", "close_reason")
SIZE_MAX = 64 * 1024 * 1024
BEADS_FILES = (".beads/issues.jsonl", ".beads/beads.jsonl", "issues.jsonl", "beads.jsonl")


def known(place: Path) -> Tasks | None:
    """Return the tasks of another tracker at a place, None if it is none of theirs.

    :param place: a folder of Backlog.md, or the one above it; a JSONL file of beads, or a folder with it.
    :returns: tasks by id, with the fields of the original's state.json and `depends_on`; a text instead of a task says
        why it cannot be read.
    :raises Refused: `NOT_FOUND` for a folder without tasks; `BAD_VALUE` if a file is not UTF-8.
    """
    if place.suffix == ".jsonl":
        return dict(_beads(place))
    if not place.is_dir():
        return None
    file = next((place / name for name in BEADS_FILES if (place / name).is_file()), None)
    if file:
        return dict(_beads(file))
    top = next(
        (one for one in (place, place / "backlog") if any(any((one / name).glob("*.md")) for name in FOLDERS)), None
    )
    if top is None:
        refuse("NOT_FOUND", f"{place} has neither tasks of Backlog.md nor a JSONL file of beads",
               "opsgit import FILE, with a state.json")  # fmt: skip
    return dict(_backlog_md(top))


def _text(file: Path) -> str:
    """Return the text of a regular file."""
    try:
        if file.exists() and not file.is_file():
            refuse("BAD_VALUE", f"{file.name} is no regular file", f"file {file}")
        if file.stat().st_size > SIZE_MAX:
            refuse("BAD_VALUE", f"{file.name} is larger than 64 MiB", "split it")
        return file.read_bytes().decode()
    except UnicodeDecodeError:
        refuse("BAD_VALUE", f"{file.name} is not UTF-8", f"file {file}")
    except OSError as error:
        refuse("NOT_FOUND", f"{file}: {error.strerror}", "look at the path")


def _backlog_md(top: Path) -> Iterator[tuple[str, Any]]:
    for folder in FOLDERS:
        for file in sorted((top / folder).glob("*.md")):
            try:
                yield _backlog_file(file, folder)
            except Refused as refused:
                yield file.name, refused.refusal.message


def _backlog_file(file: Path, folder: str) -> tuple[str, Any]:
    """Return the id and the task of a file of Backlog.md.

    :raises Refused: `BAD_VALUE`, or as `yaml_codec.parse`, if it cannot be read.
    """
    if file.is_symlink():  # it may lead out of the folder
        refuse("BAD_VALUE", "it is a link", "copy the file")
    parts = FRONT.match(_text(file))
    if parts is None:
        refuse("BAD_VALUE", "no front matter", "the front matter stands between lines of ---")
    head = yaml_codec.parse(parts[1].encode() + b"\n", file.name)
    return str(head.get("id") or file.stem), _of_backlog_md(dict(head), parts[2], folder)


def _list(value: Any) -> list[Any]:
    """Return a field that should be a list as one; what is no list becomes one of texts."""
    return value if isinstance(value, list) else [] if value in (None, "") else [str(value)]


def _texts(value: Any) -> list[str] | None:
    """Return the entries of a field as texts, None if there are none."""
    return [one if isinstance(one, str) else json.dumps(one, default=str) for one in _list(value)] or None


def _of_backlog_md(head: dict[str, Any], body: str, folder: str) -> dict[str, Any]:
    status = _word(head.pop("status", "to do"))
    assignee = head.pop("assignee", None)
    names = [one.lstrip("@") for one in _texts(assignee) or ()]
    head.pop("id", None)
    task = {
        "title": head.pop("title", None),
        "status": "cancelled" if folder.startswith("archive") else BACKLOG_MD.get(status, status),
        "priority": head.pop("priority", None),
        "tags": _texts(head.pop("labels", None)),
        "depends_on": _texts(head.pop("dependencies", None)),
        "created": head.pop("created_date", None),
        "assigned": names[0] if names else None,
        "description": MARKS.sub("", body).strip() or None,
    }
    also = {"assignees": ", ".join(names[1:])} if names[1:] else {}
    rest = {name: value for name, value in head.items() if value not in ([], "", None)}
    return {**{name: value for name, value in task.items() if value is not None}, **also, **rest}


def _beads(file: Path) -> Iterator[tuple[str, Any]]:
    for number, line in enumerate(_text(file).split("\n"), 1):
        if not line.strip():
            continue
        try:
            issue = json.loads(line)
        except (ValueError, RecursionError) as error:
            yield f"line {number}", f"not JSON: {error}"
            continue
        if not isinstance(issue, dict) or not isinstance(issue.get("id"), str):
            yield f"line {number}", "not an issue with an id"
        elif issue.get("status") == "tombstone":
            yield issue["id"], "it was deleted there"
        else:
            yield issue["id"], _of_beads(dict(issue))


def _of_beads(issue: dict[str, Any]) -> dict[str, Any]:
    issue.pop("id")
    status, priority = _word(issue.pop("status", "open")), issue.pop("priority", 2)
    labels, kind = _list(issue.pop("labels", None)), issue.pop("issue_type", None)
    links = [one for one in _list(issue.pop("dependencies", None)) if isinstance(one, Mapping)]
    blocks = [one.get("depends_on_id") for one in links if one.get("type") == "blocks"]
    others = ", ".join(f"{one.get('type')} {one.get('depends_on_id')}" for one in links if one.get("type") != "blocks")
    task = {
        "title": issue.pop("title", None),
        "status": BEADS.get(status, status),
        "priority": BEADS_PRIORITIES.get(priority, priority) if isinstance(priority, int) else priority,
        "tags": _texts([*labels, *([kind] if kind and kind != "task" else [])]),
        "depends_on": _texts(blocks),
        "created": issue.pop("created_at", None),
        "assigned": issue.pop("assignee", None),
        "description": _words(issue) or None,
    }
    rest = {name: issue[name] for name in issue if issue[name] not in ([], {}, "", None, 0, False)}
    also = {f"links ({others})": others} if others else {}
    return {**{name: value for name, value in task.items() if value is not None}, **also, **rest}


def _words(issue: dict[str, Any]) -> str:
    """Return all texts of an issue of beads as one, with its comments."""
    parts = []
    for name in BEADS_TEXTS:
        text = issue.pop(name, None)
        if text:
            heading = "" if name == "description" else f"## {name.replace('_', ' ').capitalize()}\n\n"
            parts.append(f"{heading}{text}")
    for one in _list(issue.pop("comments", None)):
        if isinstance(one, Mapping):
            parts.append(f"## Comment by {one.get('author')}, {one.get('created_at')}\n\n{one.get('text')}")
    return "\n\n".join(parts)


def _word(value: object) -> str:
    return re.sub(r"[ _]+", "-", str(value or "").strip().lower())
