"""What a command imports: a command that agents run all the time must not load what only others need."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.conftest import Desk

# Modules that take 2 ms or more to import, alone or with what they import.
COSTLY = frozenset(
    {"hashlib", "subprocess", "tempfile", "multiprocessing", "statistics", "cryptography", "git", "ruamel", "jsonschema", "markdown_it",
     "opsgit.domain.model", "opsgit.domain.rules", "opsgit.storage.objects", "opsgit.operations.transactions", "opsgit.operations.trust",
     "opsgit.verification", "opsgit.web", "opsgit.api"}
)  # fmt: skip
RULES = {"opsgit.domain.model", "opsgit.domain.rules"}
SIGNS = {
    "hashlib",
    "subprocess",
    "cryptography",
    "opsgit.storage.objects",
    "opsgit.operations.transactions",
    "opsgit.operations.trust",
}
MAY = {
    "--version": set[str](),
    "task list": set[str](),
    "task list --all --sort updated --tag a": set[str](),
    "task show T-1": {"opsgit.domain.model"},
    "quota check q --as dev": {"opsgit.domain.model"},
    "task next --as dev": RULES,
    "inbox --as dev": RULES,
    "prime --as dev": RULES | {"hashlib", "subprocess", "opsgit.storage.objects"},  # the project's own words are in the tree
    "board": {"opsgit.domain.model"},
    "dashboard": RULES,
    "task start T-1": RULES | SIGNS,
    "task edit T-1 --title other": RULES | SIGNS,
    "quota use q --as dev": RULES | SIGNS,
}  # fmt: skip
SCRIPT = """
import sys
from opsgit.cli.main import main
assert main(sys.argv[1:]) == 0
print(" ".join(sys.modules), file=sys.stderr)
"""


@pytest.mark.parametrize("words", MAY)
def test_a_command_imports_what_it_may(desk: Desk, words: str) -> None:
    desk.ok("quota", "set", "q", "--limit", "5", "--period", "daily")
    desk.ok("task", "add", "--title", "one", "--assign", "dev")
    command = [sys.executable, "-c", SCRIPT, "-C", str(desk.path), *words.split()]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    loaded = {name for name in done.stderr.split("\n")[-2].split() if name in COSTLY}
    assert loaded <= MAY[words], f"{words} imports {sorted(loaded - MAY[words])} too"
