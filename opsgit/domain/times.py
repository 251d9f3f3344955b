"""Times as RFC 3339 text in UTC, and durations such as `90m` or `7d`, converted to and from seconds."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from opsgit.domain.refusals import refuse

FORM = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z\Z")
AHEAD_MAX = 300  # seconds that the time of a commit may be ahead of the local clock
LAST = 253_370_764_800  # the first second of the year 9999
DAY = 86_400  # seconds
UNITS = {"s": 1, "m": 60, "h": 3600, "d": DAY, "w": 7 * DAY}


def text(seconds: int) -> str:
    """Return a time as RFC 3339 text in UTC.

    :param seconds: seconds after the epoch.
    :raises ValueError: when the year is not between 1 and 9999.
    """
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def seconds(when: str) -> int:
    """Return the seconds after the epoch of a time.

    :param when: RFC 3339 text in UTC, in the form `2026-01-31T12:00:00Z`.
    :raises Refused: `BAD_VALUE` for any other form, and for years before 1970 or after 9998 (a window that begins then
        still ends in a year that can be written).
    """
    try:
        found = int(datetime.fromisoformat(when).timestamp()) if FORM.match(when) else -1
        if not 0 <= found < LAST:
            raise ValueError
        return found
    except ValueError:
        refuse("BAD_VALUE", f"{when!r} is no time", "write it as 2026-01-31T12:00:00Z, or how long ago: 2d")


def shortest(length: int) -> str:
    """Return a duration in the largest unit that divides it: `2w`, `90m`.

    :param length: seconds.
    """
    unit = max((name for name, size in UNITS.items() if length % size == 0), key=UNITS.__getitem__)
    return f"{length // UNITS[unit]}{unit}"


def rough(length: int) -> str:
    """Return a duration in the largest unit that it fills, rounded down: `3d`, `90s` is `1m`.

    :param length: seconds, not negative.
    """
    unit = max((name for name, size in UNITS.items() if size <= max(1, length)), key=UNITS.__getitem__)
    return f"{length // UNITS[unit]}{unit}"


def moment(words: str, now: int) -> int:
    """Return the seconds after the epoch of a time that a person typed.

    :param words: a duration before `now` (`7d`), a day in UTC (`2026-01-31`), or RFC 3339 text in UTC.
    :param now: seconds after the epoch.
    :raises Refused: `BAD_VALUE`.
    """
    if re.fullmatch("[0-9]+[smhdw]", words):
        return max(0, now - duration(words))
    return seconds(f"{words}T00:00:00Z" if re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", words) else words)


def duration(words: str) -> int:
    """Return the number of seconds of a duration.

    :param words: a whole number of at most six digits and one of s, m, h, d, w.
    :raises Refused: `BAD_VALUE`.
    """
    found = re.fullmatch(r"([0-9]{1,6})([smhdw])", words)
    if not found:
        refuse("BAD_VALUE", f"{words!r} is no duration", "write it as 90m, 24h or 7d")
    return int(found[1]) * UNITS[found[2]]
