"""The options that commands share, and the session that is made from them."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from opsgit.cli import completion, output
from opsgit.domain.names import MAIN, REMOTE_MAIN
from opsgit.domain.refusals import Refused, refuse
from opsgit.domain.text import tidy
from opsgit.domain.vocabulary import STATUSES
from opsgit.operations.session import Session
from opsgit.storage import repository

if TYPE_CHECKING:
    from opsgit.operations.transactions import Written


def _as_pin(ctx: click.Context, param: click.Parameter, given: str | None) -> str | None:
    """Return the id of a genesis, or its first digits (a click callback); too few would fit another ledger as well."""
    if given is not None and (len(given) < PIN_LEAST or given.strip("0123456789abcdef")):
        raise click.BadParameter(f"takes at least {PIN_LEAST} hexadecimal digits, not {given!r}", ctx, param)
    return given


PIN_LEAST = 7
WRITES_WITH = ("raise_", "claim")  # the flags without which monitor and task next only read
PIN = click.option(
    "--pin",
    metavar="ID",
    callback=_as_pin,
    help=f"The genesis commit that you trust, at least {PIN_LEAST} digits of it.",
)
MANY = click.IntRange(1, 1_000_000)  # how many rows a list shows


def as_status(ctx: click.Context, param: click.Parameter, given: Any) -> Any:
    """Return the status that an option names, in any case and with `-`, `_` or a space between its words.

    It is a click callback. An option that may be given again gives a tuple.

    :raises click.BadParameter: if there is no such status.
    """
    if isinstance(given, tuple):
        return tuple(as_status(ctx, param, word) for word in given)
    found = given.strip().lower().replace("_", "-").replace(" ", "-") if given is not None else None
    if found is not None and found not in STATUSES:
        raise click.BadParameter(f"{given!r} is no status; there are {', '.join(STATUSES)}", ctx, param)
    return found


Command = TypeVar("Command", bound=Callable[..., Any])


def common(function: Command) -> Command:
    """Add `-C`, `--as` and `--json` to a command; the command receives a `Session` and `as_json`."""

    @click.option("-C", "directory", metavar="DIR", help="The state repository.", shell_complete=completion.paths)
    @click.option("--as", "as_agent", metavar="AGENT", help="Act as this agent.", shell_complete=completion.agents)
    @click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
    @functools.wraps(function)
    def wrapped(directory: str | None, as_agent: str | None, as_json: bool, **words: Any) -> Any:
        where = directory or click.get_current_context().find_root().obj
        session = open_session(where, as_agent, words.pop("approved_by", None))
        session.note = tidy(words.pop("note", None) or "")
        for said in (session.note, words.get("text"), words.get("message")):
            if isinstance(said, str) and said and not said.strip(" .…"):
                refuse("BAD_TEXT", f"{said!r} is a placeholder: write what is meant", "--help shows an example")
        writes = "dry_run" in words and all(words.get(flag, True) for flag in WRITES_WITH)
        session.dry_run, session.online = words.pop("dry_run", False), words.pop("online", None)
        session.op_id = _checked(words.pop("op_id", None))
        if not as_json:
            session.say, session.progress = output.say, output.progress()
        try:
            _up_to_date(session, writes)
            result = function(session, as_json, **words)
            if not writes:
                _say_apart(session)
            return result
        except Refused as refused:
            raise _as_of_here(session, refused) from refused
        finally:
            session.repository.close()
            if not as_json:
                for notice in session.notices:
                    output.say(notice)

    return wrapped  # type: ignore[return-value]


def writing(function: Command) -> Command:
    """Add `--note` (also `--notes` and `--reason`), `--dry-run`, `--offline` and `--op-id` to a command that writes."""
    function = click.option("--op-id", metavar="ID", help="The same command with the same id is done once.")(function)
    function = click.option(
        "--online/--offline", "online", default=None,
        help="Publish it at once (the default), or keep it here until opsgit sync.",
    )(function)  # fmt: skip
    function = click.option(
        "--note", "--notes", "--reason", "note", metavar="TEXT", help="Words for the commit's message."
    )(function)
    return click.option("--dry-run", is_flag=True, help="Decide and say what would happen; write nothing.")(function)


def fetching(function: Command) -> Command:
    """Bring the clone up to its remote before a command that reads. If that is not possible, it reads what is here."""

    @functools.wraps(function)
    def wrapped(session: Session, *args: Any, **words: Any) -> Any:
        try:
            if session.url:
                from opsgit.operations import update

                update.update(session)
        except Refused as refused:
            if refused.refusal.exit != 9:
                raise
            session.notices.append(f"as last fetched: {refused.refusal.message}")
        return function(session, *args, **words)

    return wrapped  # type: ignore[return-value]


def looking_back(function: Command) -> Command:
    """Add `--at` to a command that reads; it stands below `common`."""

    @click.option(
        "--at", metavar="REV|TIME", help="As it was: at a commit, 7d ago, 2026-01-31 or 2026-01-31T12:00:00Z."
    )
    @functools.wraps(function)
    def wrapped(session: Session, *args: Any, at: str | None, **words: Any) -> Any:
        if at:
            from opsgit.operations import past

            past.go(session, at)
        return function(session, *args, **words)

    return wrapped  # type: ignore[return-value]


def silent_outside(function: Command) -> Command:
    """Let a command end in silence, with exit 0, where there is no state repository; it stands above `common`."""

    @functools.wraps(function)
    def wrapped(*args: Any, **words: Any) -> Any:
        try:
            return function(*args, **words)
        except Refused as refused:
            if refused.refusal.code not in ("NO_REPOSITORY", "NOT_A_STATE_REPOSITORY"):
                raise
            return None

    return wrapped  # type: ignore[return-value]


def delivers(function: Command) -> Command:
    """Add the options of a deliverable to a command, which receives it as `given`."""

    @click.option(
        "--output", metavar="PATH", help="The deliverable: a file or folder, or 'commit: ID'.",
        shell_complete=completion.paths,
    )  # fmt: skip
    @click.option("--repository", metavar="PATH", help="The repository of a commit.", shell_complete=completion.paths)
    @click.option(
        "--attach/--no-attach", "attach", default=None,
        help="Store its files for the others, or only its digest (default: the policy).",
    )  # fmt: skip
    @functools.wraps(function)
    def wrapped(*args: Any, output: str | None, repository: str | None, attach: bool | None, **words: Any) -> Any:
        from opsgit.operations.deliverables import Given

        return function(*args, given=Given(output, repository, attach), **words)

    return wrapped  # type: ignore[return-value]


def _up_to_date(session: Session, writes: bool) -> None:
    """Bring the clone up to its remote before a command that writes.

    What follows the ledger is brought up to it before every command: `git pull` may have moved main. Most commands find
    nothing to do, and import nothing for it.
    """
    repository = session.repository
    if writes:
        repository.git.start()
    mark, tip = repository.refreshed, repository.git.ref(MAIN)
    if tip and not (mark.exists() and mark.read_text(errors="replace").strip() == tip):
        from opsgit.operations import refresh

        refresh.catch_up(session)
    if not writes and repository.joining.exists():
        from opsgit.operations import clone

        clone.arrive(session)
    if writes:
        from opsgit.operations import update

        update.update(session)


def _say_apart(session: Session) -> None:
    """Say after a command that only reads how far the clone and its remote are apart, as last fetched."""
    git = session.repository.git
    far = git.ref(REMOTE_MAIN)
    if far and far != git.ref(MAIN):
        from opsgit.operations import status

        session.notices.append(status.apart(session))


def _as_of_here(session: Session, refused: Refused) -> Refused:
    """Return a refusal whose hint works in this clone: in an agent's own clone nobody acts as somebody else."""
    own, first = session.repository.agent(), refused.refusal
    other = re.search(r" --as ([a-z][a-z0-9_-]*)", first.hint)
    if not own or not other or other[1] == own:
        return refused
    hint = f"ask {other[1]}: {first.hint.replace(other[0], '', 1)}"
    return Refused(replace(first, hint=hint), *refused.refusals[1:])


def _checked(op_id: str | None) -> str:
    if op_id is None:
        return ""
    from opsgit.operations import repeat

    return repeat.check(op_id)


def listed(given: Sequence[str]) -> tuple[str, ...] | None:
    """Split the values of an option that may be given again at their commas; return None if it was not given.

    :param given: the values, such as `("a,b", "c")`.
    """
    split = tuple(part.strip() for one in given for part in one.split(",") if part.strip())
    return split if given else None


def open_session(directory: str | None, as_agent: str | None, approved_by: str | None = None) -> Session:
    """Return the session for a folder, with the names that were given for the actor.

    :param directory: the folder, None for the search by `repository.find`.
    :param as_agent: the value of `--as`.
    :param approved_by: the value of `--approved-by`.
    :raises Refused: `NO_REPOSITORY` or `NOT_A_STATE_REPOSITORY`.
    """
    found = repository.find(Path(directory) if directory else None)
    given = (
        ("--as", as_agent),
        ("--approved-by", approved_by),
        ("OPSGIT_AGENT", os.environ.get("OPSGIT_AGENT")),
        ("opsgit.agent", found.agent()),
    )
    return Session(found, tuple((source, name) for source, name in given if name))


def subject(noun: str, option: str = "--id") -> Callable[[Command], Command]:
    """Add an id or name to a command, given as an argument or as an option; the command receives it as `name`.

    :param noun: what it is called in the help: `id`, `name` or `commit`.
    :param option: the option.
    """

    def decorate(function: Command) -> Command:
        @click.argument("bare", required=False, metavar=noun.upper(), shell_complete=completion.ids)
        @click.option(
            option, "named", metavar=noun.upper(), help=f"The {noun} (or give it bare).", shell_complete=completion.ids
        )
        @functools.wraps(function)
        def wrapped(*args: Any, bare: str | None, named: str | None, **words: Any) -> Any:
            if (bare is None) == (named is None):
                raise click.UsageError(
                    f"give one {noun}, bare or as {option} {noun.upper()}", click.get_current_context()
                )
            return function(*args, name=named if bare is None else bare, **words)

        return wrapped  # type: ignore[return-value]

    return decorate


def wrote(session: Session, written: list[Written], as_json: bool) -> None:
    """Print what an operation did, or would do in a dry run."""
    if as_json:
        told = operations(written, session.dry_run)
        output.data("operation", dry_run=session.dry_run, operations=told, notices=session.notices)
        return
    for one in written:
        mark = "(dry run)" if session.dry_run else one.id[:10]
        output.line(f"{one.change.subject}{_thread(one)}  by {one.change.request.actor}  {mark}")


def operations(written: list[Written], dry_run: bool) -> list[dict[str, Any]]:
    """Return what operations did, or would do in a dry run, as JSON shows it."""
    return [_as_json(one, dry_run) for one in written]


def _thread(one: Written) -> str:
    """Return which thread of a review an operation is about; empty for other operations."""
    request = one.change.request
    if request.op == "review.resolve":
        return f" {request.get('thread')}"
    if request.op != "review.comment":
        return ""
    last = (one.change.edits[0].record or {})["review"]["comments"][-1]
    return f" in thread {last['answers']}" if "answers" in last else f", thread {last['id']}"


def _as_json(one: Written, dry_run: bool) -> dict[str, Any]:
    change = one.change
    return {
        "op": change.request.op,
        "target": change.request.target,
        "by": change.request.actor,
        "at": change.at,
        "subject": change.subject,
        "commit": None if dry_run else one.id,
        "before": change.before,
        "after": change.after,
        "on": change.on,
        "files": [edit.path for edit in change.edits],
    }
