"""The result of a verification: findings and the list of verified refs."""

from __future__ import annotations

from dataclasses import dataclass, field

from opsgit.domain.values import Value, positional


@positional
class Finding(Value):
    """One fault in the history: its code (a key of `refusals.CODES`), the commit id, the message, the path if any."""

    code: str
    commit: str
    message: str
    path: str = ""


@dataclass(eq=False, repr=False)
class Verification:
    """The result of a verification.

    `findings` are in the order in which they were found: for each ledger the oldest commit first. `judged` is the
    number of commits that were checked. `refs` maps the name of each verified ref to its commit id. `genesis` is the id
    of the first commit. `notices` are messages for the user.
    """

    findings: list[Finding] = field(default_factory=list)
    judged: int = 0
    refs: dict[str, str] = field(default_factory=dict)
    genesis: str = ""
    notices: list[str] = field(default_factory=list)
