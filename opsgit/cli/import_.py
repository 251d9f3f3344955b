"""The command `opsgit import`."""

from __future__ import annotations

from pathlib import Path

import click

from opsgit.cli import output
from opsgit.cli.options import common, writing
from opsgit.domain.vocabulary import PERIODS
from opsgit.operations import import_
from opsgit.operations.session import Session
from opsgit.views import terminal


@click.command(
    "import",
    epilog="\b\nExample:\n  opsgit import old/state.json --dry-run\n  opsgit import backlog\n"
    "  opsgit import .beads/issues.jsonl",
)
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--quota-period",
    "periods",
    multiple=True,
    metavar="NAME=PERIOD",
    help=f"How often a quota resets ({', '.join(PERIODS)}); may be given again.",
)
@writing
@common
def command(session: Session, as_json: bool, file: Path, periods: tuple[str, ...]) -> int:
    """Import the original framework's state.json, a folder of Backlog.md, or the JSONL of beads.

    From a state.json: agents, tasks in any status, quotas, metrics and alerts. From the others: tasks, with title,
    description, status, priority, labels, assignee, dependencies and time; what else they hold, WHY names.

    \b
    The table says what happened to each record, and WHY it was changed or could not be kept:
      imported   as it was
      changed    imported, with the changes that WHY names
      unchanged  it exists already: importing a file again changes nothing
      not kept   the file's data about itself (project, created, last_check)
      left out   the rules refuse it; exit 10

    These fields are kept. Agents: role, description, tasks_completed, last_active. Tasks: title, description, status,
    priority, tags, assignee, pipeline, created and the history (status, at, by, output, notes, ref). Quotas: limit,
    used, reset_at and the period. The period comes from --quota-period, else from the record, else from the quota's
    name (publish_daily), else the quota never resets.

    Imported histories and figures are marked as imported and unproven, and no gate counts them. `opsgit help ops.sh`
    prints a scripts/ops.sh that forwards the original's calls.
    """
    told = import_.bring(session, file, _periods(periods))
    left_out = any(fate == "left out" for _, fate, _ in told)
    if as_json:
        output.data("import", dry_run=session.dry_run, records=[{"record": r, "fate": f, "why": w} for r, f, w in told])
    else:
        for line in terminal.table(("RECORD", "FATE", "WHY"), told):
            output.line(line)
        made = sum(record.startswith("agent ") and fate in ("imported", "changed") for record, fate, _ in told)
        if session.dry_run:
            output.say("dry run: nothing was written")
        elif made:
            output.say(f"keys were made for {made} agents, in {session.repository.keys.folder}")
    return 10 if left_out else 0


def _periods(given: tuple[str, ...]) -> dict[str, str]:
    """Return the periods by the name of the quota, from arguments such as `publish=daily`."""
    pairs = {name: period for name, _, period in (word.partition("=") for word in given)}
    if not all(name and period in PERIODS for name, period in pairs.items()):
        raise click.UsageError(f"--quota-period NAME=PERIOD, of {', '.join(PERIODS)}", click.get_current_context())
    return pairs
