"""Judge a shell command of a sub-agent in Claude Code: an opsgit command that writes must name the sub-agent.

This is advice before the command runs. The identity of the clone and the key decide when it runs.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")
BEFORE = frozenset({"env", "exec", "command", "nohup", "time", "sudo"})  # words that run the command after them
NAMED = ("--as", "--approved-by")


class Call(NamedTuple):
    """One opsgit command in a line of the shell: variables that are set for it, and its words after `opsgit`."""

    variables: dict[str, str]
    words: tuple[str, ...]


def refusal(event: Mapping[str, Any], writes: Callable[[Sequence[str]], bool]) -> str | None:
    """Return why a tool call must not run, or None.

    :param event: what Claude Code gives to a hook of PreToolUse: `agent_type` is the name of the sub-agent, after
        `plugin:` for one of a plugin; it is missing in the main session.
    :param writes: returns whether an opsgit command (its words) writes.
    """
    name = str(event.get("agent_type") or "").rpartition(":")[2]
    line = (event.get("tool_input") or {}).get("command")
    if not name or not isinstance(line, str):
        return None
    for call in calls(line):
        if writes(call.words) and (named(call) != {name}):
            return f"you are {name}: this command would not be signed by {name}. Run: {_corrected(call, name)}"
    return None


def named(call: Call) -> set[str]:
    """Return the agents that a command names."""
    found = {call.variables["OPSGIT_AGENT"]} if call.variables.get("OPSGIT_AGENT") else set[str]()
    for option, value in _options(call.words):
        if option in NAMED:
            found.add(value)
    return found


def _options(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    for number, word in enumerate(words):
        if word == "--":
            return
        option, equals, value = word.partition("=")
        if option.startswith("--"):
            yield option, value if equals else next(iter(words[number + 1 : number + 2]), "")


def _corrected(call: Call, name: str) -> str:
    """Return the command with the right name."""
    words, skip = list[str](), False
    for word in call.words:
        option, equals, _ = word.partition("=")
        if skip or option in NAMED:
            skip = not skip and not equals
        else:
            words.append(word)
    end = words.index("--") if "--" in words else len(words)
    return shlex.join(["opsgit", *words[:end], "--as", name, *words[end:]])


def calls(line: str) -> Iterator[Call]:
    """Yield the opsgit commands in a line of the shell; a line that cannot be read yields nothing."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=";&|()\n")
    lexer.whitespace, lexer.commenters = " \t\r", ""
    try:
        words = list(lexer)
    except ValueError:  # a quote is open: the shell will say so
        return
    start = 0
    for end in [*(n for n, word in enumerate(words) if set(word) <= set(";&|()\n")), len(words)]:
        yield from _call(words[start:end])
        start = end + 1


def _call(words: Sequence[str]) -> Iterator[Call]:
    variables: dict[str, str] = {}
    for number, word in enumerate(words):
        if ASSIGNMENT.match(word):
            variables.update([word.split("=", 1)])  # type: ignore[list-item]
        elif word.rsplit("/", 1)[-1] == "opsgit":
            yield Call(variables, tuple(words[number + 1 :]))
            return
        elif word.rsplit("/", 1)[-1] in ("sh", "bash", "zsh") and "-c" in words[number:-1]:
            yield from calls(words[words.index("-c", number) + 1])
            return
        elif list(words[number + 1 : number + 3]) == ["-m", "opsgit"]:
            yield Call(variables, tuple(words[number + 3 :]))
            return
        elif word not in BEFORE and not word.startswith("-"):
            return
