"""A fast reader for files in canonical form, which is nearly every file of a ledger.

What it reads is written again, and is used only if that gives the same bytes. All else is left to the YAML parser
(`yaml_codec`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from opsgit.domain import canonical
from opsgit.domain.records import Record
from opsgit.domain.vocabulary import COUNT_MAX

HEAD = re.compile(r"# yaml-language-server: \$schema=[!-~]+\Z")
DEEPEST = 10  # levels: below the limit of the YAML parser
LONGEST = 100  # characters of a key
_QUOTED = re.compile(r'"((?:[^"\\]|\\[\\"nt])*)"')
_ESCAPE = re.compile(r"\\(.)")
_MEANT = {"n": "\n", "t": "\t"}
_VALUES: dict[str, Callable[[], Any]] = {
    "null": lambda: None,
    "true": lambda: True,
    "false": lambda: False,
    "[]": list,
    "{}": dict,
}


class _Unknown(Exception):  # noqa: N818 - it never leaves this module
    """The text is not in canonical form, or not in the part of it that this reader knows."""


def read(words: str) -> Record | None:
    """Return the mapping that a text in canonical form holds, or None: then only the YAML parser can tell.

    :param words: the text; it holds no forbidden characters.
    """
    lines = words.split("\n")
    if len(lines) < 3 or lines.pop() or not HEAD.match(lines[0]):
        return None
    try:
        reader = _Reader(lines)
        record = reader.mapping("", 1)
    except _Unknown:
        return None
    written = lines[:1]
    canonical.emit_mapping(record, "", written)
    return record if reader.at == len(lines) and written == lines else None


class _Reader:
    """Reads lines from `at` on."""

    def __init__(self, lines: list[str]) -> None:
        self.lines, self.at = lines, 1

    def mapping(self, indent: str, depth: int, first: str | None = None) -> dict[str, Any]:
        """Read entries.

        :param first: what stands before the first entry, if it is not the indent.
        """
        if depth > DEEPEST:
            raise _Unknown
        found: dict[str, Any] = {}
        lead = indent if first is None else first
        while self.at < len(self.lines) and self.lines[self.at].startswith(lead):
            key, word = _entry(self.lines[self.at][len(lead) :])
            if key in found or key == "<<" or len(key) > LONGEST:
                raise _Unknown
            self.at += 1
            found[key] = self.value(word, indent, depth)
            lead = indent
        return found

    def value(self, word: str, indent: str, depth: int) -> Any:
        """Read the value of an entry: the rest of its line, or the lines after it."""
        if not word:
            below = f"{indent}  "
            listed = self.at < len(self.lines) and self.lines[self.at].startswith(f"{below}- ")
            return self.items(below, depth) if listed else self.mapping(below, depth + 1)
        if word in ("|", "|-"):
            return self.block(f"{indent}  ") + ("\n" if word == "|" else "")
        return _scalar(word)

    def items(self, indent: str, depth: int) -> list[Any]:
        """Read the items of a list."""
        found: list[Any] = []
        lead = f"{indent}- "
        while self.at < len(self.lines) and self.lines[self.at].startswith(lead):
            word = self.lines[self.at][len(lead) :]
            if _begins_mapping(word):
                found.append(self.mapping(f"{indent}  ", depth + 2, first=lead))
            else:
                self.at += 1
                found.append(_scalar(word))
        return found

    def block(self, indent: str) -> str:
        """Read the lines of a text."""
        start = self.at
        while self.at < len(self.lines) and (not self.lines[self.at] or self.lines[self.at].startswith(indent)):
            self.at += 1
        return "\n".join(line[len(indent) :] for line in self.lines[start : self.at])


def _entry(body: str) -> tuple[str, str]:
    """Return the key of an entry, and what stands after it on the line."""
    if body.startswith('"'):
        quoted = _QUOTED.match(body)
        end = quoted.end() if quoted else 0
        key, colon, rest = _scalar(body[:end]) if end else "", body[end : end + 1], body[end + 1 :]
    else:
        key, colon, rest = body.partition(":")
    if colon != ":" or rest[:1] not in ("", " "):
        raise _Unknown
    return key, rest[1:]


def _begins_mapping(word: str) -> bool:
    """Return whether an item of a list is a mapping: a plain text has no colon."""
    if not word.startswith('"'):
        return ":" in word
    quoted = _QUOTED.match(word)
    return bool(quoted) and quoted.end() < len(word)  # type: ignore[union-attr]


def _scalar(word: str) -> Any:
    if not word:
        raise _Unknown
    if word[0] == '"':
        if "\\" not in word:
            return word[1:-1]  # a stray quote is found when the result is written again
        return _ESCAPE.sub(lambda one: _MEANT.get(one[1], one[1]), word[1:-1])
    if word[0] in "-0123456789":
        return _number(word)
    return _VALUES[word]() if word in _VALUES else word


def _number(word: str) -> int | float:
    try:
        value = int(word) if word.lstrip("-").isdecimal() else float(word)
    except ValueError:
        raise _Unknown from None
    if abs(value) > COUNT_MAX:
        raise _Unknown
    return value
