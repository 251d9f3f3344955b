"""The options by which `monitor` and `inbox` tell others: `--webhook`, `--exec` and `--every`."""

from __future__ import annotations

import functools
import os
import shlex
import time
from collections.abc import Callable, Sequence
from typing import Any

import click

from opsgit.cli import output
from opsgit.cli.options import Command
from opsgit.cli.watch import until_signal
from opsgit.domain.refusals import Refused
from opsgit.operations.session import Session

EVERY_MAX = 28 * 86400  # seconds


def notifying(function: Command) -> Command:
    """Add `--webhook`, `--exec` and `--every` to a command, which receives `receivers` and is run again and again.

    It stands below `common` and above `fetching`. With --every the command ends by a signal only, with exit 0.
    """
    function = click.option(
        "--every", metavar="DURATION", help="Do it again each time after so long, such as 5m, until a signal."
    )(function)
    function = click.option("--exec", "program", metavar="CMD", help="Run it for each event, given as JSON on stdin.")(
        function
    )
    function = click.option(
        "--webhook", metavar="URL", help="Post each event as JSON; OPSGIT_WEBHOOK_SECRET signs it (HMAC-SHA256)."
    )(function)

    @functools.wraps(function)
    def wrapped(
        session: Session, *args: Any, webhook: str | None, program: str | None, every: str | None, **words: Any
    ) -> Any:
        words["receivers"] = _receivers(webhook, program)
        if every is None:
            return function(session, *args, **words)
        seconds = _seconds(every)
        with until_signal():
            while True:
                _round(session, lambda: function(session, *args, **words))
                time.sleep(seconds)
        return 0

    return wrapped  # type: ignore[return-value]


def _seconds(every: str) -> int:
    from opsgit.domain import times

    seconds = times.duration(every)
    if not 1 <= seconds <= EVERY_MAX:
        raise click.BadParameter("is from 1s to 4w", param_hint="--every")
    return seconds


def _round(session: Session, work: Callable[[], Any]) -> None:
    """Do something that is done again and again. What may succeed the next time does not end it."""
    try:
        work()
    except Refused as refused:
        if refused.refusal.exit != 9:
            raise
        session.notices.append(f"{refused.refusal.code}: {refused.refusal.message}")
    for notice in session.notices:
        output.say(notice)
    session.notices.clear()
    session.updated = False
    output.finish()


def _receivers(webhook: str | None, program: str | None) -> list[Any]:
    if not webhook and not program:
        return []
    from opsgit.operations import notify

    found: list[Any] = []
    if webhook:
        from opsgit.storage import webhook as hook

        found.append(notify.Webhook(hook.check(webhook), os.environ.get("OPSGIT_WEBHOOK_SECRET", "")))
    if program:
        words = _split(program)
        found.append(notify.Program(words))
    return found


def _split(program: str) -> tuple[str, ...]:
    try:
        words = tuple(shlex.split(program))
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--exec") from error
    if not words:
        raise click.BadParameter("names no program", param_hint="--exec")
    return words


def tell(
    session: Session,
    receivers: Sequence[Any],
    kind: str,
    found: Any,
    mine: Callable[[str], bool] = lambda _: True,
    whose: Sequence[str] = (),
) -> int:
    """Tell receivers what is new; return 0, or 9 if something could not be delivered, which is said on stderr.

    :param kind: `monitor` or `inbox`.
    :param found: what there is now, by key.
    :param mine: returns whether a key is of a kind that was looked for.
    :param whose: the agents whose inbox it is.
    """
    if not receivers or session.dry_run:
        return 0
    from opsgit.domain import times
    from opsgit.operations import notify

    faults = notify.deliver(session, receivers, kind, whose, found, mine, times.text(int(session.clock())))
    for fault in faults:
        output.say(f"{fault.code}: {fault.message}")
    return faults[0].exit if faults else 0
