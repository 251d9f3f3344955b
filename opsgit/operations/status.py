"""What a clone holds that its remote does not, and the other way round: told from refs alone, without the network."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from opsgit.domain import message, names, times
from opsgit.domain.refusals import Refused
from opsgit.operations import outcomes, unconfirmed
from opsgit.operations.session import Session
from opsgit.operations.update import MAIN
from opsgit.storage.repository import Repository

REVIEWS = names.review_ref("")
FORMAT = "--format=%H%x1f%an%x1f%ct%x1f%B%x1e"


@dataclass(frozen=True, repr=False)
class Status:
    """The state of a clone against its remote, as last fetched.

    `ahead` holds the operations that are not published, oldest first; `behind` counts the ledger commits that main here
    lacks. `outcomes` holds the results of commands that ran here and are not published, and `unconfirmed` the
    operations of which the remote did not say whether it took them. `unfinished` is the command that ends a git command
    in progress, or None.
    """

    remote: str | None
    mode: str
    agent: str | None
    key: str
    ahead: list[dict[str, Any]] = field(default_factory=list)
    behind: int = 0
    outcomes: list[dict[str, Any]] = field(default_factory=list)
    unconfirmed: list[dict[str, Any]] = field(default_factory=list)
    unfinished: str | None = None


def status(session: Session) -> Status:
    """Return the state of this clone against its remote."""
    repository = session.repository
    mode = "local" if session.url is None else "manual" if session.offline else "online"
    agent = session.named[0][1] if session.named else None
    return Status(
        session.url,
        mode,
        agent,
        _key(session, agent) if agent else "",
        ahead=ahead(repository) if session.url else [],
        behind=behind(repository),
        outcomes=[one.described() for one in outcomes.kept(repository)],
        unconfirmed=[one._asdict() for one in unconfirmed.kept(repository)],
        unfinished=repository.unfinished(),
    )


def _key(session: Session, name: str) -> str:
    """Return the state of the key with which an agent signs here: active, missing, rotated, removed or unknown."""
    from opsgit.operations import agents

    return agents.key_state(session, name)


def ahead(repository: Repository) -> list[dict[str, Any]]:
    """Return the operations in main and in the review branches here that the remote, as last fetched, does not hold.

    :returns: commit, id, by, at (RFC 3339 text), op, subject and ref of each, parents before their children.
    """
    git = repository.git
    if git.ref(MAIN) is None:
        span: tuple[str, ...] = (names.MAIN, f"--glob={REVIEWS}*")
    else:
        span = (names.MAIN, f"--glob={REVIEWS}*", "--not", "--glob=refs/remotes/origin/*")
    out = git.run("log", "--reverse", "--date-order", FORMAT, *span).decode("utf-8", "replace")
    return [entry for part in out.split("\x1e") if part.strip() and (entry := _entry(part.strip("\n")))]


def _entry(text: str) -> dict[str, Any] | None:
    commit, by, at, body = text.split("\x1f", 3)
    try:
        said = message.parse(body)
    except Refused:
        return None
    return {
        "commit": commit,
        "id": said.id,
        "by": by,
        "at": times.text(int(at)),
        "op": said.op,
        "subject": said.subject,
        "ref": said.ref,
    }


def behind(repository: Repository) -> int:
    """Return how many ledger commits of the remote's main, as last fetched, main here lacks."""
    if repository.git.ref(MAIN) is None:
        return 0
    return int(repository.git.run("rev-list", "--count", "--first-parent", f"{names.MAIN}..{MAIN}"))


def apart(session: Session) -> str:
    """Return in words how far this clone is from its remote, as last fetched; empty if both hold the same ledger."""
    repository = session.repository
    far, here = repository.git.ref(MAIN), repository.git.ref(names.MAIN)
    if not far or not here or far == here:
        return ""
    missing, more = behind(repository), len(ahead(repository))
    if missing and more:
        return f"this clone has {more} operations that origin lacks, and lacks {missing}: opsgit sync"
    if more:
        return f"{more} operations are not published: opsgit sync"
    return f"this clone is {missing} operations behind origin: opsgit sync"
