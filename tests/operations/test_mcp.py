"""The MCP server, asked by the official client over stdio."""

from __future__ import annotations

import asyncio
import builtins
import json
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, get_args

import pytest
from mcp import Client, StdioServerParameters

from opsgit import mcp_server
from opsgit.domain.vocabulary import STATUSES
from tests.conftest import Desk

Script = Callable[[Client], Awaitable[None]]


def play(desk: Desk, name: str, script: Script, folder: Path | None = None) -> None:
    """Start the server as an agent in a folder, and let the client do what a script says."""
    words = ["-m", "opsgit", "-C", str(desk.path), "mcp", "--as", name]
    server = StdioServerParameters(command=sys.executable, args=words, env=dict(os.environ), cwd=folder or desk.path)

    async def run() -> None:
        async with Client(server) as client:
            await script(client)

    asyncio.run(run())


async def call(client: Client, tool: str, **words: Any) -> Any:
    answer = await client.call_tool(tool, words)
    assert not answer.is_error, answer
    return answer.structured_content


@pytest.mark.slow
def test_every_tool_is_listed_and_called(desk: Desk, output: Path) -> None:
    async def lead(client: Client) -> None:
        tools = (await client.list_tools()).tools
        assert len(tools) <= 10
        assert all(tool.description and tool.input_schema["type"] == "object" and tool.output_schema for tool in tools)
        assert not any("actor" in tool.input_schema["properties"] for tool in tools)
        made = await call(client, "add_task", title="One", assign="dev", priority="high", tags=["a"])
        assert made["result"]["operations"][0]["target"] == "T-1"
        await call(client, "add_task", title="Two", depends_on=["T-1"])
        refused = (await call(client, "move_task", task="T-1", to="in-progress"))["refused"]
        assert refused["code"] == "RIGHT_MISSING" or refused["code"] == "NOT_ASSIGNEE"
        assert {"message", "hint", "exit", "retryable"} < set(refused)

    async def dev(client: Client) -> None:
        assert [row["id"] for row in (await call(client, "list_tasks", waiting_for="dev"))["result"]] == ["T-1", "T-2"]
        steps = (await call(client, "next_task"))["result"]
        assert steps[0]["command"] == "opsgit task start T-1 --as dev"
        taken = (await call(client, "next_task", claim=True))["result"]
        assert (taken["task"]["id"], taken["task"]["status"]) == ("T-1", "in-progress")
        await call(client, "comment", task="T-1", text="half", progress=True)
        await call(client, "comment", task="T-1", text="hm")
        done = await call(client, "move_task", task="T-1", to="review", output=str(output), note="please")
        assert done["result"]["operations"][-1]["op"] == "review.request"
        assert (await call(client, "decide", task="T-1", verdict="approve"))["refused"]["code"] == "SELF_REVIEW"

    async def qa(client: Client) -> None:
        assert [item["about"] for item in (await call(client, "inbox"))["result"]] == ["T-1"]
        assert (await call(client, "review"))["result"][0]["task"] == "T-1"
        page = (await call(client, "review", task="T-1"))["result"]
        assert any("result.txt" in line for line in page["diff"])
        await call(client, "comment", task="T-1", text="why?", at="result.txt:1", blocking=True)
        assert (await call(client, "decide", task="T-1", verdict="approve"))["refused"]["code"] == "THREAD_OPEN"
        await call(client, "decide", task="T-1", verdict="resolve", thread="1-1")
        await call(client, "decide", task="T-1", verdict="approve", reason="good")
        shown = (await call(client, "show_task", task="T-1"))["result"]
        assert shown["task"]["status"] == "done"
        assert shown["rounds"][0]["review"]["comments"][0]["text"] == "why?"
        assert (await call(client, "use_quota", name="q_daily"))["result"]["left"] == 5
        assert (await call(client, "use_quota", name="q_daily", amount=9))["refused"]["code"] == "QUOTA_EXCEEDED"

    desk.ok("quota", "set", "q_daily", "--limit", "5")
    for name, script in (("orchestrator", lead), ("dev", dev), ("qa", qa)):
        play(desk, name, script, output)
    assert desk.status() == "done"
    assert desk.ok("verify").exit == 0
    by = [entry["by"] for entry in desk.ok("history", "T-1", "--json").json["history"]]
    assert by[0] == "orchestrator" and by[1] == "dev" and by[-1] == "qa"


@pytest.mark.slow
def test_resources_and_prompts(in_review: Desk) -> None:
    async def script(client: Client) -> None:
        assert {str(one.uri) for one in (await client.list_resources()).resources} == {
            "opsgit://board",
            "opsgit://prime",
        }
        (template,) = (await client.list_resource_templates()).resource_templates
        assert template.uri_template == "opsgit://task/{task}"
        board = (await client.read_resource("opsgit://board")).contents[0].text
        assert "T-1" in board
        task = json.loads((await client.read_resource("opsgit://task/T-1")).contents[0].text)
        assert task["status"] == "review"
        assert "You are qa" in (await client.read_resource("opsgit://prime")).contents[0].text
        prompts = (await client.list_prompts()).prompts
        assert {one.name for one in prompts} == {"orchestrate", "work", "review", "deploy", "observe"}
        said = await client.get_prompt("review")
        assert "opsgit review show ID" in said.messages[0].content.text

    play(in_review, "qa", script)


def test_the_agent_is_fixed_at_the_start(desk: Desk) -> None:
    assert desk.refused("mcp") == "IDENTITY_REQUIRED"
    assert desk.refused("mcp", "--as", "stranger") == "NOT_FOUND"


def test_without_the_extra(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def missing(name: str, *rest: Any) -> Any:
        if name == "mcp" or name.startswith("mcp."):
            raise ModuleNotFoundError("No module named 'mcp'", name="mcp")
        return real(name, *rest)

    monkeypatch.delitem(sys.modules, "opsgit.mcp_server", raising=False)
    monkeypatch.setattr(builtins, "__import__", missing)
    monkeypatch.delattr("opsgit.mcp_server", raising=False)
    result = desk.run("mcp", "--as", "dev")
    assert result.exit == 9
    assert "try: pip install 'opsgit[mcp]'" in result.err


@pytest.mark.slow
def test_what_a_client_cannot_do(desk: Desk) -> None:
    async def script(client: Client) -> None:
        for place in ("/etc/passwd", "../../x"):
            refused = (await call(client, "move_task", task="T-1", to="review", output=place))["refused"]
            assert refused["code"] == "BAD_VALUE"
            assert "is not in " in refused["message"]
        (desk.path / "link").symlink_to("/etc")
        assert "refused" in await call(client, "move_task", task="T-1", to="review", output="link/passwd")
        answer = await client.call_tool("list_tasks", {"status": ["x"]})
        assert answer.is_error
        assert "backlog" in str(answer)

    desk.ok("task", "add", "--title", "one", "--assign", "dev")
    desk.ok("task", "start", "T-1")
    play(desk, "dev", script)
    assert desk.status() == "in-progress"


def test_half_a_character_is_answered(desk: Desk) -> None:
    answer = mcp_server.Desk(desk.path, "dev").show_task("\ud800")
    assert answer["refused"]["code"] == "BAD_ID"
    assert json.dumps(answer, ensure_ascii=False).encode()


def test_the_statuses_of_the_tools_are_those_of_the_rule_book() -> None:
    assert get_args(mcp_server.Status) == STATUSES
