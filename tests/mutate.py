"""Turns the judge's rules off one by one, and demands that a test fails each time: `python tests/mutate.py`.

A rule is a statement that refuses: a call of `refuse`, one of `wrong` (which notes a finding), a raised refusal. Each
is found in the source, replaced by nothing in a copy of the project, and the tests that are about it are run there, in
a virtual environment that has this copy. A rule whose removal no test notices is printed, and the exit is 1.
"""

from __future__ import annotations

import argparse
import ast
import concurrent.futures
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import venv
from collections.abc import Iterator
from pathlib import Path

TOP = Path(__file__).parent.parent
# The judge: the rule book and what rebuilds, compares and chains. The command line's own checks are not in here.
JUDGES = ("domain/tasks.py", "domain/reviews.py", "domain/deployments.py", "domain/agents.py", "domain/project.py", "domain/quotas.py",
          "domain/observations.py", "domain/imports.py", "domain/authority.py", "domain/policy.py", "domain/context.py", "domain/decide.py",
          "domain/message.py", "domain/rebuild.py", "verification/replay.py", "verification/chain.py", "verification/verifier.py",
          "verification/push.py", "storage/objects.py", "storage/reader.py", "storage/schema.py")  # fmt: skip
# Tests by how soon they tell: the first that fails ends a mutant's life.
BY_RULES = (["tests/domain/test_gates.py", "tests/domain/test_quotas.py"], ["tests/domain"])
BY_DOORS = (
    ["tests/attacks/test_attacks.py", "-m", ""],
    ["tests/attacks/test_history.py"],
    ["tests/operations/test_server.py"],
)
REST = (["tests/operations/test_replay.py", "tests/operations/test_measuring.py", "tests/operations/test_hooks.py"],
        ["tests/cli/test_hostile.py", "tests/cli/test_robust.py"])  # fmt: skip


def rules(path: Path) -> Iterator[tuple[int, int, str]]:
    """First line, last line and name of each statement that refuses."""
    for node in ast.walk(ast.parse(path.read_text())):
        code = _code(node)
        if code:
            if "# doubled:" in path.read_text().split("\n")[node.lineno - 2]:
                continue  # a rule that stands twice on purpose: the other one refuses first, and says so there
            yield node.lineno, node.end_lineno or node.lineno, f"{path.name}:{node.lineno} {code}"


def _code(node: ast.AST) -> str:
    """What a statement that refuses says first; nothing for any other."""
    if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
        return ast.unparse(node.exc)
    called = node.value if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) else None
    name = getattr(called.func, "id", getattr(called.func, "attr", "")) if called else ""
    return ast.unparse(called.args[0]) if called and name in ("refuse", "wrong") else ""


def without(source: str, first: int, last: int) -> str:
    lines = source.split("\n")
    indent = lines[first - 1][: len(lines[first - 1]) - len(lines[first - 1].lstrip())]
    return "\n".join([*lines[: first - 1], f"{indent}pass", *lines[last:]])


def noticed(relative: str, first: int, last: int) -> str:
    """What the first test says that fails with the rule turned off (with lines 0 to 0: with nothing); else nothing."""
    with tempfile.TemporaryDirectory(prefix="opsgit-mutant-") as box:
        os.chmod(box, 0o755)  # some tests run commands as another user
        copy = Path(box) / "opsgit-copy"
        unwanted = shutil.ignore_patterns(".git", ".venv", ".hypothesis", "__pycache__", "*.egg-info")
        shutil.copytree(TOP, copy, ignore=unwanted)
        file = copy / "opsgit" / relative
        if first:
            file.write_text(without(file.read_text(), first, last))
        python = _environment(Path(box) / "venv", copy)
        order = (*BY_RULES, *BY_DOORS, *REST) if relative.startswith("domain") else (*BY_DOORS, *BY_RULES, *REST)
        return next(filter(None, (_failure(python, copy, tests) for tests in order)), "")


def _environment(place: Path, copy: Path) -> Path:
    """The python of a virtual environment with this copy of opsgit, so that a server's hook (`-I`) runs it too."""
    venv.create(place, symlinks=True)
    python = place / "bin/python"
    folder = subprocess.check_output(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], text=True
    )
    Path(folder.strip(), "copy.pth").write_text(f"{copy}\n{sysconfig.get_path('purelib')}\n")
    return python


def _failure(python: Path, copy: Path, tests: list[str]) -> str:
    command = [python, "-m", "pytest", "-q", "-x", "-n", "0", "-p", "no:cacheprovider", *tests]
    env = {**os.environ, "HYPOTHESIS_PROFILE": "quick"}
    done = subprocess.run(command, cwd=copy, env=env, capture_output=True, text=True, check=False)
    return done.stdout[-3000:] + done.stderr[-1000:] if done.returncode else ""


def main() -> int:
    """Run all mutants, every n-th (`--every N`), or those of some files (`--in operations/`); print the survivors."""
    asked = argparse.ArgumentParser()
    asked.add_argument("--every", type=int, default=1)
    asked.add_argument("--in", dest="place", default="")
    given = asked.parse_args()
    judges = [relative for relative in JUDGES if relative.startswith(given.place)]
    found = [(relative, *rule) for relative in judges for rule in rules(TOP / "opsgit" / relative)][:: given.every]
    wrong = noticed(JUDGES[0], 0, 0)
    if wrong:
        print(f"{wrong}\nthe tests fail with no rule turned off: nothing can be said")
        return 1
    alive = []
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for (relative, _, _, name), said in zip(found, pool.map(lambda r: noticed(*r[:3]), found), strict=True):
            if not said:
                alive.append(f"{relative} {name}")
                print(f"SURVIVES  {name}", flush=True)
    print(f"{len(found)} rules turned off one by one; {len(alive)} not noticed by any test")
    return 1 if alive else 0


if __name__ == "__main__":
    sys.exit(main())
