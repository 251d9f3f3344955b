"""Turns the judge's rules off one by one, and demands that a test fails each time: `python -m tests.mutate`.

A rule is one of four things in the source of the judge:

- a statement that refuses: a call of `refuse`, one of `wrong` (which notes a finding), a raised refusal. It becomes
  nothing;
- the condition of an `if` whose body does nothing but refuse, where it is an `and` or `or`: each of its parts is left
  out;
- an entry of a row in the catalogue (a status, a target, a way to be allowed, a gate, an argument) or of the tables of
  relations and gates: it is left out;
- a rule in an expression, named by hand in `HAND`: the quick tests alone must notice those.

Each is changed in a copy of the project, and tests are run there, in a virtual environment that has this copy: first
those of the quick tests that reach the changed lines, as `pytest -q --cov --cov-context=test` has recorded them in
`.coverage`, then all that may be about it. A rule is noticed when a test fails that passes with nothing changed. A
copy that cannot be imported is counted apart: nobody could run it, but no test has noticed anything. A change that no
test notices is printed, and the exit is 1.
"""

from __future__ import annotations

import argparse
import ast
import concurrent.futures
import copy as copies
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import venv
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

TOP = Path(__file__).parent.parent
# The judge: the rule book and what rebuilds, compares and chains. The command line's own checks are not in here.
DOMAIN = ("gates", "authority", "standing", "tasks", "reviews", "deployments", "agents", "project", "quotas", "observations", "imports", "policy",
          "context", "operation", "decide", "rules", "message", "rebuild", "records", "names", "text", "times", "schemas")  # fmt: skip
DOORS = ("verification/replay", "verification/attachments", "storage/attachment", "verification/chain", "verification/verifier", "verification/push", "verification/server",
         "storage/objects", "storage/reader", "storage/schema", "storage/yaml_codec", "storage/sshsig", "storage/git", "storage/keys",
         "storage/branch", "storage/ledger", "storage/signed", "storage/deliverable", "storage/pins")  # fmt: skip
JUDGES = (*(f"domain/{name}.py" for name in DOMAIN), *(f"{name}.py" for name in DOORS))
CATALOGUE = "domain/catalogue.py"
BY_HAND = "by hand"
# The file, its text, and what that text becomes.
HAND = (
    ("domain/quotas.py", "at >= quota.reset_at or", "at > quota.reset_at or"),
    ("domain/quotas.py", "or hopped(quota, at)", ""),
    ("domain/quotas.py", "replace(current(old, context.at), limit=limit", "replace(old, limit=limit"),
    ("domain/gates.py", "and other.active_keys", ""),
    ("domain/tasks.py", "review=review, deployment=None)", "review=review)"),
    ("domain/dependencies.py", "MET = (DONE, DEPLOYED)", 'MET = (DONE, DEPLOYED, "cancelled")'),
    ("domain/gates.py", '    if context.request.get("alert"):\n', "    if False:\n"),
    ("domain/decide.py", "canonical.ROOM[operation.room]", "canonical.SIZE_MAX"),
    ("domain/standing.py", "        revised = revised or action.op == REVISE\n", ""),
    ("domain/standing.py", "agent.name == thread.by or ", ""),
    ("domain/standing.py", ", *(name for _, name in relied)", ""),
    ("domain/tasks.py", "if one.blocking and not _is_over(context, one)", "if one.blocking and not one.resolved"),
    ("domain/tasks.py", "stay = {one.id for one in comments if one.blocks}", "stay = set()"),
    ("domain/authority.py", "open_stage(task) == last and missing(task, last) <= 1", "open_stage(task) == last"),
    ("domain/standing.py", "and not snapshot.reader.reaches(commit, after)", ""),
    ("domain/standing.py", "snapshot.reader.reaches(commit, until) and", ""),
    ("domain/agents.py", "if any(reaches(one, since) for one in key.since):", "if False:"),
    ("domain/message.py", 'trailers.append(f"Opsgit-Id: {change.request.id}")', 'trailers.append("Opsgit-Id: x")'),
    ("verification/chain.py", "            latest = at\n", ""),
    ("verification/chain.py", "return mine == now != before", "return mine == now"),
    ("verification/chain.py", "                    self.ahead.clear()\n", "                    pass\n"),
    ("verification/replay.py", "for parent in commit.parents if", "for parent in commit.parents[:1] if"),
    ("verification/replay.py", " and self.objects.id_of(before, found) == commit.tree else None", " else None"),
    ("verification/replay.py", "        if not whole:\n", "        if False:\n"),
    ("verification/replay.py", "                self._blame_form(pairs)\n", "                pass\n"),
    ("verification/chain.py", "            self.judge.in_form(path, entry)\n", ""),
    ("verification/chain.py", "        if part.reset:\n", "        if False:\n"),
    ("verification/chain.py", "        self.ahead += part.ahead\n", ""),
    ("verification/chain.py", "        for one in part.findings:\n", "        for one in ():\n"),
    ("storage/canonical_reader.py", " and written == lines else None", " else None"),
    ("verification/push.py", "if same and tip not in", "if False and tip not in"),
    ("verification/push.py", "        self._sweep()\n", ""),
    ("storage/attachment.py", "or not _is_usual(name)", ""),
    ("verification/chain.py", '== "task" for path', '!= "x" for path'),
    ("verification/push.py", "            self._signed_by_pusher(commit)\n", ""),
    ("verification/server.py", "if len(ids) > OBJECTS_MAX:", "if False:"),
    ("verification/server.py", "if int(size) > limit:", "if int(size) > limit and kind != 'tree':"),
    ("verification/server.py", "if refs(repository.git) == seen:", "if True:"),
    ("storage/checkout.py", "self._write_mark(tip, index)", "pass"),
    ("storage/git.py", '    "GIT_NO_REPLACE_OBJECTS": "1",\n', ""),
    ("storage/git.py", '    "GIT_GRAFT_FILE": os.devnull,\n', ""),
    ("storage/git.py", '    "GIT_NO_LAZY_FETCH": "1",\n', ""),
    ("storage/git.py", '    "GIT_ALLOW_PROTOCOL": "",\n', ""),
    ("storage/git.py", '    "core.commitGraph=false",', '    "core.commitGraph=true",'),
    ("storage/objects.py", "durable=True, aside=aside", "durable=False, aside=aside"),
    ("storage/objects.py", "        for folder in folders:\n            sync_folder(folder)\n", ""),
    ("storage/packs.py", "        sync_folder(target)\n        sync_folder(target.parent)\n", ""),
    ("storage/packs.py", '"-c", "core.fsync=all", "index-pack"', '"index-pack"'),
    ("storage/ledger.py", '("-c", "core.fsync=all", "update-ref"', '("update-ref"'),
    ("storage/pins.py", "mode=0o600, durable=True)", "mode=0o600)"),
    ("storage/pins.py", "        sync_folder(self.path.parent)\n", ""),
    ("storage/deliverable.py", "os.O_RDONLY | os.O_NOFOLLOW |", "os.O_RDONLY |"),
    ("storage/deliverable.py", " | os.O_NONBLOCK)", ")"),
    ("storage/index.py", "            waiting.forget_line(self.base, touched)", "            pass"),
    ("storage/waiting.py", "    forget_line(base, known)\n", ""),
    ("domain/audit.py", "deed.by != deed.about and not (founding and deed.op in FOUNDING)", "deed.by != deed.about"),
    ("domain/audit.py", "if deed.by != deed.about and not", "if not"),
    ("domain/audit.py", "signed = (*deed.signers, (deed.by, deed.at))", "signed = ((deed.by, deed.at),)"),
    ("domain/audit.py", "            self.founded = None\n", ""),
    ("domain/audit.py", "and at - self.known[name].at <= DAY", "and deed.at - self.known[name].at <= DAY"),
    ("verification/verifier.py", "untold = self.verdict.notices if ahead else []", "untold = list[str]()"),
    ("verification/chain.py", "        self.deeds += part.deeds\n", ""),
    ("verification/verifier.py", "{} if since else self.pin.introduced", "{}"),
    ("storage/sshsig.py", "fits = blob == whole", "fits = True or blob == whole"),
    ("storage/keys.py", "if key.public_key().public_bytes_raw() != found[1]:", "if False:"),
)
# Tests by how soon they tell: the first that fails ends a mutant's life.
BY_RULES = (
    ["tests/domain/test_gates.py", "tests/domain/test_quotas.py", "tests/domain/test_lifecycle.py"],
    ["tests/domain"],
)
BY_DOORS = (
    ["tests/attacks/test_attacks.py", "-m", ""],
    ["tests/attacks/test_history.py"],
    ["tests/operations/test_server.py", "tests/operations/test_hooks.py", "-m", ""],
)
REST = (["tests/storage", "tests/ledgers"], ["tests/operations"], ["tests/cli"])


FAILED = re.compile(r"^FAILED (\S+(?:\[.*?\])?)(?: - |$)", re.MULTILINE)
HANGS = 450  # seconds; without a change no group of tests takes half of that
ARGUMENTS, REACHED = 40, 120  # tests in one run of pytest, and in all


class Mutant(NamedTuple):
    """A change of one file: its path below opsgit/, the changed source, what was changed, and the changed lines.

    `quick`: the quick tests alone must notice it.
    """

    path: str
    source: str
    name: str
    lines: range
    quick: bool = False


def mutants(relative: str) -> Iterator[Mutant]:
    """Every rule of a file, turned off."""
    if relative == BY_HAND:
        for path, old, new in HAND:
            source = (TOP / "opsgit" / path).read_text()
            assert source.count(old) == 1, (path, old)
            first = source[: source.index(old)].count("\n") + 1
            lines = range(first, first + old.count("\n") + 1)
            yield Mutant(path, source.replace(old, new), f"{BY_HAND}: {path}: {old.strip()}", lines, quick=True)
        return
    source = (TOP / "opsgit" / relative).read_text()
    if relative == CATALOGUE:
        yield from _entries(relative, source)
        return
    for node in ast.walk(ast.parse(source)):
        code = _code(node)
        if code and isinstance(node, ast.stmt) and "# doubled:" not in source.split("\n")[node.lineno - 2]:
            # a rule that stands twice on purpose is passed over: the other one refuses first, and says so there
            yield Mutant(relative, _without(source, node), f"{relative}:{node.lineno} {code}", _lines(node))
        if isinstance(node, ast.If) and _only_refuses(node):
            yield from _conditions(relative, source, node)


def _lines(node: ast.stmt) -> range:
    return range(node.lineno, (node.end_lineno or node.lineno) + 1)


def _code(node: ast.AST) -> str:
    """What a statement that refuses says first; nothing for any other."""
    if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
        return ast.unparse(node.exc)
    called = node.value if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) else None
    name = getattr(called.func, "id", getattr(called.func, "attr", "")) if called else ""
    return ast.unparse(called.args[0]) if called and called.args and name in ("refuse", "wrong") else ""


def _only_refuses(node: ast.If) -> bool:
    return len(node.body) == 1 and bool(_code(node.body[0]))


def _without(source: str, node: ast.stmt) -> str:
    lines = source.split("\n")
    return "\n".join([*lines[: node.lineno - 1], " " * node.col_offset + "pass", *lines[node.end_lineno :]])


def _conditions(relative: str, source: str, node: ast.If) -> Iterator[Mutant]:
    """The condition without each of its parts."""
    if not isinstance(node.test, ast.BoolOp) or "# doubled:" in source.split("\n")[node.body[0].lineno - 2]:
        return
    for number, part in enumerate(node.test.values):
        test = copies.deepcopy(node.test)
        del test.values[number]
        left = ast.unparse(test if len(test.values) > 1 else test.values[0])
        name = f"{relative}:{node.lineno} without {ast.unparse(part)}"
        yield Mutant(relative, _replaced(source, node.test, f"({left})"), name, _lines(node))


def _replaced(source: str, node: ast.expr, text: str) -> str:
    """The source with another text in the place of an expression (columns count bytes)."""
    lines = source.encode().split(b"\n")
    assert node.end_lineno and node.end_col_offset is not None
    head, tail = lines[node.lineno - 1][: node.col_offset], lines[node.end_lineno - 1][node.end_col_offset :]
    return b"\n".join([*lines[: node.lineno - 1], head + text.encode() + tail, *lines[node.end_lineno :]]).decode()


def _entries(relative: str, source: str) -> Iterator[Mutant]:
    """Every entry of the catalogue's rows, left out."""
    for call in ast.walk(ast.parse(source)):
        if not (isinstance(call, ast.Call) and getattr(call.func, "id", "") == "Operation"):
            continue
        op = ast.literal_eval(call.args[0])
        given = {"who": call.args[2], **{str(word.arg): word.value for word in call.keywords}}
        for field in ("who", "sources", "targets", "gates"):
            held = given.get(field)
            if isinstance(held, ast.Tuple):
                yield from _shorter(relative, source, held, f"{op} {field}")
        for field in ("room", "by_hand", "reaches", "on"):
            if field in given:
                changed = _replaced(source, given[field], DEFAULTS[field])
                yield Mutant(relative, changed, f"{op} without {field}", range(0))


DEFAULTS = {"room": "'steps'", "by_hand": "None", "reaches": "None", "on": "'ledger'"}


def _shorter(relative: str, source: str, held: ast.Tuple, what: str) -> Iterator[Mutant]:
    for number, part in enumerate(held.elts):
        rest = [ast.unparse(one) for at, one in enumerate(held.elts) if at != number]
        text = f"({', '.join(rest)}{',' if len(rest) == 1 else ''})"
        yield Mutant(relative, _replaced(source, held, text), f"{what} without {ast.unparse(part)}", range(0))


class BrokenError(Exception):
    """The changed copy cannot be imported."""


def noticed(mutant: Mutant | None) -> str:
    """What the first test says that fails with the change (None: with no change); else nothing.

    Raises `BrokenError`; RuntimeError if that test fails with nothing changed too.
    """
    with tempfile.TemporaryDirectory(prefix="opsgit-mutant-") as box:
        os.chmod(box, 0o755)  # some tests run commands as another user
        copy = Path(box) / "opsgit-copy"
        unwanted = shutil.ignore_patterns(".git", ".venv", ".hypothesis", "__pycache__", "*.egg-info", ".*_cache")
        shutil.copytree(TOP, copy, ignore=unwanted)
        if mutant:
            (copy / "opsgit" / mutant.path).write_text(mutant.source)
        python = _environment(Path(box) / "venv", copy)
        said = next(filter(None, (_failure(python, copy, tests) for tests in order_for(mutant))), "")
        if mutant and said:
            (copy / "opsgit" / mutant.path).write_text((TOP / "opsgit" / mutant.path).read_text())
            named = FAILED.findall(said)
            if named and _failure(python, copy, named):
                raise RuntimeError(f"{named} failed with {mutant.name}, and fails with nothing changed")
        return said


def order_for(mutant: Mutant | None) -> list[list[str]]:
    """The runs of tests, by how soon they tell: the rule book's for a rule of the domain, else those that reach it."""
    reached = reaching(mutant) if mutant else []
    near = [reached[at : at + ARGUMENTS] for at in range(0, len(reached), ARGUMENTS)]
    if mutant is None or mutant.path.startswith("domain"):
        order = [*BY_RULES, *near, *BY_DOORS, *REST]
    else:
        order = [*near, *BY_DOORS, *REST, *BY_RULES]
    quick = mutant is not None and mutant.quick
    return [[word for word in tests if word not in ("-m", "")] for tests in order] if quick else order


def reaching(mutant: Mutant) -> list[str]:
    """The quick tests that reach the changed lines, at most `REACHED` of them: those of few lines first, which are fast."""
    from coverage import CoverageData

    data = CoverageData(str(TOP / ".coverage"))
    data.read()
    file = str(TOP / "opsgit" / mutant.path)
    by_line = data.contexts_by_lineno(file)
    found = {context.partition("|")[0] for line in mutant.lines for context in by_line.get(line, ()) if context}
    here = Counter(context.partition("|")[0] for contexts in by_line.values() for context in contexts)
    return sorted(found, key=lambda test: (here[test], test))[:REACHED]


def _environment(place: Path, copy: Path) -> Path:
    """The python of a virtual environment with this copy of opsgit, so that a server's hook (`-I`) runs it too."""
    venv.create(place, symlinks=True)
    python = place / "bin/python"
    folder = subprocess.check_output(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], text=True
    )
    Path(folder.strip(), "copy.pth").write_text(f"{copy}\n{sysconfig.get_path('purelib')}\n")
    command = place / "bin/opsgit"  # some tests run the installed command
    command.write_text(f"#!{python}\nfrom opsgit.cli.main import run\n\nrun()\n")
    command.chmod(0o755)
    return python


def _failure(python: Path, copy: Path, tests: list[str]) -> str:
    """What failed; a run that ended otherwise than by a failed test (a crash, a usage error) is an error of ours."""
    command = [str(python), "-m", "pytest", "-q", "-x", "-n", "0", "-p", "no:cacheprovider", *tests]
    env = {**os.environ, "HYPOTHESIS_PROFILE": "quick"}
    try:
        done = subprocess.run(command, cwd=copy, env=env, capture_output=True, text=True, check=False, timeout=HANGS)
    except subprocess.TimeoutExpired:
        return f"the tests did not end within {HANGS} seconds"
    if done.returncode in (2, 4):
        raise BrokenError(done.stdout[-500:] + done.stderr[-500:])
    if done.returncode not in (0, 1):
        raise RuntimeError(f"pytest ended with {done.returncode}: {done.stdout[-2000:]}{done.stderr[-1000:]}")
    return done.stdout[-3000:] + done.stderr[-1000:] if done.returncode else ""


def main() -> int:
    """Run all mutants, every n-th (`--every N`), or those of some files (`--in domain/`); print the survivors."""
    asked = argparse.ArgumentParser()
    asked.add_argument("--every", type=int, default=1)
    asked.add_argument("--from", dest="first", type=int, default=0)
    asked.add_argument("--in", dest="place", default="")
    asked.add_argument("--list", action="store_true", help="Name the mutants and run none.")
    given = asked.parse_args()
    files = [relative for relative in (BY_HAND, CATALOGUE, *JUDGES) if relative.startswith(given.place)]
    found = [mutant for relative in files for mutant in mutants(relative)][given.first :: given.every]
    if given.list:
        print("\n".join(mutant.name for mutant in found))
        return 0
    if not (TOP / ".coverage").exists():
        print("first: pytest -q --cov --cov-context=test")
        return 2
    alive, broken = [], []
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        unchanged = pool.submit(noticed, None)
        running = [pool.submit(noticed, mutant) for mutant in found]
        for number, (mutant, future) in enumerate(zip(found, running, strict=True), 1):
            try:
                said = future.result()
            except BrokenError:
                said = "broken"
                broken.append(mutant.name)
                print(f"CANNOT BE IMPORTED  {mutant.name}", flush=True)
            print(f"{number} of {len(found)}  {mutant.name}", file=sys.stderr, flush=True)
            if not said:
                alive.append(mutant.name)
                print(f"SURVIVES  {mutant.name}", flush=True)
    if unchanged.result():
        print(f"{unchanged.result()}\nthe tests fail with nothing changed: nothing can be said")
        return 1
    print(
        f"{len(found)} rules turned off one by one; {len(alive)} not noticed by any test, {len(broken)} not importable"
    )
    return 1 if alive else 0


if __name__ == "__main__":
    sys.exit(main())
