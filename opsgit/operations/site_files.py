"""Write the site as files: only what changed is rendered and written again, and what is no page any more is removed."""

from __future__ import annotations

import hashlib
import json
import os
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from opsgit.domain import names
from opsgit.domain.refusals import refuse
from opsgit.operations import site as values
from opsgit.operations.session import Session
from opsgit.storage import workers
from opsgit.storage.repository import Repository
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
    tasks = _Tasks(session, site, Pages(site), folder)
    _put(
        folder / MANIFEST, json.dumps(known, indent=0) + "\n"
    )  # a run that is ended early leaves a site, not a stranger
    made, written = dict[str, str](), 0
    for path, render in tasks.pages.paths().items():
        text = render()
        made[path] = _hash(text)
        if known.get(path) != made[path] or not (folder / path).exists():
            _put(folder / path, text)
            written += 1
    keys = tasks.keys()
    made |= {_path(task_id): key for task_id, key in keys.items()}
    changed = [one for one, key in keys.items() if known.get(_path(one)) != key or not (folder / _path(one)).exists()]
    for number in workers.each(tasks.write, changed):
        if session.progress:
            session.progress("pages", number, len(changed))
    gone = sorted(set(known) - set(made))
    for path in gone:
        (folder / path).unlink(missing_ok=True)
    _put(folder / MANIFEST, json.dumps(made, indent=0) + "\n")
    written += len(changed)
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


def needed(state: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return for each task the ids of those that depend on it."""
    found: dict[str, list[str]] = defaultdict(list)
    for task in state["tasks"].values():
        for one in task["depends_on"]:
            found[one].append(task["id"])
    return found


def _path(task_id: str) -> str:
    return f"task/{task_id}.html"


class _Tasks:
    """The pages of single tasks. A copy of the process that writes some of them opens the repository anew."""

    def __init__(self, session: Session, site: values.Site, pages: Pages, folder: Path) -> None:
        self.session, self.site, self.pages, self.folder = session, site, pages, folder
        self.needed_by = needed(site.state)
        self.process, self.trees = os.getpid(), Trees(session.repository.git)
        self.first = session.repository, self.trees  # a copy must not close what the first process reads with

    def keys(self) -> dict[str, str]:
        """Return for each task the hash of all that its page is made of."""
        last = {entry["path"]: entry["commit"] for entry in self.site.entries}
        tips, state = self._tips(), self.site.state
        frame = [VERSION, state["project"], sorted(state["agents"]), *(_hash(text) for text in assets().values())]
        made_of = {
            one: [frame, task, last.get(names.task_path(one)), tips[one], self.needed_by.get(one), self.session.at]
            for one, task in state["tasks"].items()
        }
        return {one: _hash(json.dumps(parts, sort_keys=True)) for one, parts in made_of.items()}

    def _tips(self) -> dict[str, list[str]]:
        """Return the tips of the review branches and attachments of each task."""
        git, found = self.session.repository.git, defaultdict[str, list[str]](list)
        for ref, tip in sorted(git.refs("refs/heads/review", "refs/remotes/origin/review").items()):
            found[ref.rpartition("/")[2]].append(tip)
        for ref, tip in sorted(git.refs(names.ATTACHMENTS.rstrip("/")).items()):
            found[ref.removeprefix(names.ATTACHMENTS).partition("/")[0]].append(tip)
        return found

    def write(self, task_id: str) -> None:
        """Write the page of one task."""
        if self.process != os.getpid():
            repository = self.session.repository = Repository(
                self.session.repository.folder, self.session.repository.top
            )
            self.process, self.trees = os.getpid(), Trees(repository.git)
        found = values.page(self.session, self.site, task_id, self.needed_by.get(task_id, ()), self.trees)
        _put(self.folder / _path(task_id), self.pages.task(found))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
