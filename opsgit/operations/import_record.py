"""Read one record of an import field by field, and note what was changed or could not be kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opsgit.domain.text import FORBIDDEN
from opsgit.domain.vocabulary import COUNT_MAX


class Fields:
    """The fields of one record. `changes` says what was changed or could not be kept; `read` names the fields read."""

    def __init__(self, record: Mapping[str, Any], changes: list[str] | None = None) -> None:
        self.record = record
        self.changes: list[str] = [] if changes is None else changes
        self.read: set[str] = set()

    def get(self, *known: str) -> Any:
        """Return the value of a field, None if it is missing or empty.

        :param known: the names that the field may have.
        """
        self.read.update(known)
        return next((self.record[name] for name in known if self.record.get(name) not in (None, "")), None)

    def line(self, *known: str, most: int = 200) -> str | None:
        """Return a text field as one line without forbidden characters, None if nothing is left.

        :param known: the names that the field may have.
        :param most: the largest number of bytes in UTF-8.
        """
        value = self.get(*known)
        if value is None:
            return None
        whole = " ".join(FORBIDDEN.sub(" ", str(value)).split())
        made = cut(whole, most)
        if made != whole:
            self.changes.append(f"{known[0]} was cut to {most} bytes")
        if whole != str(value):
            self.changes.append(f"{known[0]} became one line of plain characters")
        return made or None

    def text(self, *known: str, most: int) -> str | None:
        """Return a text field of several lines without forbidden characters, None if nothing is left.

        :param known: the names that the field may have.
        :param most: the largest number of bytes in UTF-8.
        """
        value = self.get(*known)
        if value is None:
            return None
        made = cut(FORBIDDEN.sub(" ", str(value)).strip(), most)
        if made != str(value):
            self.changes.append(f"{known[0]} was cleaned or cut to {most} bytes")
        return made or None

    def number(self, name: str) -> int | None:
        """Return a field that is a whole number from 0 to 2^53, else None."""
        value = self.get(name)
        if value is None or (type(value) is int and 0 <= value <= COUNT_MAX):
            return value
        self.changes.append(f"{name} {str(value)[:30]!r} is no whole number and is not kept")
        return None

    def items(self, name: str) -> list[Any]:
        """Return a field that is a list, else an empty list."""
        value = self.get(name)
        if value is None or isinstance(value, list):
            return value or []
        self.changes.append(f"{name} is no list and is not kept")
        return []

    def rest(self) -> list[str]:
        """Return all changes, and the fields that were not read."""
        odd = [cut(name, 40) for name in self.record if name not in self.read and self.record[name] not in (None, "")]
        return list(dict.fromkeys([*self.changes, *([f"not kept: {', '.join(odd)}"] if odd else [])]))


def cut(text: str, most: int) -> str:
    """Return a text cut to at most so many bytes in UTF-8, without space at its ends."""
    return text.encode(errors="replace")[:most].decode(errors="ignore").strip()


def plain(value: object, most: int = 80) -> str:
    """Return a value from the file as one line of at most so many bytes, fit for a table."""
    return cut(" ".join(FORBIDDEN.sub(" ", str(value)).split()), most)
