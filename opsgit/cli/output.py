"""Output: data on stdout, messages on stderr, and one form for all refusals."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import click

from opsgit.domain.refusals import Refusal, refuse
from opsgit.views import terminal

DONE = "what the command did is done; opsgit history shows what was written"
FOUND = 10  # the exit code of a check that found something
BAR_LEAST = 100  # objects: what is less is over before a bar could be read


def data(kind: str, **payload: Any) -> None:
    """Print one JSON document on stdout.

    :param kind: the document's `kind`, which names its schema.
    """
    _print(_json({"kind": kind, **payload}, indent=2))


def prepare() -> None:
    """Let stdout and stderr escape what their encoding cannot write, such as an arrow in Latin-1."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def finish() -> None:
    """Write what stdout still holds.

    :raises Refused: `OUTPUT` if that is not possible, but for a reader that has gone.
    """
    try:
        if sys.stdout:  # there is none if the caller has closed it
            sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # flushing again at exit must not fail
        refuse("OUTPUT", f"what was to be printed could not be written: {error.strerror}", DONE)


def flush() -> None:
    """Write what stdout and stderr still hold, as far as that is possible: the exit code is decided already."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, AttributeError):  # it is None if the caller has closed it
            stream.flush()


def _json(payload: dict[str, Any], indent: int | None = None) -> str:
    """Return a JSON document. A name in a repository may not be UTF-8: what cannot be written is escaped."""
    plain = "utf" not in (getattr(sys.stdout, "encoding", None) or "utf-8").lower()
    text = json.dumps({"schema_version": 1, **payload}, ensure_ascii=plain, indent=indent)
    return text.encode("utf-8", "backslashreplace").decode()


def line(text: str) -> None:
    """Print one line of data on stdout, without characters that control a terminal; further lines are marked."""
    _print(terminal.marked(text))


def document(text: str) -> None:
    """Print a text of several lines on stdout. The caller has made it safe."""
    _print(text)


def colour() -> bool:
    """Return whether stdout is a terminal that shows colours."""
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ


def paged(lines: Iterable[str]) -> None:
    """Print lines of data on stdout, through the pager if it is a terminal. The caller has made the lines safe."""
    if sys.stdout.isatty():
        click.echo_via_pager(f"{one}\n" for one in lines)
        return
    for one in lines:
        _print(one)


def _print(text: str) -> None:
    """Print on stdout.

    :raises Refused: `OUTPUT` if that is not possible, but for a reader that has gone.
    """
    try:
        click.echo(text)
    except BrokenPipeError:
        raise
    except OSError as error:
        refuse("OUTPUT", f"what was to be printed could not be written: {error.strerror}", DONE)


def say(text: str) -> None:
    """Print a message on stderr."""
    _warn(f"opsgit: {terminal.marked(text)}")


def _warn(text: str) -> None:
    with contextlib.suppress(OSError):  # where else could it be said?
        click.echo(text, err=True)


def progress() -> Callable[[str, int, int], None] | None:
    """Return a function that shows progress as a bar with the rate on stderr; None if that is no terminal."""
    if not sys.stderr.isatty():
        return None
    bars: dict[str, Any] = {}

    def show(what: str, done: int, length: int) -> None:
        if length < BAR_LEAST:
            return
        if what not in bars:
            bars[what] = click.progressbar(
                length=length, label=f"opsgit: {what}", file=sys.stderr, item_show_func=lambda rate: rate
            )
        bar = bars[what]
        passed = time.time() - bar.start
        bar.update(max(0, done - bar.pos), f"{done / passed:.0f} a second" if passed > 1 else None)
        if done >= length:
            bar.render_finish()
            del bars[what]

    return show


def refusal(refusals: Sequence[Refusal], as_json: bool) -> int:
    """Print refusals on stderr and return the exit code, which the first refusal determines."""
    first = refusals[0]
    if as_json:
        fields = {"code": first.code, "exit": first.exit, "message": first.message, "hint": first.hint}
        error: dict[str, Any] = {**fields, "retryable": first.retryable}
        if len(refusals) > 1:
            error["faults"] = [{"code": r.code, "message": r.message, "where": r.where} for r in refusals]
        _warn(_json({"kind": "error", "error": error}))
        return first.exit
    for one in refusals:
        _warn(f"opsgit: {one.code}: {terminal.marked(one.message)}")
    if first.hint:
        _warn(f"  try: {terminal.marked(first.hint)}")
    return first.exit


def bug(error: Exception, as_json: bool) -> int:
    """Report an unexpected exception as a bug, and return exit code 1; OPSGIT_DEBUG=1 also shows the trace."""
    if os.environ.get("OPSGIT_DEBUG"):
        import traceback

        traceback.print_exc(file=sys.stderr)
    message = f"{type(error).__name__}: {error}"
    return refusal([Refusal("INTERNAL", message, "OPSGIT_DEBUG=1 shows where; please report it")], as_json)
