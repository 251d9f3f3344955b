"""The tables of `opsgit help lifecycle`, made from the catalogue."""

from __future__ import annotations

from opsgit.domain.operation import Who
from opsgit.domain.rules import RuleBook
from opsgit.domain.vocabulary import STATUSES
from opsgit.views.markdown import table

RELATIONS = {
    "anyone": "",
    "assignee": "the assignee",
    "in place of a removed assignee": "if the assignee was removed",
    "creator": "the creator, while in backlog",
    "first stage": "for oneself",
    "last stage": "of the last stage",
    "reviewer": "of a review stage, no contributor",
    "starter": "who started it",
    "alerted": "by an open alert on the task, raised since by somebody else",
    "oneself": "the agent itself",
    "user": "whom the quota names",
}


def transitions(rules: RuleBook) -> str:
    """Return the table of the operations that change a task's status: from, to, operation, who, gates."""
    rows = []
    for one in rules.operations.values():
        if one.targets:
            sources = "(nothing)" if not one.sources else _statuses(one.sources)
            rows.append((sources, _statuses(one.targets), one.name, _ways(one.who), "; ".join(one.gates)))
    return table(("from", "to", "operation", "who", "gates"), rows)


def others(rules: RuleBook) -> str:
    """Return the table of all other operations: operation, while a task is, who, gates."""
    rows = [
        (one.name, _statuses(one.sources) or "-", _ways(one.who), "; ".join(one.gates))
        for one in rules.operations.values()
        if not one.targets
    ]
    return table(("operation", "while a task is", "who", "gates"), rows)


def _statuses(statuses: tuple[str, ...]) -> str:
    """Return a list of statuses, or the exceptions if at most two are missing."""
    lacking = [status for status in STATUSES if status not in statuses]
    if not lacking:
        return "any"
    return f"any but {', '.join(lacking)}" if len(lacking) < 3 and statuses else ", ".join(statuses)


def _ways(ways: tuple[Who, ...]) -> str:
    return "; ".join(_way(who) for who in ways)


def _way(who: Who) -> str:
    relation = RELATIONS[who.relation]
    if who.right is None:
        return relation or "any active agent"
    return f"{who.right} ({relation})" if relation else who.right
