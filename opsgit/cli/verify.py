"""The command `opsgit verify`."""

from __future__ import annotations

import click

from opsgit.cli import output
from opsgit.cli.options import PIN, common
from opsgit.operations.session import Session
from opsgit.verification import verify


@click.command("verify", epilog="\b\nExample:\n  opsgit verify --pin 3f2a91c07d")
@click.option("--range", "span", metavar="A..B", help="Only what main has behind A (verified before) up to B.")
@PIN
@click.option("--require-pin", is_flag=True, help="Refuse to trust a ledger that nothing is known of (for CI).")
@common
def command(session: Session, as_json: bool, span: str | None, pin: str | None, require_pin: bool) -> int:
    """Judge the whole history: every signature, right and gate.

    Verification reads git's objects only and never fetches. Commits that were verified before are not judged again.

    \b
    Exit 0   no commit in main, the remotes' main or an open review breaks a rule
    Exit 10  findings, oldest first
    Exit 9   it could not verify (shallow clone, missing objects, unknown rules)
    """
    say = (lambda _: None) if as_json else output.say
    found = verify.verify(session.repository, say, pin, require_pin, _span(span))
    session.notices += found.notices
    if as_json:
        output.data("verify", findings=[vars(one) for one in found.findings], judged=found.judged, refs=found.refs,
                   genesis=found.genesis, notices=found.notices)  # fmt: skip
        return output.FOUND if found.findings else 0
    for one in found.findings:
        output.line(f"{one.code}  {one.commit[:10]}  {one.path + ': ' if one.path else ''}{one.message}")
    if not found.findings:
        refs = ", ".join(ref.removeprefix("refs/").removeprefix("heads/") for ref in found.refs)
        output.line(f"verified: {refs}; {found.judged} commits judged now; genesis {found.genesis[:10]}")
    return output.FOUND if found.findings else 0


def _span(span: str | None) -> tuple[str, str] | None:
    if span is None:
        return None
    since, dots, until = span.partition("..")
    if not (since and dots and until):
        raise click.UsageError("--range takes A..B", click.get_current_context())
    return since, until
