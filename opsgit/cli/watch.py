"""`--watch`: show something again when the ledger changes; and commands that go on until a signal."""

from __future__ import annotations

import contextlib
import functools
import signal
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import click

from opsgit.cli import output
from opsgit.cli.options import Command
from opsgit.operations.session import Session

EVERY = 1.0  # seconds between two looks at the ledger
ANEW = 60.0  # seconds after which ages are shown anew
CLEAR = "\x1b[H\x1b[2J"


@contextlib.contextmanager
def until_signal() -> Iterator[None]:
    """End the block at SIGINT or SIGTERM, without an error."""
    old = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with contextlib.suppress(KeyboardInterrupt):
            yield
    finally:
        signal.signal(signal.SIGTERM, old)


def width() -> int:
    """Return the number of columns of the terminal, 100 if there is none."""
    import shutil  # only what draws on a terminal needs it

    return shutil.get_terminal_size((100, 40)).columns


def watching(function: Command) -> Command:
    """Add `--watch` to a command that shows text; it stands below `common`. A signal ends the command, with exit 0."""

    @click.option("--watch", is_flag=True, help="Show it again when the ledger changes, until Ctrl-C.")
    @functools.wraps(function)
    def wrapped(session: Session, as_json: bool, watch: bool, **words: Any) -> Any:
        if not watch:
            return function(session, as_json, **words)
        if as_json or session.at or words.get("form", "text") != "text":
            raise click.UsageError("--watch shows text, as it is now", click.get_current_context())
        with until_signal():
            _watch(session, lambda: function(session, as_json, **words))
        return 0

    return wrapped  # type: ignore[return-value]


def _watch(session: Session, show: Callable[[], object]) -> None:
    """Show something now, and again when the ledger moves, the terminal is resized, or a minute has passed."""
    seen: tuple[Any, ...] = ()
    while True:
        now = (session.repository.tip(), width(), int(time.monotonic() / ANEW))
        if now != seen:
            if sys.stdout.isatty():
                click.echo(CLEAR, nl=False)
            show()
            output.finish()
            seen = now
        time.sleep(EVERY)
