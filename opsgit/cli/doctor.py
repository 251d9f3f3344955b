"""The command `opsgit doctor`."""

from __future__ import annotations

import click

from opsgit.cli import output
from opsgit.cli.options import common
from opsgit.operations import doctor
from opsgit.operations.session import Session
from opsgit.views import terminal


@click.command("doctor", epilog="\b\nExample:\n  opsgit doctor --fix")
@click.option("--fix", is_flag=True, help="Mend what can be mended.")
@common
def command(session: Session, as_json: bool, fix: bool) -> int:
    """Check versions, keys, git configuration, hooks, pins, clock, reviews and leftovers.

    Exit 10: something is bad.
    """
    found = list(doctor.examine(session))
    if fix:
        for symptom in found:
            if symptom.mend and symptom.state != "ok":
                symptom.mend()
        found = list(doctor.examine(session))
    if as_json:
        output.data("doctor", checks=[{"check": s.check, "state": s.state, "message": s.message} for s in found])
    else:
        for line in terminal.table(("CHECK", "STATE", "WHAT"), [(s.check, s.state, s.message) for s in found]):
            output.line(line)
    return output.FOUND if any(s.state == "bad" for s in found) else 0
