"""What `verify` says: findings, and what was looked at."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, repr=False)
class Finding:
    """One thing that is wrong in history: its code, the commit, the path where there is one, and why."""

    code: str
    commit: str
    message: str
    path: str = ""


@dataclass(eq=False, repr=False)
class Verification:
    """What verify found: findings oldest first, how many commits were judged, what was looked at, what to say."""

    findings: list[Finding] = field(default_factory=list)
    judged: int = 0
    refs: dict[str, str] = field(default_factory=dict)
    genesis: str = ""
    notices: list[str] = field(default_factory=list)
