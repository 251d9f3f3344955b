"""Whatever is given to a command or stands in a file: the answer is never a bug of opsgit (exit 1)."""

from __future__ import annotations

import copy
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opsgit.cli.main import main, opsgit
from opsgit.domain.names import ENTITIES
from opsgit.storage import yaml_codec
from tests.conftest import git

QUICK = os.environ.get("HYPOTHESIS_PROFILE") == "quick"
LONG = settings(
    deadline=None,
    max_examples=100 if QUICK else 500,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
VALUES = [
    "", " ", "x", "T-1", "T-2", "A-1", "dev", "qa", "boss", "q", "m", "0", "-1", "1", "9" * 400, "1e999", "nan", "-inf", "0x10", "1_000",
    "999999d", "999999w", "-1h", "2026-01-01", "9999-12-31", "0000-00-00", "a..b", "main..main", "..", "HEAD^{tree}", "main~1", "@{-1}",
    "\n", "a\nb", "\x00", "\x1b[31m", "\u202e", "\ud800", "é" * 300, "{", "[1, 2]", "{a: b}", "*x", "&a 1", "!!python/object:x {}", "null",
    "true", "../..", "/proc", "/dev/null", "/proc/self/mem", "ext::sh -c id", "--help", "commit: HEAD", "done", "DONE", "review", "high",
    "orchestrator", "daily", "ssh-ed25519 AAAA", "x" * 5000, "x=1", "deploy.command", "roles.x", "stale.done", "pipeline",
]  # fmt: skip
# demo runs for long; serve-like and internal commands read from git; init and clone make folders anywhere.
ENDLESS = {"watch", "every"}  # options with which a command goes on until a signal
APART = {"mcp", "serve", "demo", "hooks run", "server judge", "init", "clone", "server init", "agent checkout"}


def commands(group: click.Group, path: str = "") -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        assert found
        whole = f"{path}{name}"
        yield from commands(found, f"{whole} ") if isinstance(found, click.Group) else [(whole, found)]


COMMANDS = {path: command for path, command in commands(opsgit) if path not in APART}


def in_words(parameter: click.Parameter, value: str) -> list[str]:
    """A parameter with a value, as it is typed."""
    if isinstance(parameter, click.Option):
        return [parameter.opts[0]] if parameter.is_flag or parameter.count else [parameter.opts[0], value]
    return [value]


def one_by_one(command: click.Command) -> Iterator[list[str]]:
    """Each parameter with each value, beside those that are required."""
    for parameter in command.params:
        if parameter.name in ENDLESS:
            continue
        others = [
            word
            for other in command.params
            if other.required and other is not parameter
            for word in in_words(other, "T-1")
        ]
        words = dict.fromkeys(tuple(in_words(parameter, value)) for value in VALUES)  # a flag takes no value
        yield from ([*others, *one] for one in words)


def given_words(command: click.Command) -> st.SearchStrategy[list[str]]:
    """Any of a command's options and arguments, with any value."""
    parts: list[st.SearchStrategy[list[str]]] = []
    for parameter in command.params:
        if parameter.name in ENDLESS:
            continue
        one = st.sampled_from([in_words(parameter, value) for value in VALUES])
        parts.append(one if parameter.required else st.just([]) | one)
    return st.tuples(*parts).map(lambda lists: [word for words in lists for word in words])


ASKED = st.sampled_from(sorted(COMMANDS)).flatmap(
    lambda path: given_words(COMMANDS[path]).map(lambda words: [*path.split(" "), *words])
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A state repository with something of everything, and a home of its own."""
    box = tmp_path_factory.mktemp("fuzz")
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("GIT_", "OPSGIT_", "OPS_", "XDG_"))]:
            patch.delenv(name)
        patch.setenv("HOME", str(box))
        patch.setenv("XDG_DATA_HOME", str(box / "data"))
        patch.setenv("XDG_STATE_HOME", str(box / "pins"))
        patch.chdir(box)
        at = ["-C", str(box / "state")]
        assert main(["init", "--project", "p", "--state-dir", str(box / "state"), "--orchestrator", "boss"]) == 0
        for name, role in (("dev", "developer"), ("qa", "reviewer"), ("ship", "deployer"), ("eye", "observer")):
            assert main([*at, "agent", "add", name, "--role", role]) == 0
        for words in (
            ["task", "add", "--title", "one", "--assign", "dev"], ["task", "add", "--title", "two"], ["task", "start", "T-1"],
            ["quota", "set", "q", "--limit", "3", "--period", "daily"], ["metric", "set", "m", "1", "--as", "eye"],
            ["alert", "raise", "--message", "m", "--as", "eye"],
        ):  # fmt: skip
            assert main([*at, *words]) == 0
        yield box


@pytest.mark.slow
@pytest.mark.parametrize("path", sorted(COMMANDS))
def test_no_value_of_one_option_makes_a_command_fail_as_a_bug(place: Path, path: str) -> None:
    os.chdir(place)
    for words in one_by_one(COMMANDS[path]):
        assert main(["-C", str(place / "state"), *path.split(" "), *words]) != 1, words


@pytest.mark.slow
@LONG
@given(words=ASKED)
def test_no_words_make_a_command_fail_as_a_bug(place: Path, words: list[str]) -> None:
    os.chdir(place)
    assert main(["-C", str(place / "state"), *words]) != 1, words


LEAVES: list[Any] = [
    None, True, -1, 0, 2**60, 1.5, "", "x", "T-1", "dev", "2026-01-01T00:00:00Z", "9999-99-99T00:00:00Z", "h1:x", "h1:" + "A" * 43 + "=",
    "done", "review", "active", "a\nb", [], ["x"], {}, {"x": 1}, [{"by": "dev"}], "é" * 50,
]  # fmt: skip


def spots(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield (*path, key)
        yield from spots(inner, (*path, key))


def changed(record: Any, spot: tuple[Any, ...], leaf: Any, remove: bool) -> Any:
    made = copy.deepcopy(record)
    here = made
    for key in spot[:-1]:
        here = here[key]
    if remove:
        del here[spot[-1]]
    else:
        here[spot[-1]] = leaf
    return made


FILES = {
    "task": "tasks/t1/T-1.yaml", "agent": "agents/dev.yaml", "quota": "quotas/q.yaml", "metric": "metrics/m.yaml",
    "alert": "alerts/A-1.yaml", "project": "ops.yaml",
}  # fmt: skip


def test_every_kind_of_file_is_among_them() -> None:
    assert set(FILES) == set(ENTITIES)


@pytest.mark.slow
@settings(LONG, max_examples=30 if QUICK else 150)
@given(kind=st.sampled_from(sorted(FILES)), data=st.data())
def test_no_content_of_a_file_makes_a_command_fail_as_a_bug(place: Path, kind: str, data: st.DataObject) -> None:
    """A record with one value changed is committed past the hooks, and everything is asked about it."""
    state = place / "state"
    tip = git(state, "rev-parse", "main").strip()
    content = git(state, "show", f"main:{FILES[kind]}")
    record = json.loads(json.dumps(yaml_codec.parse(content.encode(), FILES[kind])))
    spot = data.draw(st.sampled_from(list(spots(record))))
    made = changed(record, spot, data.draw(st.sampled_from(LEAVES)), data.draw(st.booleans()))
    blob = subprocess.run(
        ["git", "-C", str(state), "hash-object", "-w", "--stdin"], input=json.dumps(made), capture_output=True, text=True, check=True
    ).stdout.strip()  # fmt: skip
    env = {**os.environ, "GIT_INDEX_FILE": str(place / "index")}
    git(state, "read-tree", "main", env=env)
    git(state, "update-index", "--cacheinfo", f"100644,{blob},{FILES[kind]}", env=env)
    tree = git(state, "write-tree", env=env).strip()
    bad = git(state, "-c", "user.name=x", "-c", "user.email=x@x", "commit-tree", tree, "-p", tip, "-m", "x").strip()
    try:
        git(state, "update-ref", "refs/heads/main", bad)
        for words in (["verify"], ["task", "list"], ["task", "show", "T-1"], ["dashboard"], ["report"], ["monitor"], ["history"],
                      ["task", "next", "--as", "dev"], ["whoami"], ["quota", "check"], ["doctor"], ["task", "start", "T-2"],
                      ["compile"], ["agent", "show", "dev"], ["project", "show"]):  # fmt: skip
            assert main(["-C", str(state), *words]) != 1, (words, spot, made)
    finally:
        git(state, "update-ref", "refs/heads/main", tip)


JSON = st.recursive(
    st.sampled_from([None, True, 0, -1, 10**400, 1.5, "", "x", "done", "dev", "2024-03-13T00:00:00Z", "daily", "\ud800"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["tasks", "agents", "quotas", "metrics", "alerts", "status", "history", "assigned", "limit", "used", "at", "T-9", "x"]),
        inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@pytest.mark.slow
@settings(LONG, max_examples=30 if QUICK else 150)
@given(content=JSON | st.text(max_size=50))
def test_nothing_that_is_imported_makes_it_fail_as_a_bug(place: Path, content: Any) -> None:
    file = place / "import.json"
    file.write_bytes(
        content.encode("utf-8", "surrogatepass") if isinstance(content, str) else json.dumps(content).encode()
    )
    assert main(["-C", str(place / "state"), "import", str(file)]) != 1, content
