"""The words of `prime`, for the context of a language model: few, and never more than `TOKENS_MAX` tokens."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

from opsgit.views import guides, quotation

TOKENS_MAX = 1500
DELEGATE_MAX = 400  # of them for what an orchestrator can delegate
WHY_COLUMNS = 60


class Item(Protocol):
    """What waits for an agent: an `operations.inbox.Item`."""

    about: str
    to: str
    why: str
    command: str


def tokens(text: str) -> int:
    """Return an upper estimate of the tokens in a text of plain words and commands.

    A letter or a space counts as 0.3 tokens, another character as 0.8. The tests hold it against real tokenizers.
    """
    letters = sum(char.isalpha() or char == " " for char in text)
    return round(0.3 * letters + 0.8 * (len(text) - letters))


def most(text: str) -> int:
    """Return how many tokens a text takes at most, whatever is in it: a tokenizer makes at most one of each byte."""
    return len(text.encode("utf-8", "backslashreplace"))


def lines(told: Mapping[str, Any]) -> list[str]:
    """Return the text for an agent.

    :param told: the fields of `operations.prime.Prime`.
    """
    head = list(_head(told))
    tail = list(_loop(told)) if told["known"] else []
    others = list(_delegate(told)) if told["known"] else []
    room = TOKENS_MAX - most("\n".join([*head, *others])) - tokens("\n".join(tail))
    return [*head, *_waiting(told, room), *others, *tail]


def _head(told: Mapping[str, Any]) -> Iterator[str]:
    yield f"# opsgit: state repository {quotation.line(told['path'], 200)}"
    if not told["agent"]:
        yield f"No agent is named here. Keys on this machine: {_names(told['here']) or 'none'}."
        yield "Name yourself: OPSGIT_AGENT=NAME, --as NAME, or work in a clone from `opsgit agent checkout NAME DIR`."
    elif not told["known"]:
        yield f"You are {told['agent']}, but the ledger has no active agent of that name. Ask an orchestrator."
    else:
        does = "; ".join(guide.does for guide in guides.of(told["rights"]))
        yield f"You are {told['agent']}, role {told['role']}: {does}."
        if not told["holds_key"]:
            yield "Your key is not on this machine: you can read, but not write."


def _names(names: Iterable[str]) -> str:
    names = list(names)
    return ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")


def _waiting(told: Mapping[str, Any], room: int) -> Iterator[str]:
    """Yield what waits for the agent, as much as there is room for."""
    if not told["known"]:
        return
    items = told["items"]
    if not items:
        yield from ("", "Nothing waits for you now.")
        return
    commands, words = list[str](), list[str]()
    room -= tokens(quotation.INTRODUCTION) + 80  # the marks, the heading, and how many more there are
    for item in items:
        why = f"{item.about}: {quotation.line(item.why, WHY_COLUMNS)}"
        cost = _cost(item) + most(why) + 2
        if cost > room:
            continue
        room -= cost
        commands.append(f"- {item.about}: `{item.command}`")
        words.append(why)
    yield from ("", "## Waits for you, the oldest first", *commands)
    if len(commands) < len(items):
        yield f"- {len(items) - len(commands)} more: `opsgit inbox`"
    yield from (quotation.INTRODUCTION, *quotation.block(words))


def _delegate(told: Mapping[str, Any]) -> Iterator[str]:
    """Yield what waits for others: an orchestrator spawns an agent for it."""
    if not told["delegate"]:
        return
    yield from ("", "## Waits for others: start one with `opsgit agent spawn NAME ID`")
    room = DELEGATE_MAX
    for task, who, act in told["delegate"]:
        line = f"- {task}: {who} has to {act}"
        if most(line) > room:
            continue
        room -= most(line)
        yield line


def _cost(item: Item) -> int:
    """Return how many tokens the line of an item's command takes; ids and names are by others and can be anything."""
    named = item.command.count(item.about) + 1
    ours = item.command.replace(item.about, "").replace(item.to, "")
    return tokens(f"- : `{ours}`") + named * most(item.about) + most(item.to)


def _loop(told: Mapping[str, Any]) -> Iterator[str]:
    yield from ("", "## Your commands")
    yield from (f"- `{command}`: {why}" for command, why in guides.commands(told["rights"]))
    yield from ("", "## Rules")
    yield from (f"- {rule}" for rule in guides.rules(told["rights"]))
