"""How fast many write: processes in one folder, and clones of one server."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

from opsgit.verification import server
from tests.bench.measure import OPSGIT, Row, Run, run
from tests.bench.rows import made

Turn = Callable[[Path, str], int]


def measure(run_: Run, seconds: float, few: bool) -> None:
    """Measure operations a second; `few` leaves out the large teams, and judges nothing."""
    state = made(run_.box / "team", "200")
    alone = rate([state], edit, seconds)
    run_.add(Row("1 process in one folder", 200, alone, "a second"))
    for count in (4,) if few else (4, 16):
        all_ = rate([state] * count, edit, seconds)
        row = Row(f"{count} processes in one folder", 200, all_, "a second", "1 process", alone, all_ / alone)
        judged = count == 16
        run_.add(row, ">= 1.2 x" if judged else "", all_ / alone >= 1.2 if judged else None)
    for hook in (False,) if few else (False, True):
        for count in (2,) if few else (1, 4, 8):
            ours, hand = clones(run_.box, state, count, hook)
            mine, theirs = rate(ours, edit, seconds), rate(hand, by_hand, seconds)
            host = "a server with the hook" if hook else "a bare repository"
            ratio = mine / theirs if theirs else 0.0
            row = Row(f"{count} clones of {host}", 200, mine, "a second", "pull, write, push by hand", theirs, ratio)
            judged = count == 8
            run_.add(row, ">= 2 x" if judged else "", ratio >= 2 if judged else None)


def rate(places: list[Path], turn: Turn, seconds: float) -> float:
    """Return the operations a second, all places at once; `turn` makes one and returns how many it made."""
    end, counts = time.monotonic() + seconds, [0] * len(places)

    def work(number: int) -> None:
        count = 0
        while time.monotonic() < end:
            count += 1
            counts[number] += turn(places[number], f"{number} {count}")

    start = time.monotonic()
    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(places))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / (time.monotonic() - start)


def edit(place: Path, text: str) -> int:
    """Make one write, which leaves the file as large as it was; return 1, or 0 if it was refused."""
    number = 10 * int(text.split(maxsplit=1)[0])  # one that is open
    words = [OPSGIT, "-C", str(place), "task", "edit", f"B-{number}", "--title", text, "--as", "orchestrator"]
    return int(subprocess.run(words, capture_output=True, check=False).returncode == 0)


def by_hand(place: Path, text: str) -> int:
    """Do the same as a person: pull, write, push; after a refused push a reset, and the same again."""
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
    """Return clones that publish by themselves, and clones that keep what they write, each of a repository of its own."""
    both: list[list[Path]] = []
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
        both.append(places)
    return both[0], both[1]
