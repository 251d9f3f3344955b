"""Look at the state as it was: at a commit of the ledger, or at a time."""

from __future__ import annotations

import re

from opsgit.domain import times
from opsgit.domain.refusals import refuse
from opsgit.operations.session import Session
from opsgit.storage import reader
from opsgit.storage.index import Index


def go(session: Session, wanted: str) -> None:
    """Let a session that only reads see the ledger as it was.

    The ledger is judged up to its tip before that. The session's clock stands still: at the time that was named, or at
    the time of the commit.

    :param wanted: a commit, as git names it; or a time: a duration before now (`7d`), a day in UTC (its end), or RFC
        3339 text.
    :raises Refused: `NOT_FOUND` if main has no such commit, or none at that time; `BAD_VALUE`.
    """
    repository, index = session.repository, session.index()
    moment = _moment(wanted, int(session.clock()))
    if moment is None:
        done = repository.git.attempt("rev-parse", "--verify", "--quiet", "--end-of-options", f"{wanted}^{{commit}}")
        found = index.log("id = ?", (done.stdout.decode().strip(),))
    else:
        found = index.log("time <= ?", (moment,), 1)
    if not found:
        why = f"main has no commit {wanted!r}" if moment is None else f"main has no commit at {wanted} or before"
        hint = "opsgit history shows all; a time is written as 7d, 2026-01-31 or 2026-01-31T12:00:00Z"
        refuse("NOT_FOUND", why, hint, "at")
    at = found[0]["at"] if moment is None else moment
    past = Index(None)
    reader.sync_index(repository.objects(), past, found[0]["commit"], known=index)
    session.past, session.clock = past, lambda: at


def _moment(wanted: str, now: int) -> int | None:
    """Return the seconds after the epoch of a time, None for a text in another form."""
    if re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", wanted):
        return times.seconds(f"{wanted}T23:59:59Z")
    if re.fullmatch("[0-9]+[smhdw]|[0-9]{4}-[0-9]{2}-[0-9]{2}T.*", wanted):
        return times.moment(wanted, now)
    return None
