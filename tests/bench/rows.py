"""The rows of the design's table that one process at a time makes."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.bench.measure import OPSGIT, START, SYNCED, Act, Row, Run, run, took

READS = {
    "task list": ("task", "list"),
    "task show": ("task", "show", "B-0"),
    "task next": ("task", "next", "--as", "dev0"),
    "quota check": ("quota", "check", "calls", "--as", "dev0"),
    "inbox": ("inbox", "--as", "dev0"),
}
OTHERS = {
    "task list --sort updated": ("task", "list", "--sort", "updated"),
    "task list --all --sort priority": ("task", "list", "--all", "--sort", "priority"),
    "board": ("board",),
    "history --limit 20": ("history", "--limit", "20"),
    "prime": ("prime", "--as", "dev0"),
    "report": ("report",),
}


def measure(run_: Run, sizes: tuple[int, int, int]) -> None:
    """Measure on ledgers of three sizes; 0 leaves one out. A budget is judged only where all three are there."""
    small, middle, large = sizes
    judged = bool(large)
    for size in (small, middle):
        place = run_.box / f"ledger-{size}"
        state = place if place.exists() else made(place, str(size))
        _all(run_, state, size, size == middle and judged)
        _compiling(run_, state, size, judged and size == middle)
        _verifying(run_, state, size, judged)
        _packed(run_, state, size, judged and size == middle)
    if large:
        state = _imported(run_, large)
        _all(run_, state, large, False)
        _flat(run_, middle, large)
        _verifying(run_, state, large, judged)


def made(place: Path, *words: str) -> Path:
    """Make a ledger in a process of its own: a process counts what its parent holds as its own peak."""
    run(sys.executable, "-m", "tests.bench.ledgers", str(place), *words)
    return place


def ops(state: Path, words: Sequence[str]) -> Act:
    return lambda _: (OPSGIT, "-C", str(state), *words)


def start(_: int) -> Sequence[str]:
    return START


def _all(run_: Run, state: Path, size: int, judged: bool) -> None:
    """Reads beside the start of Python with click and SQLite, and a move beside the same with git."""
    took(ops(state, READS["task list"])(0))  # the index is warm
    for work, words in READS.items():
        run_.compare(work, size, ops(state, words), "import click, sqlite3", start, 2 if judged else None)
    for work, words in OTHERS.items():
        run_.compare(work, size, ops(state, words), "import click, sqlite3", start, runs=5)
    limits = (1000.0, 150.0) if size >= 100_000 else None
    for work, words in {"dashboard": ("dashboard",), "monitor": ("monitor",)}.items():
        run_.compare(work, size, ops(state, words), "import click, sqlite3", start, runs=5, limits=limits)
    _moving(run_, state, size, judged)


def _moving(run_: Run, state: Path, size: int, judged: bool) -> None:
    """`task move` of assigned tasks, beside `git add` and a signed commit in a copy of the ledger."""
    copy = run_.box / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    run("cp", "-a", str(state), str(copy))
    listed = run(OPSGIT, "-C", str(state), "task", "list", "--status", "assigned", "--limit", "60", "--fields", "id")
    ids = [word for word in listed.split() if word.startswith("B-")]

    def move(number: int) -> Sequence[str]:
        return OPSGIT, "-C", str(state), "task", "move", ids[number], "--to", "in-progress"

    def by_hand(number: int) -> Sequence[str]:
        path = next(copy.glob(f"tasks/*/{ids[number]}.yaml"))
        edit = f"sed -i 's/^status: .*/status: in-progress/' {path}"
        commit = "commit -qS --no-verify -m x"
        git = f"{' '.join(SYNCED)} -c core.hooksPath=/dev/null -C {copy}"
        return "sh", "-ec", f"{edit}; {git} add {path}; {git} {commit}"

    most = 2.5 if judged else 0.8 if size >= 100_000 else None
    run_.compare("task move", size, move, "git add + git commit -S, synced", by_hand, most)
    shutil.rmtree(copy)


def _compiling(run_: Run, state: Path, size: int, judged: bool) -> None:
    """The first compile of a clone whose index is new, beside git reading the same objects; then one after a write."""
    clone = run_.box / f"clone-{size}"  # pins are kept by place
    out = str(run_.box / "out")
    shutil.rmtree(clone, ignore_errors=True)
    run("git", "clone", "-q", "--bare", str(state), str(clone))
    run(OPSGIT, "-C", str(clone), "verify")

    def first(_: int) -> Sequence[str]:
        for left in (clone / "opsgit").glob("index.db*"):
            left.unlink()
        return OPSGIT, "-C", str(clone), "compile", "--out", out

    log = f"git -C {clone} log --first-parent --raw --no-abbrev -z --format=%H%n%B main"
    read = f"git -C {clone} cat-file --batch --batch-all-objects --buffer"

    def by_git(_: int) -> Sequence[str]:
        return "sh", "-ec", f"{log} >/dev/null; {read} >/dev/null"

    work = "first compile of a fresh clone"
    run_.compare(work, size, first, "git log --raw + cat-file --batch", by_git, 5 if judged else None, runs=3)
    run(OPSGIT, "-C", str(clone), "task", "add", "--title", "one more", "--as", "orchestrator")
    again = (OPSGIT, "-C", str(clone), "compile", "--out", out)
    run_.compare("compile after one write", size, lambda _: again, "import click, sqlite3", start, runs=3)
    shutil.rmtree(clone)


def _verifying(run_: Run, state: Path, size: int, judged: bool) -> None:
    """verify of the whole history, beside git's own look at each signature; and of nothing new."""
    commits = int(run("git", "-C", str(state), "rev-list", "--count", "main"))
    words = (OPSGIT, "-C", str(state), "verify")

    def whole(_: int) -> Sequence[str]:
        shutil.rmtree(run_.box / "pins", ignore_errors=True)
        return words

    some = min(commits, 200)
    theirs, _ = took(("git", "-C", str(state), "log", f"-{some}", "--format=%H %G?"))
    seconds, peak = took(whole(0))
    each = seconds * 1000 / commits
    row = Row("verify, whole history, a commit", size, each, "ms", "git log --format=%G?", theirs * 1000 / some,
              each / (theirs * 1000 / some), peak)  # fmt: skip
    run_.add(row, "<= 1.5 ms" if judged else "", each <= 1.5 if judged else None)
    run_.compare("verify, nothing new", size, lambda _: words, "import click, sqlite3", start, 1.5 if judged else None)


def _packed(run_: Run, state: Path, size: int, judged: bool) -> None:
    """What a commit takes after `git gc`."""
    copy = run_.box / "packed.git"
    run("git", "clone", "-q", "--bare", "--no-local", str(state), str(copy))
    subprocess.run(["git", "-C", str(copy), "gc", "-q"], check=True)
    commits = int(run("git", "-C", str(copy), "rev-list", "--count", "main"))
    packed = sum(path.stat().st_size for path in (copy / "objects/pack").iterdir()) / commits / 1000
    run_.add(Row("repository after git gc, a commit", size, packed, "kB"), "<= 1.2 kB" if judged else "",
             packed <= 1.2 if judged else None)  # fmt: skip
    shutil.rmtree(copy)


def _imported(run_: Run, size: int) -> Path:
    """Import so many tasks at once: signed ledger commits a second, and the memory that it takes."""
    state = run_.box / f"ledger-{size}"
    if not state.exists():
        file = run_.box / "state.json"
        made(state, str(size), str(file))
        seconds, peak = took((OPSGIT, "-C", str(state), "import", str(file), "--as", "orchestrator"))
        rate = size / seconds
        run_.add(Row("import", size, rate, "a second", peak=peak), ">= 300 300MB", rate >= 300 and peak <= 300)
    return state


def _flat(run_: Run, middle: int, large: int) -> None:
    """Reads on the large ledger beside the same on the middle one, each as a ratio to what was measured beside it."""
    for work in READS:
        now, before = run_.ratio(work, large), run_.ratio(work, middle)
        run_.add(Row(f"{work}, flat", large, now, "x", f"with {middle} tasks", before, now / before), "<= 1.3 x",
                 now / before <= 1.3)  # fmt: skip
