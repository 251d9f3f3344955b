"""Times as RFC 3339 UTC text, and durations such as `90m` or `7d`."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from opsgit.domain.refusals import refuse

FORM = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z\Z")
AHEAD_MAX = 300  # seconds that a commit may lie ahead of a clock
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def text(seconds: int) -> str:
    """The time `seconds` after the epoch (UTC) as RFC 3339 text."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def seconds(when: str) -> int:
    """Seconds after the epoch of an RFC 3339 UTC text; refuses others with `BAD_VALUE`."""
    try:
        if not FORM.match(when):
            raise ValueError
        return int(datetime.fromisoformat(when).timestamp())
    except ValueError:
        refuse("BAD_VALUE", f"{when!r} is no time", "write it as 2026-01-31T12:00:00Z, or how long ago: 2d")


def moment(words: str, now: int) -> int:
    """Seconds after the epoch of a time that a person gave: a duration back from `now`, a day (UTC), or a full time.

    :param now: seconds after the epoch.
    """
    if re.fullmatch("[0-9]+[smhdw]", words):
        return now - duration(words)
    return seconds(f"{words}T00:00:00Z" if re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", words) else words)


def duration(words: str) -> int:
    """Seconds of a duration: a whole number and one of s, m, h, d, w; refuses others with `BAD_VALUE`."""
    found = re.fullmatch(r"([0-9]{1,6})([smhdw])", words)
    if not found:
        refuse("BAD_VALUE", f"{words!r} is no duration", "write it as 90m, 24h or 7d")
    return int(found[1]) * UNITS[found[2]]
