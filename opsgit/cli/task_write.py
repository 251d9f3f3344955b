"""The commands of `opsgit task` that write: `add`, `assign`, `claim`, `start`, `submit`, `move` and others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from opsgit.cli import completion, output
from opsgit.cli.options import as_status, common, delivers, listed, subject, writing, wrote
from opsgit.domain.policy import split_pipeline
from opsgit.domain.vocabulary import PRIORITIES, STATUSES
from opsgit.operations import tasks
from opsgit.operations.publication import act
from opsgit.operations.session import Session

if TYPE_CHECKING:
    from opsgit.operations.deliverables import Given


def described(function: Any) -> Any:
    """Add the options that describe a task to a command."""
    function = click.option("--desc", "--description", "description", help="Markdown.")(function)
    function = click.option("--priority", type=click.Choice(PRIORITIES, case_sensitive=False))(function)
    function = click.option("--tag", "--tags", "tags", multiple=True, help="May be given again, or with commas.")(
        function
    )
    function = click.option("--pipeline", help="Stages, as 'dev→qa→deploy', with -> or commas.")(function)
    return click.option("--depends-on", multiple=True, metavar="ID", help="May be given again.",
                        shell_complete=completion.ids)(function)  # fmt: skip


@click.command(
    "add",
    epilog="\b\nExample:\n"
    "  opsgit task add --id SKILL-001 --title 'Build it' --assign dev --pipeline 'dev→qa→deploy'\n"
    "  opsgit task add --from tasks.jsonl",
)
@click.option("--id", "task_id", metavar="ID", help="The task's id (default: the next T-number).")
@click.option("--title")
@click.option("--assign", "assigned", metavar="AGENT", help="Assign it at once.", shell_complete=completion.agents)
@described
@click.option(
    "--from", "source", type=click.File("rb"), metavar="FILE", help="Many tasks: a JSONL or CSV file, - for stdin."
)
@click.option("--skip-faulty", is_flag=True, help="With --from: add the lines without faults, instead of nothing.")
@writing
@common
def add(
    session: Session,
    as_json: bool,
    task_id: str | None,
    title: str | None,
    source: Any,
    skip_faulty: bool,
    **fields: Any,
) -> int:
    """Add a task to the backlog, or assign it at once; or add many from a file.

    --from takes one JSON object for each line, or CSV with a line of names. The fields are those of a task: id, title,
    description, priority, tags, pipeline, assigned, depends_on; in CSV, lists have commas. All are added together, or
    none: each fault is named with its line. With --skip-faulty the others are added, and the exit is 10.
    """
    if source is not None:
        odd = [name for name, value in {"id": task_id, "title": title, **fields}.items() if value]
        return _add_many(session, as_json, source.read(), skip_faulty, odd)
    if title is None or skip_faulty:
        raise click.UsageError("give --title, or --from FILE", click.get_current_context())
    fields["tags"], fields["depends_on"] = listed(fields["tags"]), listed(fields["depends_on"])
    wrote(session, tasks.add(session, task_id, title, **fields), as_json)
    return 0


def _add_many(session: Session, as_json: bool, content: bytes, skip_faulty: bool, odd: list[str]) -> int:
    from opsgit.operations import bulk

    if odd:
        raise click.UsageError(f"--from takes {odd[0]} from the file", click.get_current_context())
    found = bulk.add(session, content, skip_faulty)
    session.notices += [f"left out: {fault.code}: {fault.message}" for fault in found.faults]
    wrote(session, found.written, as_json)
    return output.FOUND if found.faults else 0


@click.command("assign", epilog="\b\nExample:\n  opsgit task assign SKILL-001 --to dev")
@subject("id")
@click.option("--to", required=True, metavar="AGENT", shell_complete=completion.agents)
@writing
@common
def assign(session: Session, as_json: bool, name: str, to: str) -> None:
    """Assign a task to an agent.

    From done the task is reopened and needs a new review; give --reason.
    """
    wrote(session, act(session, "task.assign", name, to=to), as_json)


@click.command("claim", epilog="\b\nExample:\n  opsgit task claim SKILL-001 --as dev")
@subject("id")
@click.option("--lease", metavar="DURATION", help="Lose it after so long without an operation: 2h (default: policy).")
@writing
@common
def claim(session: Session, as_json: bool, name: str, lease: str | None) -> None:
    """Take a task from the backlog, or from an agent whose lease ran out.

    If several agents claim it at once, one gets it. The others exit 7 and are told who has it. Each operation of the
    assignee on the task renews its lease.
    """
    wrote(session, act(session, "task.claim", name, lease=lease), as_json)


@click.command("start", epilog="\b\nExample:\n  opsgit task start SKILL-001")
@subject("id")
@writing
@common
def start(session: Session, as_json: bool, name: str) -> None:
    """Start to work on a task."""
    wrote(session, act(session, "task.start", name), as_json)


@click.command("progress", epilog="\b\nExample:\n  opsgit task progress SKILL-001 --text 'half of the tests pass'")
@subject("id")
@click.option("--text", required=True)
@writing
@common
def progress(session: Session, as_json: bool, name: str, text: str) -> None:
    """Record how the work goes."""
    wrote(session, act(session, "task.progress", name, text=text), as_json)


@click.command("submit", epilog="\b\nExample:\n  opsgit task submit SKILL-001 --output skills/chart-generator")
@subject("id")
@delivers
@writing
@common
def submit(session: Session, as_json: bool, name: str, given: Given) -> None:
    """Submit a deliverable for review.

    Its digest is recorded, and its files are stored beside the ledger, if they are not too many or too large
    (`opsgit help policy`). --note is the text of the review request.
    """
    wrote(session, tasks.submit(session, name, given), as_json)


@click.command("move", epilog="\b\nExample:\n  opsgit task move --id SKILL-001 --to done --approved-by qa")
@subject("id")
@click.option(
    "--to", callback=as_status, metavar="STATUS", required=True, shell_complete=completion.statuses,
    help=f"One of {', '.join(STATUSES)}, in any case.",
)  # fmt: skip
@click.option("--output", metavar="PATH", help="To review: the deliverable.")
@click.option("--repository", metavar="PATH", help="To review: the repository of a commit.")
@click.option("--attach/--no-attach", "attach", default=None, help="To review: store its files, or only its digest.")
@click.option("--approved-by", metavar="AGENT", help="To done: the reviewer.", shell_complete=completion.agents)
@click.option("--deploy-ref", metavar="REF", help="To deployed: what is deployed, such as a tag.")
@click.option("--deliverable", metavar="PATH", help="To done or deployed: a copy of the deliverable on this machine.")
@click.option("--alert", metavar="ID", help="To rolled-back: the alert, for observers.")
@click.option("--assignee", metavar="AGENT", help="To assigned: whom (default: who had it).")
@writing
@common
def move(session: Session, as_json: bool, name: str, to: str, **words: Any) -> None:
    """Move a task to a status. All gates of the operation apply."""
    from opsgit.operations import moves

    wrote(session, moves.move(session, name, to, **words), as_json)


@click.command("edit", epilog="\b\nExample:\n  opsgit task edit SKILL-001 --priority critical")
@subject("id")
@click.option("--title")
@described
@writing
@common
def edit(session: Session, as_json: bool, name: str, **fields: Any) -> None:
    """Change a task's title, description, priority, tags, pipeline or dependencies."""
    fields["tags"], fields["depends_on"] = listed(fields["tags"]), listed(fields["depends_on"])
    if fields["pipeline"] is not None:
        fields["pipeline"] = split_pipeline(fields["pipeline"])
    wrote(session, act(session, "task.edit", name, **fields), as_json)


@click.command("comment", epilog="\b\nExample:\n  opsgit task comment SKILL-001 --text 'what about zero?' --as qa")
@subject("id")
@click.option("--text", required=True)
@writing
@common
def comment(session: Session, as_json: bool, name: str, text: str) -> None:
    """Comment on a task; while it is in review, on its review branch."""
    wrote(session, tasks.comment(session, name, text), as_json)


@click.command("trim", epilog="\b\nExample:\n  opsgit task trim SKILL-001 --keep 20")
@subject("id")
@click.option("--keep", type=click.IntRange(0, 1_000_000), required=True, help="How many of the newest comments stay.")
@writing
@common
def trim(session: Session, as_json: bool, name: str, keep: int) -> None:
    """Remove old comments from a task's file. The history keeps them."""
    wrote(session, act(session, "task.trim", name, keep=keep), as_json)


@click.command("release", epilog="\b\nExample:\n  opsgit task release SKILL-001")
@subject("id")
@writing
@common
def release(session: Session, as_json: bool, name: str) -> None:
    """Put a task back into the backlog."""
    wrote(session, act(session, "task.release", name), as_json)


@click.command("cancel", epilog="\b\nExample:\n  opsgit task cancel SKILL-001 --reason 'no longer needed'")
@subject("id")
@writing
@common
def cancel(session: Session, as_json: bool, name: str) -> None:
    """Cancel a task."""
    wrote(session, act(session, "task.cancel", name), as_json)
