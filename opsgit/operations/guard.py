"""Judge a shell command of a sub-agent in Claude Code: an opsgit command that writes must name the sub-agent.

This is advice before the command runs, from what can be read in the command itself: a name in a variable is not known.
The identity of the clone and the key decide when the command runs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from opsgit.operations.shell_words import Word, commands

ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")
KEYWORDS = frozenset({"if", "then", "elif", "else", "while", "until", "do", "!", "{"})
SHELLS = frozenset({"sh", "bash", "zsh", "dash"})
# Programs that run the command among their arguments.
RUNNERS = frozenset(
    ("command", "doas", "env", "exec", "find", "nice", "nohup", "parallel", "pipx", "poetry", "setsid", "ssh", "stdbuf",
     "sudo", "time", "timeout", "uv", "uvx", "watch", "xargs")
)  # fmt: skip
PYTHON = re.compile(r"python[0-9.]*")
REDIRECTION = re.compile(r"[0-9]*[<>]|&>")
NAMED = ("--as", "--approved-by")
PLUGIN = "opsgit:"


class Call(NamedTuple):
    """One opsgit command in a line of the shell: variables that are set for it, and its words after `opsgit`."""

    variables: dict[str, str]
    words: tuple[Word, ...]


def refusal(event: Mapping[str, Any], writes: Callable[[Sequence[str]], bool]) -> str | None:
    """Return why a tool call must not run, or None.

    :param event: what Claude Code gives to a hook of PreToolUse: `agent_type` is the name of the sub-agent, after
        `opsgit:` for those that `setup claude` wrote. Other sub-agents and the main session have no agent's name.
    :param writes: returns whether an opsgit command (its words) writes.
    """
    kind = str(event.get("agent_type") or "")
    line = (event.get("tool_input") or {}).get("command")
    if not kind.startswith(PLUGIN) or not isinstance(line, str):
        return None
    name = kind.removeprefix(PLUGIN)
    for call in calls(line):
        if writes([word.text for word in call.words]) and _others(call, name):
            return f"you are {name}: this command would not be signed by {name}. Run: {_corrected(call, name)}"
    return None


def _others(call: Call, name: str) -> bool:
    """Return whether a command names nobody or somebody else; a name in a variable can be any."""
    found = named(call)
    return not found or any("$" not in one and one != name for one in found)


def named(call: Call) -> set[str]:
    """Return the agents that a command names."""
    found = {call.variables["OPSGIT_AGENT"]} if call.variables.get("OPSGIT_AGENT") else set[str]()
    for option, value in _options([word.text for word in call.words]):
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
    """Return the command with the right name, its other words as they are written."""
    words, skip = list[Word](), False
    for word in call.words:
        option, equals, _ = word.text.partition("=")
        if skip or option in NAMED:
            skip = not skip and not equals
        else:
            words.append(word)
    ends = (n for n, word in enumerate(words) if word.text == "--" or REDIRECTION.match(word.raw))
    end = next(ends, len(words))
    raw = [word.raw for word in words]
    return " ".join(["opsgit", *raw[:end], "--as", name, *raw[end:]])


def calls(line: str) -> Iterator[Call]:
    """Yield the opsgit commands in a line of the shell, with the variables that it exports before them."""
    shell = _Shell({}, {})
    for words in commands(line):
        yield from _call(words, shell)


class _Shell(NamedTuple):
    """The variables that a shell has set, and those that it gives to its commands."""

    own: dict[str, str]
    exported: dict[str, str]


def _call(words: Sequence[Word], shell: _Shell) -> Iterator[Call]:
    """Yield the opsgit commands in one command of the shell.

    :param shell: what was set before; what this command sets is added.
    """
    given: dict[str, str] = {}
    rest = list(words)
    while rest and (rest[0].raw in KEYWORDS or ASSIGNMENT.match(rest[0].text)):
        _set(given, rest.pop(0))
    if not rest:
        shell.own.update(given)
        shell.exported.update({name: value for name, value in given.items() if name in shell.exported})
        return
    if rest[0].text == "export":
        for word in rest[1:]:
            _set(shell.own, word)
            name = word.text.partition("=")[0]
            shell.exported.update({name: shell.own[name]} if name in shell.own else {})
        return
    variables = {**shell.exported, **given}
    program, after = rest[0].text.rsplit("/", 1)[-1], rest[1:]
    if program == "opsgit":
        yield Call(variables, tuple(after))
    elif program == "eval":
        yield from calls(" ".join(word.text for word in after))
    elif program in SHELLS:
        option = next((n for n, word in enumerate(after) if re.fullmatch("-[a-z]*c", word.text)), len(after))
        yield from calls(after[option + 1].text if option + 1 < len(after) else "")
    elif program in RUNNERS or PYTHON.fullmatch(program):
        yield from _run(variables, after)


def _set(variables: dict[str, str], word: Word) -> None:
    name, equals, value = word.text.partition("=")
    if equals and ASSIGNMENT.match(word.text):
        variables[name] = value


def _run(variables: dict[str, str], words: Sequence[Word]) -> Iterator[Call]:
    """Yield the opsgit command among the arguments of a program that runs it."""
    for number, word in enumerate(words):
        _set(variables, word)
        program = word.text.rsplit("/", 1)[-1]
        if program == "opsgit" or program in SHELLS or program in RUNNERS:
            yield from _call(words[number:], _Shell({}, variables))
            return
        if re.search(r"\bopsgit\s", word.text):
            yield from calls(word.text)
