"""Output: data on stdout, messages on stderr, and one form for all refusals."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from opsgit.domain.refusals import Refusal
from opsgit.views import terminal


def data(kind: str, **payload: Any) -> None:
    """Print one JSON document on stdout.

    :param kind: the document's `kind`, which names its schema.
    """
    click.echo(json.dumps({"schema_version": 1, "kind": kind, **payload}, ensure_ascii=False, indent=2))


def line(text: str) -> None:
    """Print one line of data on stdout, without characters that control a terminal."""
    click.echo(terminal.safe(text))


def say(text: str) -> None:
    """Print a message on stderr."""
    click.echo(f"opsgit: {terminal.safe(text)}", err=True)


def refusal(refusals: Sequence[Refusal], as_json: bool) -> int:
    """Print refusals on stderr and return the exit code, which the first refusal determines."""
    first = refusals[0]
    if as_json:
        fields = {"code": first.code, "exit": first.exit, "message": first.message, "hint": first.hint}
        error: dict[str, Any] = {**fields, "retryable": first.retryable}
        if len(refusals) > 1:
            error["faults"] = [{"code": r.code, "message": r.message, "where": r.where} for r in refusals]
        click.echo(json.dumps({"schema_version": 1, "kind": "error", "error": error}, ensure_ascii=False), err=True)
        return first.exit
    for one in refusals:
        click.echo(f"opsgit: {one.code}: {terminal.safe(one.message)}", err=True)
    if first.hint:
        click.echo(f"  try: {terminal.safe(first.hint)}", err=True)
    return first.exit


def bug(error: Exception, as_json: bool) -> int:
    """Report an unexpected exception as a bug, and return exit code 1; OPSGIT_DEBUG=1 also shows the trace."""
    if os.environ.get("OPSGIT_DEBUG"):
        import traceback

        traceback.print_exc(file=sys.stderr)
    message = f"{type(error).__name__}: {error}"
    return refusal([Refusal("INTERNAL", message, "OPSGIT_DEBUG=1 shows where; please report it")], as_json)
