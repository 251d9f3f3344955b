"""Help: every command explains itself with an example that parses; every code is documented."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from opsgit.cli.help import TOPICS, text
from opsgit.cli.main import main, opsgit
from opsgit.domain.refusals import CODES, EXITS
from opsgit.domain.rules import VERSIONS


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        assert found
        if found.hidden:
            continue
        yield (*path, name), found
        if isinstance(found, click.Group):
            yield from commands(found, (*path, name))


ALL = dict(commands(opsgit))


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_each_command_has_help_with_an_example_that_parses(path: tuple[str, ...]) -> None:
    command = ALL[path]
    assert command.help
    assert command.epilog and "Example:" in command.epilog
    example = command.epilog.split("Example:\n")[1].split("\n")[0].strip()
    words = shlex.split(re.split(r" [>&|]", example)[0])
    assert words[0] == "opsgit"
    assert tuple(words[1 : 1 + len(path)]) == path or isinstance(command, click.Group)
    target = next(p for p in (tuple(words[1:3]), tuple(words[1:2])) if p in ALL)
    ALL[target].make_context("opsgit", words[1 + len(target) :], resilient_parsing=False)


@pytest.mark.parametrize(
    "path",
    [p for p, c in ALL.items() if not isinstance(c, click.Group) and p not in (("help",), ("completion",))],
    ids=" ".join,
)
def test_each_command_takes_the_common_options(path: tuple[str, ...]) -> None:
    options = {option for parameter in ALL[path].params for option in parameter.opts}
    assert "--json" in options
    assert (
        path[0] == "setup"
        or path in {("init",), ("demo",), ("clone",), ("join",), ("server", "init"), ("server", "install")}
        or {"-C", "--as"} <= options
    )


@pytest.mark.parametrize("topic", TOPICS)
def test_each_topic_is_there(topic: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["help", topic]) == 0
    assert capsys.readouterr().out.startswith("#")


def test_every_code_and_exit_is_documented() -> None:
    words = text("exit-codes")
    for name, code in CODES.items():
        assert f"| `{name}` | {code.exit} | {code.meaning} |" in words
    assert all(f"| {number} | {meaning} |" in words for number, meaning in EXITS.items())


def test_every_operation_and_gate_is_in_the_lifecycle_topic() -> None:
    words = text("lifecycle")
    for one in VERSIONS[1].operations.values():
        assert f"| {one.name} |" in words
        assert "; ".join(one.gates) in words
    assert "{" not in words


def test_every_code_is_used(request: pytest.FixtureRequest) -> None:
    source = "".join(
        path.read_text() for path in (request.config.rootpath / "opsgit").rglob("*.py") if path.name != "refusals.py"
    )
    assert [code for code in CODES if not re.search(rf'"{code}"', source)] == []


def test_typing_opsgit_helps(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert "opsgit demo" in capsys.readouterr().out
    assert main(["help"]) == 0
    assert "lifecycle" in capsys.readouterr().out
    assert main(["help", "task"]) == 0
    assert "submit" in capsys.readouterr().out


def test_the_man_page_is_current(capsys: pytest.CaptureFixture[str]) -> None:
    """Made anew by: opsgit help --man > opsgit/man/opsgit.1"""
    assert main(["help", "--man"]) == 0
    kept = (Path(__file__).parents[2] / "opsgit/man/opsgit.1").read_text()
    assert capsys.readouterr().out == kept
    for path in ALL:
        assert f".SS opsgit {' '.join(path)} ".replace("-", "\\-") in kept


def test_the_man_page_has_no_fault_for_its_formatter() -> None:
    if shutil.which("groff") is None:
        pytest.skip("groff is not installed")
    page = Path(__file__).parents[2] / "opsgit/man/opsgit.1"
    done = subprocess.run(["groff", "-man", "-ww", "-Tutf8", "-Kutf8", str(page)], capture_output=True, check=True)
    assert done.stderr == b""


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("tsak list", "task"),
        ("task shwo T-1", "show"),
        ("review aprove T-1", "approve"),
        ("help lifecylce", "lifecycle"),
    ],
)
def test_did_you_mean(words: str, meant: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words.split()) in (2, 3)
    said = capsys.readouterr().err
    assert "Did you mean" in said
    assert f"'{meant}'" in said
    assert main(["qqqqqq"]) == 2
    assert "Did you mean" not in capsys.readouterr().err
