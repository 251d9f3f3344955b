"""A made-up operation and a made-up kind of file: one record and one function each, and all doors know them."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from opsgit.domain import names
from opsgit.domain.context import Context
from opsgit.domain.model import Task
from opsgit.domain.names import Entity
from opsgit.domain.operation import EITHER, TEXT, Operation, Who
from opsgit.domain.refusals import Refused
from opsgit.domain.rules import VERSIONS
from opsgit.domain.values import Value, value
from opsgit.operations.publication import act
from opsgit.storage import schema
from tests.conftest import Desk, git


def snooze(context: Context, task: Task) -> Task:
    """Lower the priority of a task."""
    return replace(task, priority="low")


SNOOZE = Operation(
    "task.snooze",
    "task",
    (Who("orchestrate"),),
    snooze,
    lambda _, new: {},
    "opsgit task snooze {id}",
    sources=("backlog",),
    gates=("a reason",),
    word="snooze",
)


@value
class Room(Value):
    """A made-up kind of record."""

    name: str
    topic: str
    by: str


def open_room(context: Context, before: Room | None) -> Room:
    """Open a room, or change its topic."""
    return Room(name=context.request.target, topic=context.words("topic", 100, lines=False), by=context.me)


ROOM = Operation(
    "room.open",
    "room",
    (Who("observe"), Who("orchestrate")),
    open_room,
    lambda _, new: {"topic": new["topic"]},
    "opsgit room open {id}",
    arguments={"topic": TEXT.needed()},
    finds=EITHER,
    actor="observer",
    word="opened",
    by_hand=lambda old, new: True,
)


def test_a_made_up_operation_goes_through_all_doors(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(VERSIONS, 1, VERSIONS[1].with_changes(1, operations={"task.snooze": SNOOZE}))
    desk.ok("task", "add", "--title", "one", "--priority", "high")
    session = desk.session("orchestrator")
    with pytest.raises(Refused) as caught:
        act(session, "task.snooze", "T-1")
    assert caught.value.refusal.code == "REASON_REQUIRED"
    session.note = "not now"
    act(session, "task.snooze", "T-1")
    assert desk.ok("task", "show", "T-1", "--json").json["task"]["priority"] == "low"
    assert git(desk.path, "log", "-1", "--format=%s").strip() == "T-1: snooze"
    with pytest.raises(Refused) as caught:
        act(desk.session("dev"), "task.snooze", "T-1")
    assert caught.value.refusal.code == "RIGHT_MISSING"
    desk.ok("verify")
    monkeypatch.undo()
    (desk.path.parent / "state-home").mkdir()
    monkeypatch.setenv("XDG_STATE_HOME", str(desk.path.parent / "state-home"))
    assert desk.run("verify", "--json").json["findings"][0]["code"] == "CONTENT_MISMATCH", "it was the made-up record"


def test_a_made_up_kind_of_file_goes_through_all_doors(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(schema.folder(), tmp_path / "schema")
    shape: dict[str, Any] = {"type": "object", "additionalProperties": False, "required": ["name", "topic", "by"],
                             "properties": {name: {"type": "string", "maxLength": 100} for name in ("name", "topic", "by")}}  # fmt: skip
    (tmp_path / "schema" / "room.schema.json").write_text(json.dumps(shape))
    monkeypatch.setattr(schema, "folder", lambda: tmp_path / "schema")
    monkeypatch.setitem(names.ENTITIES, "room", Entity("room", "rooms", "name", names.check_name, "room", Room))
    monkeypatch.setitem(VERSIONS, 1, VERSIONS[1].with_changes(1, operations={"room.open": ROOM}))
    session = desk.session()
    act(session, "room.open", "lobby", topic="hello")
    file = desk.path / "rooms/lobby.yaml"
    assert file.read_text() == (
        "# yaml-language-server: $schema=../schema/room.schema.json\nname: lobby\ntopic: hello\nby: eye\n"
    )
    for target, fields, code in (
        ("Lobby", {"topic": "x"}, "BAD_NAME"),
        ("lobby", {"topic": ""}, "BAD_TEXT"),
        ("lobby", {"topic": "hello"}, "NOTHING_CHANGES"),
        ("lobby", {}, "BAD_VALUE"),
    ):
        with pytest.raises(Refused) as caught:
            act(session, "room.open", target, **fields)
        assert caught.value.refusal.code == code
    with pytest.raises(Refused) as caught:
        act(desk.session("dev"), "room.open", "lobby", topic="mine")
    assert caught.value.refusal.code == "RIGHT_MISSING"
    desk.ok("verify")
    file.write_text(file.read_text().replace("hello", "changed"))
    assert "rooms/lobby.yaml" in git(desk.path, "status", "--porcelain")
    desk.ok("fmt", "--check")
