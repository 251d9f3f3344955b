"""What an agent with a right does, with which commands, and which rules bind it: for `prime`, `spawn` and `help roles`.

The rules here only name codes that the rule book gives; the rule book alone decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from opsgit.domain.vocabulary import DEPLOY, OBSERVE, ORCHESTRATE, REVIEW, WORK


class Guide(NamedTuple):
    """What a right means for the agent that has it: what it does, its commands, each with a purpose, and its rules."""

    does: str
    commands: tuple[tuple[str, str], ...]
    rules: tuple[str, ...]


GUIDES = {
    ORCHESTRATE: Guide(
        "plans and delegates, and never implements",
        (
            ('opsgit task add --title "..." --assign NAME', "new work"),
            ("opsgit agent spawn NAME ID", "the call that starts an agent on a task"),
            ("opsgit task assign ID --to NAME", "give a task to an agent"),
            ("opsgit task list", "open work, the most urgent first"),
            ("opsgit monitor", "what stands still or has failed"),
        ),
        ("You do not start, submit, review or deploy (RIGHT_MISSING).",),
    ),
    WORK: Guide(
        "takes tasks and submits deliverables",
        (
            ("opsgit task next --claim", "your task, in progress, with all that it needs"),
            ('opsgit task progress ID --text "..."', "say how it goes"),
            ("opsgit task submit ID --output PATH", "hand in the deliverable: it must exist"),
            ('opsgit review comment ID --reply-to THREAD --text "..."', "answer a reviewer"),
        ),
        (
            "You never judge a task that you worked on (SELF_REVIEW).",
            "After a rejection start again; the same files are refused then (DELIVERABLE_UNCHANGED).",
        ),
    ),
    REVIEW: Guide(
        "judges what others submit",
        (
            ("opsgit review list", "the reviews that are open"),
            ("opsgit review show ID", "what is judged, and the commands that decide"),
            ("opsgit review diff ID", "what changed since the last round"),
            ('opsgit review comment ID --text "..." --at FILE:LINE --blocking', "an objection"),
            ("opsgit review approve ID", "or sign-off: review show says which"),
            ('opsgit review reject ID --reason "..."', "send it back"),
        ),
        (
            "Look at the deliverable first: a verdict is valid only for the version that you viewed (STALE).",
            "Open blocking threads prevent an approval (THREAD_OPEN).",
        ),
    ),
    DEPLOY: Guide(
        "ships what was approved",
        (
            ("opsgit task move ID --to deployed", "runs the deploy command of the policy"),
            ('opsgit rollback ID --reason "..."', "take a deployment back"),
        ),
        (
            "Only what a review approved is deployed (NOT_APPROVED).",
            "Look at the task before you repeat a deployment: it may have run.",
        ),
    ),
    OBSERVE: Guide(
        "watches: metrics, alerts, checks",
        (
            ("opsgit monitor --raise", "find what is wrong and record it"),
            ("opsgit metric set NAME VALUE", "set a gauge"),
            ('opsgit alert raise --task ID --message "..."', "report trouble"),
            (
                "opsgit rollback ID --alert ALERT",
                "for an alert that another agent raised",
            ),
            ("opsgit review check ID --name NAME --status pass", "report the result of a check"),
        ),
        ("You change no task but by such a rollback.",),
    ),
}
ALWAYS = (
    ("opsgit inbox", "what waits for you, with the command that answers it"),
    ("opsgit task show ID", "a task with its description and comments"),
    ("opsgit help lifecycle", "all rules"),
)
RULES = (
    "Every write is a commit signed with your key. Never act as another agent (--as).",
    "A refusal names its code and the command that would be right. Exit 5, 6: do not repeat the refused command.",
    "Exit 7: another agent was faster; look at the task again. Exit 9: busy or unreachable; repeat it later.",
)


def of(rights: Iterable[str]) -> Iterator[Guide]:
    """Yield the guides of some rights, in a fixed order."""
    held = set(rights)
    return (guide for right, guide in GUIDES.items() if right in held)


def commands(rights: Iterable[str]) -> list[tuple[str, str]]:
    """Return the commands for some rights, each with its purpose."""
    return [*(pair for guide in of(rights) for pair in guide.commands), *ALWAYS]


def rules(rights: Iterable[str]) -> list[str]:
    """Return the rules for some rights."""
    return [*RULES, *(rule for guide in of(rights) for rule in guide.rules)]


def table() -> str:
    """Return all guides as Markdown, for `help roles`."""
    parts = []
    for right, guide in GUIDES.items():
        lines = [f"## {right}: {guide.does}", "", *(f"- `{one}`: {why}" for one, why in guide.commands), ""]
        parts.append("\n".join([*lines, *(f"- {rule}" for rule in guide.rules)]))
    return "\n\n".join(parts)
