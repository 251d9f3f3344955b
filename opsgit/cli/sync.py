"""The command `opsgit sync`."""

from __future__ import annotations

from collections import Counter

import click

from opsgit.cli import output
from opsgit.cli.options import common
from opsgit.cli.status import tell
from opsgit.operations.session import Session
from opsgit.views import terminal


@click.command("sync", epilog="\b\nExample:\n  opsgit sync\n  opsgit sync --log")
@click.option("--log", "log", is_flag=True, help="Show what earlier syncs decided anew, and what they dropped and why.")
@click.option("--undo", is_flag=True, help="Put the operations of the last sync back: the next sync tries them again.")
@common
def command(session: Session, as_json: bool, log: bool, undo: bool) -> int:
    """Fetch, and publish the operations that were made here with --offline.

    Each is decided again on what the others have published, in the old order, and signed anew; its time stays in the
    note. What no longer fits is dropped and said; its commits stay under refs/opsgit/kept/. Exit 0: all is published.
    Exit 7: something was dropped or waits for you. Exit 9: the remote could not be reached, and nothing was changed.
    """
    from opsgit.operations import replay, status, sync

    if log and undo:
        raise click.UsageError("--log or --undo, not both", click.get_current_context())
    if log:
        _show_log(sync.log(session), as_json)
        return 0
    if undo:
        sync.undo(session)
        tell(status.status(session), as_json)
        return 0
    fates = sync.sync(session)
    if as_json:
        output.data("sync", operations=[one._asdict() for one in fates], notices=session.notices)
    else:
        _show([one._asdict() for one in fates])
        counts = Counter(one.fate for one in fates)
        said = ", ".join(f"{number} {fate}" for fate, number in counts.items())
        output.say(said or "nothing to publish; main here is what the remote has")
    return 7 if any(one.fate in replay.BAD for one in fates) else 0


def _show(operations: list[dict[str, str]]) -> None:
    rows = [
        (one["fate"], one["subject"], one["by"], (one["commit"] or one["was"])[:10], one["why"]) for one in operations
    ]
    for line in terminal.table(("FATE", "OPERATION", "BY", "COMMIT", "WHY"), rows) if rows else ():
        output.line(line)


def _show_log(syncs: list[dict[str, object]], as_json: bool) -> None:
    if as_json:
        output.data("syncs", syncs=syncs)
        return
    for one in syncs:
        output.line(f"{one['at']}  refs/opsgit/kept/{one['at']}/main")
        _show(one["operations"])  # type: ignore[arg-type]
