"""The man page: all commands in one page, in the macros of man(7)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple


class Entry(NamedTuple):
    """One command: its usage, its help in paragraphs, and its options, each with its help."""

    usage: str
    paragraphs: Sequence[str]
    options: Sequence[tuple[str, str]]


FILES = (
    ("$XDG_DATA_HOME/opsgit/keys/<repository id>/<agent>", "the private key of an agent, mode 0600"),
    ("$XDG_STATE_HOME/opsgit/", "the pins of verified repositories"),
)
ENVIRONMENT = (
    ("OPS_STATE_DIR", "the state repository, if -C names none"),
    ("OPSGIT_AGENT", "the agent that acts, if --as names none"),
    ("OPSGIT_WEBHOOK_SECRET", "the key that signs what --webhook posts"),
    ("OPSGIT_DEBUG", "1 shows the trace of a bug"),
    ("NO_COLOR", "no colours"),
)


def page(version: str, entries: Iterable[Entry], exits: Mapping[int, str]) -> str:
    """Return the page.

    :param entries: the commands in order.
    :param exits: the exit codes with their meanings.
    """
    return "\n".join(_lines(version, entries, exits)) + "\n"


def _lines(version: str, entries: Iterable[Entry], exits: Mapping[int, str]) -> Iterator[str]:
    yield f'.TH OPSGIT 1 "" "opsgit {version}" "User Commands"'
    yield from (".SH NAME", "opsgit \\- the ledger of record for teams of AI agents")
    yield from (".SH SYNOPSIS", ".B opsgit", "[\\-C DIR] COMMAND [ARGS]...")
    yield ".SH DESCRIPTION"
    yield "Every task, agent and quota is a YAML file in a git repository. Every operation is a commit signed by the"
    yield "agent that performed it. Operations that the rules forbid are refused and do not enter the history."
    yield from (".PP", ".B opsgit help", "lists the topics, such as start, lifecycle, review, recipes.")
    yield ".SH COMMANDS"
    for entry in entries:
        yield from _entry(entry)
    codes = [(str(code), why) for code, why in exits.items()]
    for title, rows in (("EXIT STATUS", codes), ("ENVIRONMENT", ENVIRONMENT), ("FILES", FILES)):
        yield f".SH {title}"
        for name, why in rows:
            yield from (".TP", f".B {_escaped(name)}", _escaped(why))
    yield from (".SH SEE ALSO", ".BR git (1),", ".BR ssh-keygen (1)")


def _entry(entry: Entry) -> Iterator[str]:
    yield f".SS {_escaped(entry.usage)}"
    for number, paragraph in enumerate(entry.paragraphs):
        kept = paragraph.startswith("\b")
        yield from ([".PP"] if number else [])
        if kept:
            yield from (".nf", *map(_escaped, paragraph.lstrip("\b\n").split("\n")), ".fi")
        else:
            yield _escaped(" ".join(paragraph.split()))
    for name, why in entry.options:
        yield from (".TP", f".B {_escaped(name)}", _escaped(why)) if why else ()


def _escaped(text: str) -> str:
    """Return a text in which no character is a command of the formatter."""
    safe = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("`", "\\(ga")
    return re.sub(r"^([.'])", r"\\&\1", safe).replace("→", "\\(->")
