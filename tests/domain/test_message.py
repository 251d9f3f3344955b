"""The message of a commit: what is none, and that a note cannot pose as a trailer."""

from __future__ import annotations

import pytest

from opsgit.domain import message
from opsgit.domain.refusals import Refused

REPOSITORY = "0" * 32
GOOD = f"T-1: new → backlog\n\nOpsgit-Op: task.add\nOpsgit-Repo: {REPOSITORY} refs/heads/main\nOpsgit-Id: a1\n"


def test_the_parts_of_a_message() -> None:
    parsed = message.parse(GOOD)
    assert (parsed.subject, parsed.op, parsed.repository, parsed.ref) == (
        "T-1: new → backlog", "task.add", REPOSITORY, "refs/heads/main"
    )  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Merge branch 'x'\n",
        GOOD.partition("\n\n")[2],
        GOOD.replace("Opsgit-Op: task.add\n", ""),
        GOOD.replace("task.add", ""),
        GOOD.replace(" refs/heads/main", ""),
        GOOD.replace("refs/heads/main", "refs/heads/main and more"),
        GOOD + "Opsgit-Ledger: main\n",
        GOOD.replace("Opsgit-Id: a1\n", ""),
        GOOD.replace("a1", ""),
        GOOD.replace("a1", "a 1"),
        GOOD.replace("a1", "x" * 65),
    ],
)
def test_what_is_no_message_of_opsgit(text: str) -> None:
    with pytest.raises(Refused) as refused:
        message.parse(text)
    assert refused.value.refusal.code == "MESSAGE_MISMATCH"


@pytest.mark.parametrize("note", ["Opsgit-Op: task.cancel", " opsgit-file: x", "a\n\nOpsgit-Repo: b\n\nc"])
def test_a_note_that_looks_like_a_trailer_stays_a_note(note: str) -> None:
    hidden = GOOD.replace("\n\n", f"\n\n{message.hide(note)}\n\n", 1)
    assert message.parse(hidden).note == note
    assert message.parse(hidden).op == "task.add"
