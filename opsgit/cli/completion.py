"""What the shell offers when Tab is pressed: ids, names and statuses.

They are read from the index as it is; nothing is judged or fetched. For a command that is an operation on a task, the
rule book's record says from which statuses the operation goes, and only tasks with these are offered.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from opsgit.domain.refusals import Refused
from opsgit.domain.vocabulary import ENDED, STATUSES
from opsgit.storage import repository
from opsgit.storage.disk import Damaged

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

OPEN = tuple(one for one in STATUSES if one not in ENDED)
MOST = 200  # more would not be read
KINDS = ("agent", "quota", "metric", "alert")  # groups of commands that are about such a thing


def ids(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer what a command is about: tasks, or for the groups of agents, quotas, metrics and alerts their names."""
    words = ctx.command_path.split()[1:]
    kind = words[0] if words and words[0] in KINDS else "task"
    return _offered(ctx, kind, incomplete, _sources(".".join(words)) if kind == "task" else ())


def tasks(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer the tasks that have not ended."""
    return _offered(ctx, "task", incomplete, OPEN)


def agents(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer the names of the active agents."""
    return _offered(ctx, "agent", incomplete, ("active",))


def paths(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Let the shell offer files and folders."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(incomplete, type="file")]


def statuses(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer the statuses of tasks."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(one) for one in STATUSES if one.startswith(incomplete.lower())]


def _sources(op: str) -> tuple[str, ...]:
    """Return the statuses from which an operation goes; empty for a command that is none."""
    from opsgit.domain.rules import VERSIONS

    found = VERSIONS[max(VERSIONS)].operations.get(op)
    return found.sources if found else ()


def _offered(ctx: click.Context, kind: str, incomplete: str, among: tuple[str, ...]) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    folded = incomplete.lower().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    where, values = "kind = ? AND lower(name) LIKE ? ESCAPE '\\'", (kind, f"{folded}%", *among)
    if among:
        where += f" AND status IN ({', '.join('?' for _ in among)})"
    with contextlib.suppress(Refused, Damaged, OSError):  # where there is no repository, there is nothing to offer
        found = repository.find(_directory(ctx))
        try:
            records = found.index.select(where, values, "priority, name", MOST)
        finally:
            found.close()
        return [CompletionItem(one.get("id") or one["name"], help=_help(one)) for one in records]
    return []


def _directory(ctx: click.Context) -> Path | None:
    named = ctx.params.get("directory") or ctx.find_root().params.get("directory")
    return Path(os.path.expanduser(named)) if named else None


def _help(record: object) -> str:
    assert isinstance(record, dict)
    return " ".join(str(record.get("title") or record.get("role") or record.get("message") or "").split())[:60]
