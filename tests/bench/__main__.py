"""Benchmarks, each beside its reference in the same run: `python -m tests.bench [--tasks N] [--runs N]`.

A and B run in turn (A B A B ...); medians in milliseconds and the median of the pairwise ratios are printed.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from opsgit.domain.request import Request
from opsgit.operations import init
from opsgit.operations.agents import add
from opsgit.operations.publication import write
from opsgit.operations.session import Session

Act = Callable[[int], None]


def timed(act: Act, number: int) -> float:
    start = time.perf_counter()
    act(number)
    return (time.perf_counter() - start) * 1000


def compare(name: str, ours: Act, reference_name: str, reference: Act, runs: int) -> None:
    ours(0), reference(0)
    pairs = [(timed(ours, n), timed(reference, n)) for n in range(1, runs + 1)]
    mine, theirs = statistics.median(a for a, _ in pairs), statistics.median(b for _, b in pairs)
    ratio = statistics.median(a / b for a, b in pairs)
    print(f"{name:42} {mine:8.1f} ms   {reference_name:36} {theirs:8.1f} ms   ratio {ratio:5.2f}")


def run(*words: str, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> None:
    subprocess.run(words, cwd=cwd, env=env, check=True, capture_output=True)


def filled(folder: Path, tasks: int) -> Path:
    """A state repository with so many tasks assigned to dev."""
    repository = init.init(folder / "state", "bench")
    session = Session(repository)
    add(session, "dev", "developer")
    for start in range(0, tasks, 500):
        numbers = range(start, min(start + 500, tasks))
        write(
            session,
            *(
                Request("task.add", "orchestrator", f"B-{n}", {"title": f"task {n}", "assigned": "dev"})
                for n in numbers
            ),
        )
    repository.close()
    return folder / "state"


def git_edit(state: Path, number: int) -> None:
    """What a person with plain git does: edit the file, add, commit signed; synced as opsgit syncs."""
    path = next(state.glob(f"tasks/*/B-{number}.yaml"))
    path.write_text(path.read_text().replace("status: assigned", "status: in-progress"))
    run("git", "-c", "core.fsync=all", "add", str(path), cwd=state)
    run(
        "git",
        "-c",
        "core.fsync=all",
        "-c",
        "core.hooksPath=/dev/null",
        "commit",
        "-qS",
        "--no-verify",
        "-m",
        f"B-{number}: assigned → in-progress",
        cwd=state,
    )


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--tasks", type=int, default=1000)
    arguments.add_argument("--runs", type=int, default=15)
    given = arguments.parse_args()
    opsgit, python = str(Path(sys.executable).with_name("opsgit")), sys.executable
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as box:  # a git gc of a push may still be at work
        os.environ["XDG_DATA_HOME"] = f"{box}/data"
        state = filled(Path(box), max(given.tasks, given.runs + 1))
        run("cp", "-a", str(state), f"{box}/plain")
        plain = Path(box) / "plain"

        def start_click(_: int) -> None:
            run(python, "-c", "import click, sqlite3")

        print(f"{given.tasks} tasks, {given.runs} runs, medians")
        compare(
            "opsgit --version", lambda _: run(opsgit, "--version"), "import click, sqlite3", start_click, given.runs
        )
        compare("opsgit task list --limit 1000", lambda _: run(opsgit, "-C", str(state), "task", "list", "--limit", "1000"),
                "import click, sqlite3", start_click, given.runs)  # fmt: skip
        compare("opsgit task list", lambda _: run(opsgit, "-C", str(state), "task", "list"),
                "import click, sqlite3", start_click, given.runs)  # fmt: skip
        compare("opsgit task show", lambda n: run(opsgit, "-C", str(state), "task", "show", f"B-{n}"),
                "import click, sqlite3", start_click, given.runs)  # fmt: skip
        compare("opsgit task move", lambda n: run(opsgit, "-C", str(state), "task", "move", f"B-{n}", "--to", "in-progress"),
                "git add + git commit -S, synced", lambda n: git_edit(plain, n), given.runs)  # fmt: skip
        helping(Path(box), state, opsgit, given.runs)
        reviewing(Path(box), state, opsgit, given.runs)
        judging(Path(box), state, opsgit, given.runs)
        pushing(Path(box), state, given.runs)


def helping(box: Path, state: Path, opsgit: str, runs: int) -> None:
    """What agents and shells ask often, and many tasks at once."""

    def start_click(_: int) -> None:
        run(sys.executable, "-c", "import click, sqlite3")

    tab = {**os.environ, "_OPSGIT_COMPLETE": "bash_complete", "COMP_WORDS": "opsgit task show B-1", "COMP_CWORD": "3"}
    words = {"COMP_WORDS": f"opsgit -C {state} task show B-1", "COMP_CWORD": "5"}
    compare("opsgit prime", lambda _: run(opsgit, "-C", str(state), "prime", "--as", "dev"),
            "import click, sqlite3", start_click, runs)  # fmt: skip
    compare(
        "completion of an id", lambda _: run(opsgit, env={**tab, **words}), "import click, sqlite3", start_click, runs
    )
    compare("opsgit task next --claim", lambda _: run(opsgit, "-C", str(state), "task", "next", "--claim", "--as", "dev"),
            "opsgit task next", lambda _: run(opsgit, "-C", str(state), "task", "next", "--as", "dev"), runs)  # fmt: skip
    (box / "many.jsonl").write_text("".join(f'{{"title": "{n}"}}\n' for n in range(500)))
    run("cp", "-a", str(state), str(box / "many"))
    compare("opsgit task add --from, 500 tasks", lambda _: run(opsgit, "-C", str(box / "many"), "task", "add", "--from",
                                                               str(box / "many.jsonl")),
            "git commit -S, once", lambda _: run("git", "-c", "core.hooksPath=/dev/null", "commit", "-q", "--allow-empty",
                                                 "-S", "-m", "x", cwd=box / "plain"), 1)  # fmt: skip


def reviewing(box: Path, state: Path, opsgit: str, runs: int) -> None:
    """A submission of 100 files, its page and its difference, beside plain git with the same files."""
    out, code = box / "out", box / "code"
    out.mkdir()
    run("git", "init", "-q", str(code))

    def change(number: int) -> None:
        for name in range(100):
            (out / f"{name}.txt").write_text(f"{name} {number}\n" * 100)

    def submit(number: int) -> None:
        change(number)
        run(opsgit, "-C", str(state), "task", "submit", f"B-{number}", "--output", str(out), "--as", "dev")

    def commit(number: int) -> None:
        change(number)
        run("cp", "-a", f"{out}/.", str(code))
        run("git", "-c", "core.fsync=all", "add", ".", cwd=code)
        run("git", "-c", "core.fsync=all", "-c", "user.name=x", "-c", "user.email=x@y", "commit", "-qm", "x", cwd=code)

    compare("opsgit task submit, 100 files attached", submit, "git add + git commit, synced", commit, runs)
    compare("opsgit review show", lambda n: run(opsgit, "-C", str(state), "review", "show", f"B-{n}"),
            "import click, sqlite3", lambda _: run(sys.executable, "-c", "import click, sqlite3"), runs)  # fmt: skip
    compare("opsgit review diff", lambda n: run(opsgit, "-C", str(state), "review", "diff", f"B-{n}"),
            "git show", lambda _: run("git", "show", "HEAD", cwd=code), runs)  # fmt: skip


def judging(box: Path, state: Path, opsgit: str, runs: int) -> None:
    """verify of the whole history, and of nothing new, beside git's own look at every signature."""
    commits = int(
        subprocess.run(["git", "-C", str(state), "rev-list", "--count", "main"], capture_output=True, check=True).stdout
    )
    os.environ["XDG_STATE_HOME"] = f"{box}/pins"

    def whole(_: int) -> None:
        subprocess.run(["rm", "-rf", f"{box}/pins"], check=True)
        run(opsgit, "-C", str(state), "verify")

    few = max(1, min(3, runs))
    compare(
        f"opsgit verify of {commits} commits",
        whole,
        "git log --format='%H %G?'",
        lambda _: run("git", "-C", str(state), "log", "--format=%H %G?"),
        few,
    )
    compare("opsgit verify, nothing new", lambda _: run(opsgit, "-C", str(state), "verify"), "import click, sqlite3",
            lambda _: run(sys.executable, "-c", "import click, sqlite3"), runs)  # fmt: skip


def pushing(box: Path, state: Path, runs: int) -> None:
    """A push of 1 and of 20 commits to a server with the hook, and to a bare repository without."""
    from opsgit.verification import server

    for name in ("judged", "plain"):
        run("git", "clone", "-q", "--bare", str(state), str(box / f"{name}.git"))
    server.install(box / "judged.git")
    for count in (1, 20):

        def pushed(where: str, count: int = count) -> Act:
            def act(_: int) -> None:
                run("git", "-C", str(box / where), "update-ref", "refs/heads/main", tip(state, count))
                run("git", "-C", str(state), "push", "-q", str(box / where), "main")

            return act

        compare(
            f"push of {count} commits, judged",
            pushed("judged.git"),
            "without the hook",
            pushed("plain.git"),
            min(5, runs),
        )


def tip(state: Path, back: int) -> str:
    found = subprocess.run(
        ["git", "-C", str(state), "rev-parse", f"main~{back}"], capture_output=True, text=True, check=True
    )
    return found.stdout.strip()


if __name__ == "__main__":
    main()
