"""Forges: open a review as the pull or merge request of a forge."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import urlsplit

from opsgit.domain import names, vocabulary
from opsgit.domain.model import Run, Task
from opsgit.domain.refusals import Refused, refuse
from opsgit.operations.session import Session
from opsgit.storage import runner
from opsgit.storage.remote import HEADS, NAME, tracked

# The part of a host's name that tells which forge it is; `git config opsgit.forge NAME` tells it for other hosts.
HOSTS = {"github": "github", "gitlab": "gitlab", "gitea": "gitea", "forgejo": "gitea", "codeberg": "gitea"}


class Opening(NamedTuple):
    """How a forge is asked to open a request: its name, the commands, and what they printed (None: not run)."""

    forge: str
    commands: list[list[str]]
    said: str | None


def open_request(session: Session, task_id: str, run: bool) -> Opening:
    """Return the commands that open a request for a review, and run them if that is asked for.

    :raises Refused: `ILLEGAL_TRANSITION` if the task is not in review; `UNSYNCED` if the branch is not published;
        `BAD_VALUE` if the forge is not known; `TOOL_FAILED` if a command fails.
    """
    task = session.look(task_id).task(task_id)
    if task.status != vocabulary.IN_REVIEW:
        refuse("ILLEGAL_TRANSITION", f"{task_id} is {task.status}, not in review", f"opsgit task show {task_id}")
    tip = session.repository.git.ref(tracked(names.review_ref(task_id)))
    if tip is None:
        refuse("UNSYNCED", f"review/{task_id} is not published", "opsgit sync")
    forge = kind(session)
    if forge is None:
        why = f"{session.url} is no forge that opsgit knows"
        refuse("BAD_VALUE", why, "git config opsgit.forge github|gitlab|gitea", "opsgit.forge")
    commands = COMMANDS[forge](task, tip, session.repository.lead)
    return Opening(forge, commands, _run_all(session, task_id, tip, commands) if run else None)


def _run_all(session: Session, task_id: str, tip: str, commands: list[list[str]]) -> str:
    """Run the commands; if one fails, the review branch is put back, which the one before may have taken away."""
    try:
        return "\n".join(_run(session, one) for one in commands).strip()
    except Refused:
        if len(commands) > 1:
            _run(session, ["git", "push", NAME, f"{tip}:{HEADS}{session.repository.lead}review/{task_id}"])
        raise


def kind(session: Session) -> str | None:
    """Return which forge the clone's remote is on: `github`, `gitlab` or `gitea`; None if that is not known."""
    set_here = session.repository.git.setting("opsgit.forge")
    if set_here:
        return set_here if set_here in COMMANDS else None
    url = session.url or ""
    host = urlsplit(url).hostname or (url.partition(":")[0].rpartition("@")[2] if "@" in url.partition(":")[0] else "")
    return next((forge for part, forge in HOSTS.items() if part in host.lower()), None)


def _title(task: Task) -> str:
    return f"{task.id}: {task.title}"


def _text(task: Task) -> str:
    said = task.review.request.text if task.review and task.review.request else ""
    words = " ".join(said.split())  # one line, so that the printed command can be pasted
    return f"{words} (Decide it with opsgit, not with a button here: opsgit review show {task.id})"


def _github(task: Task, _: str, lead: str) -> list[list[str]]:
    head = ["gh", "pr", "create", "--base", f"{lead}main", "--head", f"{lead}review/{task.id}"]
    return [[*head, "--title", _title(task), "--body", _text(task)]]


def _gitlab(task: Task, tip: str, lead: str) -> list[list[str]]:
    """Return a push that makes the branch anew: GitLab reads push options only when a branch changes."""
    options = ["merge_request.create", f"merge_request.target={lead}main", f"merge_request.title={_title(task)}"]
    again = ["git", "push", NAME, f":{HEADS}{lead}review/{task.id}"]
    return [again, _push(f"{tip}:{HEADS}{lead}review/{task.id}", options)]


def _gitea(task: Task, tip: str, lead: str) -> list[list[str]]:
    return [_push(f"{tip}:refs/for/{lead}main", [f"topic=review-{task.id}", f"title={_title(task)}"])]


def _push(spec: str, options: list[str]) -> list[str]:
    """Return a push with options."""
    given = [word for option in options for word in ("-o", " ".join(option.split()))]
    return ["git", "push", *given, NAME, spec]


Commands = Callable[[Task, str, str], list[list[str]]]
COMMANDS: dict[str, Commands] = {"github": _github, "gitlab": _gitlab, "gitea": _gitea}


def _run(session: Session, command: list[str]) -> str:
    where = session.repository.top or session.repository.folder
    ended = runner.run(Run(command=tuple(command), timeout=120), where, {})
    if ended.evidence != "exit 0":
        refuse("TOOL_FAILED", f"{command[0]} ended with {ended.evidence}: {ended.output.strip()[-300:]}",
               shlex.join(command))  # fmt: skip
    return ended.output.strip()
