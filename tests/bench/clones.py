"""How fast many write: `python -m tests.bench.clones [--seconds N]`.

Operations a second by 1, 4 and 16 processes in one folder, and by 1, 4 and 8 clones of one bare repository, beside the
same clones in a loop of `git pull --ff-only`, a write that stays local, `git push` (and, when the push is refused, a
reset to the remote and the same again). Then the size of a repository before and after maintenance.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from opsgit.operations.maintenance import maintain, size
from opsgit.operations.session import Session
from opsgit.storage.repository import Repository
from opsgit.verification import server
from tests.bench.__main__ import filled, run

OPSGIT = str(Path(sys.executable).with_name("opsgit"))
Turn = Callable[[Path, str], int]


def rate(places: list[Path], turn: Turn, seconds: float) -> float:
    """Operations a second, all places at once; `turn` makes one and returns how many it made."""
    end, made = time.monotonic() + seconds, [0] * len(places)

    def work(number: int) -> None:
        count = 0
        while time.monotonic() < end:
            count += 1
            made[number] += turn(places[number], f"{number} {count}")

    start = time.monotonic()
    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(places))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(made) / (time.monotonic() - start)


def edit(place: Path, text: str) -> int:
    """One write by opsgit, which leaves the file as large as it was; returns 1, or 0 if it was refused."""
    words = [
        OPSGIT,
        "-C",
        str(place),
        "task",
        "edit",
        f"B-{text.split(maxsplit=1)[0]}",
        "--title",
        text,
        "--as",
        "orchestrator",
    ]
    return 1 if subprocess.run(words, capture_output=True, check=False).returncode == 0 else 0


def by_hand(place: Path, text: str) -> int:
    """The same by a person: pull, write, push; after a refused push a reset, and the same again."""
    at = ["git", "-C", str(place)]
    while True:
        subprocess.run([*at, "pull", "-q", "--ff-only"], capture_output=True, check=False)
        if not edit(place, text):
            return 0
        if subprocess.run([*at, "push", "-q", "origin", "main"], capture_output=True, check=False).returncode == 0:
            return 1
        subprocess.run([*at, "fetch", "-q"], capture_output=True, check=False)
        subprocess.run([*at, "reset", "-q", "--hard", "origin/main"], capture_output=True, check=False)


def clones(box: Path, state: Path, count: int, judged: bool) -> tuple[list[Path], list[Path]]:
    """Clones that publish by themselves, and clones that keep what they write, each of a bare repository of their own."""
    made: list[list[Path]] = []
    for kind in ("ours", "hand"):
        hub = box / f"{kind}-{count}-{judged}.git"
        run("git", "clone", "-q", "--bare", str(state), str(hub))
        if judged:
            server.install(hub)
        places = [box / f"{kind}-{count}-{judged}-{number}" for number in range(count)]
        for place in places:
            run(OPSGIT, "clone", str(hub), str(place))
            if kind == "hand":
                run("git", "-C", str(place), "config", "opsgit.sync", "manual")
        made.append(places)
    return made[0], made[1]


def sizes(box: Path, operations: int) -> None:
    """What so many operations take, before and after maintenance."""
    (box / "big").mkdir()
    state = filled(box / "big", operations)
    session = Session(Repository((state / ".git").resolve(), state))
    before = size(session.repository)
    start = time.monotonic()
    _, after = maintain(session)
    print(f"{operations} operations: {before.bytes / 1e6:.1f} MB loose, {after.bytes / 1e6:.1f} MB packed, "
          f"{after.bytes / operations / 1000:.2f} kB each, packed in {time.monotonic() - start:.0f} s")  # fmt: skip


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--seconds", type=float, default=20)
    arguments.add_argument("--operations", type=int, default=10_000)
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        box = Path(name)
        os.environ["XDG_DATA_HOME"], os.environ["XDG_STATE_HOME"] = f"{box}/data", f"{box}/pins"
        state = filled(box, 20)
        for count in (1, 4, 16):
            print(
                f"{count:2} processes in one folder: {rate([state] * count, edit, given.seconds):5.1f} operations a second"
            )
        for judged in (False, True):
            for count in (1, 4, 8):
                ours, hand = clones(box, state, count, judged)
                mine, theirs = rate(ours, edit, given.seconds), rate(hand, by_hand, given.seconds)
                host = "a server with the hook" if judged else "a plain bare repository"
                print(f"{count:2} clones of {host}: {mine:5.1f} operations a second, "
                      f"pull, write and push by hand {theirs:5.1f}   ratio {mine / theirs if theirs else 0:5.2f}")  # fmt: skip
        sizes(box, given.operations)


if __name__ == "__main__":
    main()
