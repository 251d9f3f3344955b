"""The commands of `opsgit quota`."""

from __future__ import annotations

import re
from typing import Any

import click

from opsgit.cli import completion, output
from opsgit.cli.options import MANY, common, listed, subject, writing, wrote
from opsgit.domain.vocabulary import PERIODS
from opsgit.operations import quotas
from opsgit.operations.session import Session
from opsgit.views import terminal

EXHAUSTED = 8


@click.group("quota", epilog="\b\nExample:\n  opsgit quota set --name publish_daily --limit 100 --period daily")
def command() -> None:
    """Quotas: limits on use in windows of time (UTC)."""


@command.command("set", epilog="\b\nExample:\n  opsgit quota set --name publish_daily --limit 100 --period daily")
@subject("name", "--name")
@click.option("--limit", type=int, required=True, help="How much may be used in one window.")
@click.option(
    "--period",
    type=click.Choice(PERIODS, case_sensitive=False),
    help="Its window (a new quota needs one, unless its name says it: publish_daily).",
)
@click.option("--agent", "agents", multiple=True, help="Who may use it (may be given again; '' for everybody).")
@writing
@common
def set_(session: Session, as_json: bool, name: str, agents: tuple[str, ...], **fields: Any) -> None:
    """Make a quota or change it.

    What is not named stays as it is. What was used in the running window stays used, also if the period changes.
    """
    wrote(session, quotas.set_quota(session, name, agents=listed(agents), **fields), as_json)


@command.command("use", epilog="\b\nExample:\n  opsgit quota use publish_daily 2")
@click.argument("words", nargs=-1, metavar="[NAME] [AMOUNT]", shell_complete=completion.ids)
@click.option("--name", "named", metavar="NAME", help="The quota (or give it bare).")
@click.option("--amount", type=int, metavar="N", help="How much (or give it bare; default 1).")
@writing
@common
def use(session: Session, as_json: bool, words: tuple[str, ...], named: str | None, amount: int | None) -> None:
    """Use an amount of a quota.

    If not enough is left, the command is refused with exit 8 and nothing is used.
    """
    rest = [*([named] if named else []), *words, *([str(amount)] if amount is not None else [])]
    if len(rest) not in (1, 2) or not all(re.fullmatch("-?[0-9]{1,20}", word) for word in rest[1:]):
        raise click.UsageError("give a quota and, if it is not 1, an amount", click.get_current_context())
    wrote(session, quotas.use(session, rest[0], int(rest[1]) if len(rest) == 2 else 1), as_json)


@command.command("check", epilog="\b\nExample:\n  opsgit quota check publish_daily && ./publish")
@click.argument("bare", required=False, metavar="[NAME]", shell_complete=completion.ids)
@click.option("--name", "named", metavar="NAME", help="The quota (or give it bare); none: all of them.")
@common
def check(session: Session, as_json: bool, bare: str | None, named: str | None) -> int:
    """Show what is left of a quota, or of every quota. Exit 8: one has nothing left."""
    name = bare or named
    if name is None:
        found = quotas.every_quota(session)
        _tell_all(found, len(found), as_json)
        return EXHAUSTED if any(told["exhausted"] for told in found) else 0
    told = quotas.check(session, name)
    _tell(told, as_json)
    return EXHAUSTED if told["exhausted"] else 0


@command.command("show", epilog="\b\nExample:\n  opsgit quota show publish_daily")
@subject("name", "--name")
@common
def show(session: Session, as_json: bool, name: str) -> None:
    """Show one quota as it counts now."""
    _tell(quotas.check(session, name), as_json)


def _tell(told: dict[str, Any], as_json: bool) -> None:
    if as_json:
        output.data("quota", quota=told)
        return
    until = f", resets at {told['reset_at']}" if told.get("reset_at") else ""
    left = "EXHAUSTED" if told["exhausted"] else f"{told['left']} left"
    output.line(f"{told['name']}: {told['used']} of {told['limit']} used, {left}{until}")


@command.command("list", epilog="\b\nExample:\n  opsgit quota list")
@click.option("--limit", type=MANY, default=200, show_default=True, help="At most so many.")
@common
def list_(session: Session, as_json: bool, limit: int) -> None:
    """List all quotas as they count now."""
    _tell_all(quotas.every_quota(session), limit, as_json)


def _tell_all(found: list[dict[str, Any]], limit: int, as_json: bool) -> None:
    more = max(0, len(found) - limit)
    if as_json:
        output.data("quotas", quotas=found[:limit], more=more)
        return
    rows = [
        (
            q["name"],
            str(q["used"]),
            str(q["limit"]),
            "EXHAUSTED" if q["exhausted"] else str(q["left"]),
            q["period"],
            q.get("reset_at", "-"),
        )
        for q in found
    ]
    for line in terminal.table(("NAME", "USED", "LIMIT", "LEFT", "PERIOD", "RESETS"), rows[:limit]):
        output.line(line)
    if more:
        output.say(f"{more} more: --limit {len(found)}")
