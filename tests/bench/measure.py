"""Measuring: a command beside its reference, in turn; medians, the median of the ratios, and the peak of the memory."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

OPSGIT = str(Path(sys.executable).with_name("opsgit"))
START = (sys.executable, "-c", "import click, sqlite3")
SYNCED = ("git", "-c", "core.fsync=all")
Act = Callable[[int], Sequence[str]]  # the command of a run, by the number of the run


@dataclass
class Row:
    """A measured row: `value` and `reference` in `unit`, their ratio, and whether a budget of DESIGN's table holds."""

    work: str
    tasks: int
    value: float
    unit: str
    reference: str = ""
    beside: float = 0.0
    ratio: float = 0.0
    peak: float = 0.0  # MB, of the largest process
    budget: str = ""
    held: bool | None = None

    @property
    def verdict(self) -> str:
        return {None: "", True: "holds", False: "MISSED"}[self.held]


@dataclass
class Run:
    """What is measured so far."""

    box: Path
    runs: int
    rows: list[Row] = field(default_factory=list)

    def add(self, row: Row, budget: str = "", held: bool | None = None) -> Row:
        """Keep a row and print it."""
        row.budget, row.held = budget, held
        self.rows.append(row)
        print(line(row), flush=True)
        return row

    def compare(
        self,
        work: str,
        tasks: int,
        ours: Act,
        name: str,
        reference: Act,
        most: float | None = None,
        runs: int = 0,
        limits: tuple[float, float] | None = None,
    ) -> Row:
        """Measure a command beside its reference, in turn.

        :param most: the largest ratio that the budget allows.
        :param limits: the largest ms and MB that it allows, instead of a ratio.
        """
        number = runs or self.runs
        took(ours(0)), took(reference(0))
        pairs = [(took(ours(n)), took(reference(n))) for n in range(1, number + 1)]
        mine, theirs = (statistics.median(one[side][0] for one in pairs) for side in (0, 1))
        ratio = statistics.median(a[0] / b[0] for a, b in pairs)
        row = Row(work, tasks, mine * 1000, "ms", name, theirs * 1000, ratio, max(a[1] for a, _ in pairs))
        if limits:
            held = row.value <= limits[0] and row.peak <= limits[1]
            return self.add(row, f"<= {limits[0] / 1000:.0f} s {limits[1]:.0f}MB", held)
        return self.add(row, f"<= {most} x" if most else "", ratio <= most if most else None)

    def ratio(self, work: str, tasks: int) -> float:
        """Return the ratio to its reference that was measured for a work before."""
        return next(row.ratio for row in self.rows if (row.work, row.tasks) == (work, tasks))

    def document(self) -> dict[str, Any]:
        """Return all rows for a file."""
        return {"rows": [asdict(row) for row in self.rows]}


def line(row: Row) -> str:
    beside = f"{row.reference} {row.beside:10.1f}   {row.ratio:6.2f} x" if row.reference else ""
    peak = f"{row.peak:6.0f} MB" if row.peak else " " * 9
    return (
        f"{row.work:46} {row.tasks:7}  {row.value:10.1f} {row.unit:8} {peak}  {beside:60} {row.budget:12} {row.verdict}"
    )


def took(words: Sequence[str], cwd: Path | None = None, env: Mapping[str, str] | None = None) -> tuple[float, float]:
    """Run a command; return its seconds, and the MB of its largest process."""
    start = time.perf_counter()
    process = subprocess.Popen(words, cwd=cwd, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr
    said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stderr.close()
    if process.returncode:
        raise RuntimeError(f"{' '.join(words)}: exit {process.returncode}: {said.decode(errors='replace')}")
    return time.perf_counter() - start, usage.ru_maxrss / 1024


def run(*words: str, cwd: Path | None = None) -> str:
    """Run a command that is not measured, and return its output."""
    done = subprocess.run(words, cwd=cwd, check=True, capture_output=True, text=True)
    return done.stdout
