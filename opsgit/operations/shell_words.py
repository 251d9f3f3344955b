"""Read a line of the shell as far as its commands and their words, without running or expanding anything."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

# In this sequence: what a position of the line begins with.
TOKEN = re.compile(
    r"""(?P<join>\\\n)
    |(?P<space>[ \t\r]+)
    |(?P<text><<<)
    |(?P<heredoc><<-?[ \t]*(?P<quote>['"]?)(?P<tag>[A-Za-z0-9_.-]+)(?P=quote))
    |(?P<redirection>[<>]&|&>>?)
    |(?P<newline>\n)
    |(?P<end>[;&|()]+)
    |(?P<single>'[^']*')
    |(?P<double>"(?:[^"\\]|\\[\s\S])*")
    |(?P<inner>\$\(|`)
    |(?P<escape>\\[\s\S])
    |(?P<plain>[\s\S])""",
    re.VERBOSE,
)
QUOTED = re.compile(r"'[^']*'|\"(?:[^\"\\]|\\[\s\S])*\"|\\[\s\S]")


class Word(NamedTuple):
    """A word: `text` without its quotes, and `raw` as it is written."""

    text: str
    raw: str


class _Reader:
    """What was read of a line: complete commands, and the words of the one that goes on."""

    def __init__(self, line: str) -> None:
        self.line, self.at = line, 0
        self.words: list[Word] = []
        self.text: str | None = None  # of the word that goes on
        self.raw = ""
        self.tags: list[str] = []  # of here-documents that begin with the next line
        self.inner: list[str] = []  # what stands in $(...) and in backticks

    def add(self, text: str, raw: str) -> None:
        self.text = (self.text or "") + text
        self.raw += raw

    def end_word(self) -> None:
        if self.text is not None:
            self.words.append(Word(self.text, self.raw))
        self.text, self.raw = None, ""

    def end_command(self) -> list[Word]:
        self.end_word()
        done, self.words = self.words, []
        return done

    def substitution(self, opening: str) -> None:
        """Read what stands in `$(...)` or backticks; it stays a part of the word."""
        start = self.at
        self.at = _closing(self.line, start, opening)
        self.inner.append(self.line[start : self.at - 1])
        self.add("$", opening + self.line[start : self.at])

    def skip_documents(self) -> None:
        """Go to the line after the here-documents that begin here."""
        for tag in self.tags:
            found = re.compile(rf"^\t*{re.escape(tag)}$", re.MULTILINE).search(self.line, self.at)
            if found:  # without an end it is none, such as a shift in ((x<<y))
                self.at = min(found.end() + 1, len(self.line))
        self.tags = []


def commands(line: str) -> Iterator[list[Word]]:
    """Yield the words of each command in a line of the shell, those inside of `$(...)` and backticks too.

    What stands in comments and here-documents is no command. A quote that is open at the end is a part of its word.
    """
    read = _Reader(line)
    while read.at < len(line):
        if line[read.at] == "#" and read.text is None:
            read.at = (line + "\n").index("\n", read.at)
            continue
        found = TOKEN.match(line, read.at)
        assert found  # `plain` takes any character
        read.at = found.end()
        if found.lastgroup in ("newline", "end"):
            yield read.end_command()
        _take(read, found)
    yield read.end_command()
    for inner in read.inner:
        yield from commands(inner)


def _take(read: _Reader, found: re.Match[str]) -> None:
    """Take one token into what was read."""
    raw = found.group()
    match found.lastgroup:
        case "space":
            read.end_word()
        case "newline":
            read.skip_documents()
        case "inner":
            read.substitution(raw)
        case "single":
            read.add(raw[1:-1], raw)
        case "double":
            inner = raw[1:-1]
            read.inner += _substitutions(inner)
            read.add(re.sub(r'\\([$`"\\\n])', r"\1", inner), raw)
        case "escape":
            read.add(raw[1:], raw)
        case "plain" | "redirection" | "text":
            read.add(raw, raw)
        case "heredoc":
            read.tags.append(found["tag"])
            read.add(raw, raw)


def _substitutions(text: str) -> list[str]:
    """Return what stands in `$(...)` and backticks in a text between double quotes."""
    found, at = list[str](), 0
    while opening := re.compile(r"(?<!\\)(\$\(|`)").search(text, at):
        at = _closing(text, opening.end(), opening.group())
        found.append(text[opening.end() : at - 1])
    return found


def _closing(text: str, start: int, opening: str) -> int:
    """Return the position after the end of a substitution, or after the end of the text."""
    depth, at = 1, start
    while at < len(text):
        quoted = QUOTED.match(text, at)
        at = quoted.end() if quoted else at + 1
        if quoted:
            continue
        char = text[at - 1]
        if opening == "`":
            depth -= char == "`"
        else:
            depth += (char == "(") - (char == ")")
        if depth == 0:
            return at
    return len(text) + 1
