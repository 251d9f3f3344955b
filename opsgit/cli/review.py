"""The commands of `opsgit review`."""

from __future__ import annotations

import click

from opsgit.cli.options import common, subject, writing, wrote
from opsgit.operations import reviews, tasks
from opsgit.operations.publication import act
from opsgit.operations.session import Session


@click.group("review", epilog="\b\nExample:\n  opsgit review approve SKILL-001 --as qa")
def command() -> None:
    """Reviews: comment, sign off, approve, reject. A verdict is a merge that the reviewer signs."""


LOCAL = click.option("--deliverable", metavar="PATH", help="A copy of the deliverable on this machine.")
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
@writing
@common
def comment(session: Session, as_json: bool, name: str, text: str) -> None:
    """Comment on a review, on its branch."""
    wrote(session, tasks.comment(session, name, text), as_json)


@command.command("revise", epilog="\b\nExample:\n  opsgit review revise SKILL-001 --output skills/chart-generator")
@subject("id")
@click.option("--output", metavar="PATH", help="The deliverable: a file or folder, or 'commit: ID'.")
@click.option("--repository", metavar="PATH", help="The repository of a commit.")
@writing
@common
def revise(session: Session, as_json: bool, name: str, output: str | None, repository: str | None) -> None:
    """Submit another version within the same round. Earlier sign-offs become void."""
    wrote(session, reviews.revise(session, name, output, repository), as_json)


@command.command("withdraw", epilog="\b\nExample:\n  opsgit review withdraw SKILL-001")
@subject("id")
@writing
@common
def withdraw(session: Session, as_json: bool, name: str) -> None:
    """Withdraw a submission to go on working on the task."""
    wrote(session, act(session, "review.withdraw", name), as_json)
