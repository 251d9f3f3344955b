"""The commands of `opsgit review`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import click

from opsgit.cli import completion, output
from opsgit.cli.options import common, delivers, fetching, subject, writing, wrote
from opsgit.operations import review_page, reviews
from opsgit.operations.deliverables import Given
from opsgit.operations.publication import act
from opsgit.operations.session import Session
from opsgit.views import reviews as pages
from opsgit.views import terminal


@click.group("review", epilog="\b\nExample:\n  opsgit review approve SKILL-001 --as qa")
def command() -> None:
    """Reviews: comment, sign off, approve, reject. A verdict is a merge that the reviewer signs."""


@command.command("list", epilog="\b\nExample:\n  opsgit review list")
@common
@fetching
def list_(session: Session, as_json: bool) -> None:
    """List the open reviews, the most urgent first."""
    found = review_page.listed(session)
    if as_json:
        output.data("reviews", reviews=found)
        return
    for line in terminal.table(HEAD, [_row(one) for one in found]) if found else ():
        output.line(line)
    if not found:
        output.say("nothing is in review")


HEAD = ("ID", "ROUND", "BY", "SINCE", "WAITS FOR", "BLOCKING", "CHECKS", "TITLE")


def _row(one: dict[str, Any]) -> tuple[str, ...]:
    checks = ", ".join(f"{name}: {status}" for name, status in one["checks"].items()) or "-"
    by = one["by"] or "-"
    return one["task"], one["version"], by, one["since"], one["waiting_for"], str(one["threads"]), checks, one["title"]


@command.command("show", epilog="\b\nExample:\n  opsgit review show SKILL-001 --as qa")
@subject("id")
@common
@fetching
def show(session: Session, as_json: bool, name: str) -> None:
    """Show a review as a whole: what is judged, all rounds with their words, stages, checks, and what decides.

    A verdict is on what was seen: if the author revises after this, the verdict is refused and says what changed.
    """
    found = review_page.shown(session, name)
    if as_json:
        output.data("review", **found)
        return
    for line in pages.page(found):
        output.line(line)


@command.command("diff", epilog="\b\nExample:\n  opsgit review diff SKILL-001 --rounds 1..2 --stat")
@subject("id")
@click.option(
    "--rounds",
    metavar="A..B",
    help="The versions, such as 1..2 or 2..2.1; one alone: it and the one before (default: the newest).",
)
@click.option("--stat", is_flag=True, help="Only which files changed, and how much.")
@click.option("--repository", metavar="PATH", help="The code repository, for a commit.")
@common
@fetching
def diff(session: Session, as_json: bool, name: str, rounds: str | None, stat: bool, repository: str | None) -> None:
    """Show what changed in the deliverable since the version before, or from one version to another.

    The first version is compared with nothing. Files that are not text are shown by size and digest.
    """
    from opsgit.operations import diffs
    from opsgit.views import difference

    found = diffs.look(session, name, rounds, repository, stat)
    if as_json:
        binaries = [one._asdict() for one in found.binaries]
        output.data("diff", id=name, old=found.old or None, new=found.new.version, lines=found.lines, binaries=binaries)
        return
    output.paged(difference.lines(found.old, found.new.version, found.lines, found.binaries, output.colour()))


@command.command("checkout", epilog="\b\nExample:\n  opsgit review checkout SKILL-001 /tmp/skill-001")
@click.argument("name", metavar="ID", shell_complete=completion.ids)
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--round", "version", metavar="VERSION", help="The version, such as 1 or 2.1 (default: the newest).")
@common
@fetching
def checkout(session: Session, as_json: bool, name: str, folder: Path, version: str | None) -> None:
    """Write the attached files of a submission into a new folder."""
    from opsgit.operations import diffs

    found = diffs.checkout(session, name, folder, version)
    if as_json:
        output.data("deliverable", id=name, version=found.version, digest=found.digest, path=str(folder.resolve()))
        return
    output.line(f"round {found.version} of {name} in {folder}  {found.digest}")


@command.command("open", epilog="\b\nExample:\n  opsgit review open SKILL-001 --run")
@subject("id")
@click.option("--run", is_flag=True, help="Run them, too.")
@common
@fetching
def open_(session: Session, as_json: bool, name: str, run: bool) -> None:
    """Print, or run, the commands that open the review as a request on the remote's forge (`opsgit help forges`)."""
    from opsgit.operations import forges

    found = forges.open_request(session, name, run)
    if as_json:
        output.data("request", id=name, forge=found.forge, commands=found.commands, said=found.said)
        return
    for line in [shlex.join(one) for one in found.commands] if found.said is None else [found.said]:
        output.line(line)


LOCAL = click.option(
    "--deliverable", metavar="PATH", help="A copy of the deliverable on this machine.", shell_complete=completion.paths
)
APPROVER = click.option("--approved-by", metavar="AGENT", help="The reviewer who signs; the same as --as.")


@command.command("approve", epilog="\b\nExample:\n  opsgit review approve SKILL-001 --as qa --note 'all tests pass'")
@subject("id")
@LOCAL
@APPROVER
@writing
@common
def approve(session: Session, as_json: bool, name: str, deliverable: str | None) -> None:
    """Approve a review as its last stage: the task is done.

    The deliverable is hashed again and must have the digest that was submitted.
    """
    wrote(session, reviews.verdict(session, "review.approve", name, deliverable), as_json)


@command.command("sign-off", epilog="\b\nExample:\n  opsgit review sign-off SKILL-001 --as qa")
@subject("id")
@LOCAL
@APPROVER
@writing
@common
def sign_off(session: Session, as_json: bool, name: str, deliverable: str | None) -> None:
    """Sign off a review stage before the last."""
    wrote(session, reviews.verdict(session, "review.sign-off", name, deliverable), as_json)


@command.command(
    "reject", epilog="\b\nExample:\n  opsgit review reject SKILL-001 --as qa --reason 'fails on empty input'"
)
@subject("id")
@writing
@common
def reject(session: Session, as_json: bool, name: str) -> None:
    """Reject a review: the task goes back to its assignee. --reason is required."""
    wrote(session, reviews.verdict(session, "review.reject", name), as_json)


@command.command("comment", epilog="\b\nExample:\n  opsgit review comment SKILL-001 --as qa --text 'what about zero?'")
@subject("id")
@click.option("--text", required=True)
@click.option("--at", metavar="PATH[:LINE]", help="A file of the deliverable, perhaps a line of it.")
@click.option("--reply-to", "answers", metavar="THREAD", help="The thread that it answers, such as 1-2.")
@click.option("--blocking", is_flag=True, help="Nobody approves while this thread is open; for reviewers of the task.")
@writing
@common
def comment(
    session: Session, as_json: bool, name: str, text: str, at: str | None, answers: str | None, blocking: bool
) -> None:
    """Comment on a review: in general, at a place of the deliverable, or in a thread.

    It prints the id of the thread, which --reply-to and `review resolve` take.
    """
    made = reviews.comment(session, name, at, text=text, answers=answers, blocking=blocking or None)
    wrote(session, made, as_json)


@command.command("resolve", epilog="\b\nExample:\n  opsgit review resolve SKILL-001 1-2 --as qa")
@click.argument("name", metavar="ID", shell_complete=completion.ids)
@click.argument("thread")
@writing
@common
def resolve(session: Session, as_json: bool, name: str, thread: str) -> None:
    """Resolve a thread: it is settled. Whoever began it, or a reviewer of the task, does so."""
    wrote(session, act(session, "review.resolve", name, thread=thread), as_json)


@command.command(
    "check",
    epilog="\b\nExample:\n  opsgit review check SKILL-001 --name tests --status pass --as ci",
)
@click.argument("name", metavar="ID", shell_complete=completion.ids)
@click.option("--name", "check", metavar="NAME", required=True, help="The name of the check, such as tests.")
@click.option("--status", type=click.Choice(["pass", "fail"]), required=True)
@click.option("--url", metavar="URL", help="Where its result can be read.")
@LOCAL
@writing
@common
def check(
    session: Session, as_json: bool, name: str, check: str, status: str, url: str | None, deliverable: str | None
) -> None:
    """Report the result of a check of the version that is in review.

    `review.checks` in the policy names the checks that an approval needs. Agents that observe or review report them.
    """
    wrote(session, reviews.check(session, name, check, status, url, deliverable), as_json)


@command.command("revise", epilog="\b\nExample:\n  opsgit review revise SKILL-001 --output skills/chart-generator")
@subject("id")
@delivers
@writing
@common
def revise(session: Session, as_json: bool, name: str, given: Given) -> None:
    """Submit another version within the same round. Earlier sign-offs and checks become void."""
    wrote(session, reviews.revise(session, name, given), as_json)


@command.command("withdraw", epilog="\b\nExample:\n  opsgit review withdraw SKILL-001")
@subject("id")
@writing
@common
def withdraw(session: Session, as_json: bool, name: str) -> None:
    """Withdraw a submission to go on working on the task."""
    wrote(session, act(session, "review.withdraw", name), as_json)
