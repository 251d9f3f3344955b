"""`opsgit import`."""

from __future__ import annotations

from pathlib import Path

import click

from opsgit.cli import voice
from opsgit.cli.options import common, writing
from opsgit.operations import importing
from opsgit.operations.session import Session
from opsgit.views import terminal


@click.command("import", epilog="\b\nExample:\n  opsgit import old/state.json --dry-run")
@click.argument("file", type=click.Path(path_type=Path))
@writing
@common
def command(session: Session, as_json: bool, file: Path) -> int:
    """Bring the original framework's state.json in: agents, tasks in any status, quotas, metrics.

    Old histories are kept, and marked as imported and unproven wherever they are shown. Exit 10 when a record was left
    out. `opsgit help ops.sh` prints a scripts/ops.sh that forwards the original's calls.
    """
    told = importing.bring(session, file)
    left_out = any(fate == "left out" for _, fate, _ in told)
    if as_json:
        voice.data("import", dry_run=session.dry_run, records=[{"record": r, "fate": f, "why": w} for r, f, w in told])
    else:
        for line in terminal.table(("RECORD", "FATE", "WHY"), told):
            voice.line(line)
    return 10 if left_out else 0
