"""Write the site as files: only what changed is rendered and written again, and what is no page any more is removed."""

from __future__ import annotations

import hashlib
import json
import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from opsgit.domain import names
from opsgit.domain.refusals import refuse
from opsgit.operations import site as values
from opsgit.operations.session import Session
from opsgit.storage.trees import Trees
from opsgit.version import VERSION
from opsgit.views.site import Pages, assets

MANIFEST = ".opsgit-site.json"


class Built(NamedTuple):
    """How many pages were written, how many were as they should be, and how many were removed."""

    written: int
    unchanged: int
    removed: int


def build(session: Session, folder: Path) -> Built:
    """Write the site to a folder, which is made if need be.

    :raises Refused: `BAD_VALUE` if the folder holds something else; the code of the first finding if a new commit
        breaks a rule.
    :raises OSError: if a file cannot be written.
    """
    known = _manifest(folder)
    session.online = False  # pages are made of what is here
    site = values.gather(session)
    pages = Pages(site)
    made: dict[str, str] = {}
    written = 0
    every = [*_whole(pages), *_tasks(session, site, pages)]
    for number, (path, key, render) in enumerate(every):
        if session.progress and number % 50 == 0:
            session.progress("pages", number, len(every))
        text = "" if key else render()
        made[path] = key or hashlib.sha256(text.encode()).hexdigest()
        if known.get(path) != made[path] or not (folder / path).exists():
            _put(folder / path, text or render())
            written += 1
    if session.progress:
        session.progress("pages", len(every), len(every))
    gone = sorted(set(known) - set(made))
    for path in gone:
        (folder / path).unlink(missing_ok=True)
    _put(folder / MANIFEST, json.dumps(made, indent=0) + "\n")
    return Built(written, len(made) - written, len(gone))


def _manifest(folder: Path) -> dict[str, str]:
    """Return the pages that the last run wrote, each with the hash of what it was made of.

    :raises Refused: `BAD_VALUE` if there is something in the folder, and no manifest.
    """
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return {}
    try:
        found = json.loads((folder / MANIFEST).read_bytes())
    except (OSError, ValueError, RecursionError):
        refuse(
            "BAD_VALUE", f"{folder} holds something that is no site of opsgit", "name a new folder: --out DIR", "out"
        )
    fits = isinstance(found, dict) and all(isinstance(one, str) and _inside(path) for path, one in found.items())
    return found if fits else {}


def _inside(path: str) -> bool:
    """Return whether a path of a manifest is one in the site: it may be anybody's, and its files are removed."""
    return not path.startswith("/") and ".." not in path.split("/")


def _put(path: Path, text: str) -> None:
    """Write a file at once; it can be made again, so it is not synced."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    new.write_bytes(text.encode())
    os.replace(new, path)


def _whole(pages: Pages) -> Iterator[tuple[str, str, Callable[[], str]]]:
    """Yield the pages that are always rendered: path, an empty key, and how they are rendered."""
    for path, render in pages.paths().items():
        yield path, "", render


def needed(state: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return for each task the ids of those that depend on it."""
    found: dict[str, list[str]] = defaultdict(list)
    for task in state["tasks"].values():
        for one in task["depends_on"]:
            found[one].append(task["id"])
    return found


def _tasks(session: Session, site: values.Site, pages: Pages) -> Iterator[tuple[str, str, Callable[[], str]]]:
    """Yield the page of each task: path, the hash of all that it is made of, and how it is rendered."""
    last = {entry["path"]: entry["commit"] for entry in site.entries}
    refs = session.repository.git.refs("refs/heads/review", "refs/remotes/origin/review", "refs/opsgit/deliverables")
    tips: dict[str, list[str]] = defaultdict(list)
    for ref, tip in sorted(refs.items()):
        tips[ref.split("review/")[-1] if "review/" in ref else ref.split("/")[3]].append(tip)
    by, trees = needed(site.state), Trees(session.repository.git)
    frame = [VERSION, site.state["project"], *(hashlib.sha256(text.encode()).hexdigest() for text in assets().values()),
             sorted(site.state["agents"])]  # fmt: skip
    for task_id, task in site.state["tasks"].items():
        made_of = [frame, task, last.get(names.task_path(task_id)), tips[task_id], by.get(task_id), session.at]
        key = hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()

        def render(task_id: str = task_id) -> str:
            return pages.task(values.page(session, site, task_id, by.get(task_id, ()), trees))

        yield f"task/{task_id}.html", key, render
