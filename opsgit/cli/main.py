"""The command `opsgit`: its groups, and the one place that turns errors into messages and exit codes."""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from opsgit.cli import output
from opsgit.cli.lazy import Lazy
from opsgit.domain.refusals import Refusal, Refused
from opsgit.domain.text import UNWRITABLE
from opsgit.storage.disk import Damaged
from opsgit.version import VERSION

# The module of each command, and its line in the overview: `opsgit --help` imports no command.
COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("demo", "See it work: a real state repository, walked from init to rollback."),
    "init": ("init", "Make a state repository."),
    "clone": ("clone", "Clone a state repository, verified and set up."),
    "join": ("join", "Join a project as an agent: clone, key, and a line for the orchestrator."),
    "agent": ("agent", "Agents: who may act, and their keys."),
    "task": ("task", "Tasks: add, assign, work, submit, move."),
    "review": ("review", "Reviews: see, discuss, decide."),
    "prime": ("prime", "What the acting agent needs to know now, for a language model."),
    "inbox": ("inbox", "What waits for you, with the command that answers it."),
    "deploy": ("deploy", "Deployments: trust the command, abandon one."),
    "rollback": ("rollback", "Roll a deployed task back."),
    "quota": ("quota", "Quotas: limits on use in windows of time."),
    "metric": ("metric", "Metrics: gauges that observers set."),
    "alert": ("alert", "Alerts: trouble, raised and resolved by observers."),
    "monitor": ("monitor", "What has gone wrong or stands still."),
    "board": ("board", "The tasks in each status, side by side."),
    "dashboard": ("dashboard", "The project at a glance: terminal, Markdown or HTML."),
    "report": ("report", "Progress, performance, cycle times."),
    "serve": ("serve", "The site, live on this machine."),
    "compile": ("compile", "Write state.json and the dashboards."),
    "import": ("import_", "Bring a state.json, Backlog.md or beads in."),
    "export": ("export", "All tasks as JSONL or CSV."),
    "project": ("project", "The project's policy: show it, set it."),
    "verify": ("verify", "Judge the whole history: signatures, rights, gates."),
    "hooks": ("hooks", "Git hooks for people who edit YAML by hand."),
    "server": ("server", "A bare repository that judges every push."),
    "mcp": ("mcp", "Serve the Model Context Protocol, as one agent."),
    "setup": ("setup", "Make opsgit known to OpenClaw, Claude Code, Codex."),
    "status": ("status", "How this clone stands to its remote."),
    "sync": ("sync", "Publish what was made offline; fetch the rest."),
    "history": ("history", "Who did what, from the ledger."),
    "whoami": ("whoami", "Who acts here, and whose keys are here."),
    "maintenance": ("maintenance", "Pack objects and refs; in the background when due."),
    "doctor": ("doctor", "Look at keys, hooks, configuration, pins, clock."),
    "ci": ("ci", "Write the CI job that verifies and publishes the report."),
    "completion": ("shell", "Complete commands, ids and names in bash, zsh or fish."),
    "fmt": ("fmt", "Bring hand-edited files into the canonical form."),
    "help": ("help", "Topics: lifecycle, review, teams, policy, trust and others."),
}


def _version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        click.echo(f"opsgit {VERSION}")
        ctx.exit()


@click.group(
    cls=Lazy,
    table=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"]},
    invoke_without_command=True,
    epilog="""\b
Example:
  opsgit init --project "my-project" --state-dir state
  opsgit -C state task add --title "Build it"
Start with `opsgit demo`; the rules are in `opsgit help lifecycle`.""",
)
@click.option(
    "-C", "directory", metavar="DIR", help="The state repository (default: OPS_STATE_DIR, else here or above)."
)
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version.")
@click.pass_context
def opsgit(ctx: click.Context, directory: str | None) -> None:
    """The ledger of record for teams of AI agents.

    Every task, agent and quota is a YAML file in a git repository. Every operation is a commit signed by the agent that
    performed it. Operations that the rules forbid are refused and do not enter the history.
    """
    ctx.obj = directory
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def run(words: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and end the process with its exit code.

    :param words: the arguments; None takes those of the process.
    """
    output.prepare()
    code = main(sys.argv[1:] if words is None else words)
    atexit._run_exitfuncs()  # what was registered for the end of the process, such as removing temporary files
    output.flush()
    os._exit(code)  # freeing each module and object first takes 6 to 10 ms, and the system frees all of them at once


def main(words: Sequence[str]) -> int:
    """Run the command line and return its exit code. Refusals and errors become messages here and nowhere else.

    :param words: the arguments after `opsgit`.
    """
    try:
        return _main(words)
    except Damaged:  # the index could not be read; a damaged file has been removed
        return _again(words)
    except SystemExit:  # click exits when the reader of the output is gone
        return 0


def _again(words: Sequence[str]) -> int:
    try:
        return _main(words)
    except Damaged as error:  # not a file that can be made anew: the disk or the folder
        unread = Refusal("DISK", f"the index cannot be read: {error}", "opsgit doctor --fix")
        return output.refusal([unread], "--json" in words)


def _main(words: Sequence[str]) -> int:
    as_json = "--json" in words
    if any(UNWRITABLE.search(word) or "\0" in word for word in words):
        return output.refusal([Refusal("BAD_TEXT", "an argument is not UTF-8", "set the terminal to UTF-8")], as_json)
    try:
        code = opsgit.main(args=list(words), prog_name="opsgit", standalone_mode=False)
        output.finish()
    except Refused as refused:
        return output.refusal(refused.refusals, as_json)
    except click.UsageError as error:
        where = f"{error.ctx.command_path} --help" if error.ctx else "opsgit --help"
        return output.refusal([Refusal("USAGE", error.format_message(), where)], as_json)
    except click.Abort:
        return output.refusal([Refusal("USAGE", "stopped", "")], as_json)
    except BrokenPipeError:  # the reader of the output is gone; flushing at exit must not fail again
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        return output.refusal([_disk(error)], as_json)
    except Damaged:
        raise
    except Exception as error:  # noqa: BLE001 - the boundary: a bug is reported, not thrown at the user
        return output.bug(error, as_json)
    return code if isinstance(code, int) else 0


def _disk(error: OSError) -> Refusal:
    where = f" ({error.filename})" if error.filename else ""
    if isinstance(error, FileNotFoundError | NotADirectoryError | IsADirectoryError):
        return Refusal("DISK", f"{error.strerror}{where}", "look at the path; its folder must be there")
    return Refusal("DISK", f"{error.strerror or error}{where}", "look at free space (df -h) and at the rights")
