"""The command `opsgit demo`."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

import click

from opsgit.cli import output
from opsgit.storage.disk import need_empty

MARKS = {"command": "\n$ {}", "done": "  {}", "refused": "  REFUSED  {}"}


@click.command("demo", epilog="\b\nExample:\n  opsgit demo /tmp/opsgit-demo")
@click.argument("directory", required=False, metavar="[DIR]")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
def command(directory: str | None, as_json: bool) -> None:
    """Take a real state repository from init to rollback, with refusals.

    The repository is made in DIR (default: a new temporary folder). The demo's keys are in DIR too; your own keys are
    not touched.
    """
    folder = Path(directory) if directory else Path(tempfile.mkdtemp(prefix="opsgit-demo-"))
    need_empty(folder, "opsgit demo NEW-DIR")
    folder = Path(os.path.abspath(folder))
    os.environ["XDG_DATA_HOME"] = str(folder / "keys")
    _walk(folder, as_json)


def _walk(folder: Path, as_json: bool) -> None:
    from opsgit.operations import demo

    start, steps = time.monotonic(), []
    for kind, words in demo.walk(folder):
        steps.append({"kind": kind, "text": words})
        if not as_json:
            output.line(MARKS[kind].format(words))
    if as_json:
        output.data("demo", path=str(folder), steps=steps)
        return
    output.line("")
    output.line("$ git log --graph --oneline")
    for line in demo.graph(folder):
        output.line(f"  {line}")
    refusals = sum(step["kind"] == "refused" for step in steps)
    output.line("")
    output.line(f"{refusals} refusals with their reasons, in {time.monotonic() - start:.1f} s. Where to look next:")
    for look in NEXT:
        output.line("  " + look.format(state=folder / "state", keys=folder / "keys"))


NEXT = (
    "{state}/dashboard.html                       the dashboard, in a browser; dashboard.md and state.json beside it",
    "git -C {state} log --first-parent --show-signature     the audit trail, judged by git itself",
    "cat {state}/tasks/01/SKILL-001.yaml          the task",
    "export XDG_DATA_HOME={keys}                  to act with the demo's keys:",
    "opsgit -C {state} report --format html --out site      pages for all of it",
    "opsgit -C {state} serve                      the same pages live, until Ctrl-C",
    "opsgit -C {state} task add --title 'Yours' --assign dev",
    "opsgit help lifecycle",
)
