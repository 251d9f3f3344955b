"""Benchmarks, each beside a reference in the same run, against the budgets of the design.

    python -m tests.bench [--quick] [--json FILE] [--svg FILE] [--keep FOLDER]

State repositories of 1,000, 10,000 and 100,000 tasks are made by the real writer. Command and reference run in turn. The
full run takes about half an hour, and fails if a row misses its budget. The quick one has 60 and 300 tasks, and judges
nothing: budgets are for idle machines and for large ledgers.
"""

from __future__ import annotations

import argparse
import compileall
import json
import os
import sys
import tempfile
from pathlib import Path

import opsgit
from tests.bench import plot, rows, team
from tests.bench.measure import Run


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small ledgers, few runs, no judgement")
    parser.add_argument("--json", type=Path, help="write all rows to a file")
    parser.add_argument("--svg", type=Path, help="draw the times by the number of tasks")
    parser.add_argument("--keep", type=Path, help="make the ledgers in this folder, or use those that are in it")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as made:  # a gc in the background may still write
        box = given.keep or Path(made)
        box.mkdir(exist_ok=True)
        os.environ["XDG_DATA_HOME"], os.environ["XDG_STATE_HOME"] = str(box / "data"), str(box / "pins")
        compileall.compile_dir(opsgit.__path__[0], quiet=1)  # as an installed package is
        run = Run(box, 3 if given.quick else 15)
        rows.measure(run, (60, 300, 0) if given.quick else (1000, 10_000, 100_000))
        team.measure(run, 4 if given.quick else 20, few=given.quick)
    if given.json:
        given.json.write_text(json.dumps(run.document(), indent=2) + "\n")
    if given.svg:
        given.svg.write_text(plot.drawn(run.rows))
    missed = [row for row in run.rows if row.held is False]
    print(f"\n{sum(row.held is True for row in run.rows)} budgets hold, {len(missed)} missed")
    return 1 if missed and not given.quick else 0


if __name__ == "__main__":
    sys.exit(main())
