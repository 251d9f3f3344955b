"""Output: data on stdout, messages on stderr, and one form for all refusals."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

import click

from opsgit.domain.refusals import Refusal
from opsgit.views import terminal

BAR_LEAST = 100  # objects: what is less is over before a bar could be read


def data(kind: str, **payload: Any) -> None:
    """Print one JSON document on stdout.

    :param kind: the document's `kind`, which names its schema.
    """
    click.echo(_json({"kind": kind, **payload}, indent=2))


def _json(payload: dict[str, Any], indent: int | None = None) -> str:
    """Return a JSON document. A name in a repository may not be UTF-8: what cannot be written is escaped."""
    text = json.dumps({"schema_version": 1, **payload}, ensure_ascii=False, indent=indent)
    return text.encode("utf-8", "backslashreplace").decode()


def line(text: str) -> None:
    """Print one line of data on stdout, without characters that control a terminal; further lines are marked."""
    click.echo(terminal.marked(text))


def say(text: str) -> None:
    """Print a message on stderr."""
    click.echo(f"opsgit: {terminal.marked(text)}", err=True)


def progress() -> Callable[[str, int, int], None] | None:
    """Return a function that shows the progress of git as a bar on stderr; None if that is no terminal."""
    if not sys.stderr.isatty():
        return None
    bars: dict[str, Any] = {}

    def show(what: str, done: int, length: int) -> None:
        if length < BAR_LEAST:
            return
        if what not in bars:
            bars[what] = click.progressbar(length=length, label=f"opsgit: {what}", file=sys.stderr)
        bar = bars[what]
        bar.update(max(0, done - bar.pos))
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
        click.echo(_json({"kind": "error", "error": error}), err=True)
        return first.exit
    for one in refusals:
        click.echo(f"opsgit: {one.code}: {terminal.marked(one.message)}", err=True)
    if first.hint:
        click.echo(f"  try: {terminal.marked(first.hint)}", err=True)
    return first.exit


def bug(error: Exception, as_json: bool) -> int:
    """Report an unexpected exception as a bug, and return exit code 1; OPSGIT_DEBUG=1 also shows the trace."""
    if os.environ.get("OPSGIT_DEBUG"):
        import traceback

        traceback.print_exc(file=sys.stderr)
    message = f"{type(error).__name__}: {error}"
    return refusal([Refusal("INTERNAL", message, "OPSGIT_DEBUG=1 shows where; please report it")], as_json)
