"""The command `opsgit monitor`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from opsgit.cli import output
from opsgit.cli.notifications import notifying, tell
from opsgit.cli.options import common, fetching, writing
from opsgit.operations import monitor
from opsgit.operations.session import Session
from opsgit.views import terminal


@click.command("monitor", epilog="\b\nExample:\n  opsgit monitor --check-stale --check-quota --alert-to alerts.log")
@click.option("--check-stale", "stale", is_flag=True, help="Tasks without an operation for longer than their limit.")
@click.option("--check-quota", "quota", is_flag=True, help="Quotas of which 80 % or more is used.")
@click.option("--check-deploys", "deploys", is_flag=True, help="Deployments that failed or did not end in time.")
@click.option("--check-idle", "idle", is_flag=True, help="Agents that hold a task and do nothing.")
@click.option("--check-reviews", "reviews", is_flag=True, help="Reviews that wait too long.")
@click.option("--alert-to", type=click.Path(path_type=Path, dir_okay=False), help="Append one JSON object a line.")
@click.option("--metrics", type=click.Path(path_type=Path, dir_okay=False), help="Write the state as OpenMetrics.")
@click.option(
    "--raise",
    "raise_",
    is_flag=True,
    help="Record the run, as the observer: alerts for what was found, resolved when it is over, and last_check.",
)
@writing
@common
@notifying
@fetching
def command(
    session: Session,
    as_json: bool,
    alert_to: Path | None,
    metrics: Path | None,
    raise_: bool,
    receivers: Sequence[Any],
    **checks: bool,
) -> int:
    """Find what is stuck or has failed. Exit 10: something was found.

    Without a --check option all checks are made. With --alert-to each problem is written to FILE once when it begins
    and once when it is over. --webhook and --exec send the same events. An event that cannot be delivered is sent again
    by the next run, and the run that failed exits with 9. --metrics writes tasks, waits, quotas, metrics, alerts and
    problems for a monitoring system, such as the textfile collector of Prometheus. Only --raise records the run in the
    ledger. The limits are in ops.yaml (opsgit help policy).
    """
    chosen = [name for name, wanted in checks.items() if wanted]
    found = monitor.monitor(session, chosen)
    if alert_to and not session.dry_run:
        monitor.tell(alert_to, found, chosen, int(session.clock()))
    if raise_:
        monitor.raise_all(session, found, chosen)
    if metrics and not session.dry_run:
        _write(session, metrics, found, chosen)
    if as_json:
        recorded = raise_ and not session.dry_run
        output.data("monitor", findings=[_told(trouble) for trouble in found], recorded=recorded)
    elif found:
        for line in terminal.table(("CHECK", "SEVERITY", "WHAT"), [(t.check, t.severity, t.message) for t in found]):
            output.line(line)
    else:
        output.say("nothing found")
    if not raise_ and not as_json:
        output.say("this run is not recorded (last_check): --raise does that, as an observer")
    told = tell(session, receivers, "monitor", monitor.described(found), monitor.covered(chosen))
    return told or (output.FOUND if found else 0)


def _write(session: Session, file: Path, found: Sequence[monitor.Problem], chosen: Sequence[str]) -> None:
    from opsgit.operations.exposition import families
    from opsgit.storage.disk import put
    from opsgit.views.openmetrics import text

    put(file, text(families(session, found, chosen)).encode())


def _told(trouble: monitor.Problem) -> dict[str, str | None]:
    return {"check": trouble.check, "subject": trouble.subject, "severity": trouble.severity,
            "message": trouble.message, "task": trouble.task}  # fmt: skip
