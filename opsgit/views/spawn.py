"""What to tell an agent that is spawned for a task, in the form that its harness takes."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from opsgit.views import quotation, terminal

Told = Mapping[str, Any]


def prompt(told: Told) -> str:
    """Return the orders as text; it ends with the exact commands.

    :param told: the fields of `operations.spawn.Spawn`.
    """
    return "\n".join(_prompt(told))


def _prompt(told: Told) -> Iterator[str]:
    yield f"You are {told['name']}, role {told['role']}. Your order: {told['act']} task {told['task']}, no other task."
    yield "The task as its author wrote it follows. " + quotation.INTRODUCTION
    yield from quotation.block(_task(told))
    yield "Each of your steps is a commit signed with your own key. Sign as nobody else."
    yield "If a command is refused, read its code and its hint; do not repeat it unchanged."
    if told["commits"]:
        yield f"Work in {told['workplace']}, a work tree of the code, and commit there: that commit is submitted."
    elif told["workplace"]:
        yield f"Build in {told['workplace']}: this folder is submitted, with all that is in it."
    yield "Run these commands, in this sequence:"
    yield ""
    yield f"cd {shlex.quote(told['folder'])}"
    *first, last = told["commands"]
    yield from first
    if told["workplace"]:
        yield "# now do the work, and then:"
    yield last
    if told["either"]:
        yield "# then exactly one of these, with your own words:"
        yield from told["either"]


def _task(told: Told) -> Iterator[str]:
    yield f"project: {told['project']}"
    yield f"title: {told['title']}"
    yield from terminal.quoted(told["description"]) if told["description"] else ()


def _slug(told: Told) -> str:
    return re.sub("[^a-z0-9]+", "-", f"{told['name']}-{told['task']}".lower()).strip("-")[:63]


def _label(told: Told) -> str:
    """Return a label without words by others: a harness may show it to a language model."""
    return f"{told['name']}: {told['act']} {told['task']}"


def openclaw(told: Told, timeout: int) -> str:
    """Return the call of `sessions_spawn` as JSON.

    :param timeout: seconds after which the run is ended.
    """
    arguments = {
        "task": prompt(told),
        "taskName": _slug(told),
        "label": _label(told),
        "cwd": told["folder"],
        "completionTarget": "parent",
        "runTimeoutSeconds": timeout,
    }
    return _json({"tool": "sessions_spawn", "arguments": arguments})


def claude(told: Told, timeout: int) -> str:
    """Return the call of Claude Code's tool `Agent` as JSON. It has no time limit."""
    arguments = {"subagent_type": f"opsgit:{told['name']}", "description": _label(told), "prompt": prompt(told)}
    return _json({"tool": "Agent", "arguments": arguments})


def codex(told: Told, timeout: int) -> str:
    """Return the command line that starts Codex in the clone. `timeout` is the one of coreutils."""
    return shlex.join(["timeout", str(timeout), "codex", "exec", "--cd", told["folder"], prompt(told)])


def _json(call: Mapping[str, Any]) -> str:
    return json.dumps(call, ensure_ascii=False, indent=2)


FORMATS: dict[str, Callable[[Told, int], str]] = {"openclaw": openclaw, "claude": claude, "codex": codex}
