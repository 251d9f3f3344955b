"""Write the site as files: only what changed is rendered and written again, and what is no page any more is removed."""

from __future__ import annotations

import json
import os
import re
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

from opsgit.domain import names
from opsgit.domain.refusals import refuse
from opsgit.operations import site as values
from opsgit.operations.overview import with_fixed_clock
from opsgit.operations.session import Session
from opsgit.storage import workers
from opsgit.storage.deliverable import sha256
from opsgit.storage.repository import Repository
from opsgit.storage.trees import Trees
from opsgit.version import VERSION
from opsgit.views.site import Pages, assets

MANIFEST = ".opsgit-site.json"
NEW = ".opsgit-new-"  # how a file is called while it is written
PARTS = ("agent", "list", "task", "waiting")  # the folders of a site
# A path in a manifest, whose files may be removed: one in the site, whoever wrote the manifest.
PAGE = re.compile(rf"(({'|'.join(PARTS)})/)?[A-Za-z0-9_-][A-Za-z0-9._-]{{0,200}}\.(html|css|js)")


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
    session = with_fixed_clock(session)
    site = values.gather(session)
    tasks = _Tasks(session, site, Pages(site), folder)
    _put(folder / MANIFEST, json.dumps(known, indent=0) + "\n")  # a run that is ended early leaves a site too
    for left in (*folder.glob(f"{NEW}*"), *folder.glob(f"*/{NEW}*")):  # by a run that was killed
        left.unlink()
    made, written = dict[str, Made](), 0
    for path, render in tasks.pages.paths.items():
        text = render()
        made[path] = Made(_hash(text), _hash(text))
        if not _is_there(folder / path, made[path].of, known.get(path)):
            _put(folder / path, text)
            written += 1
    keys = {_path(task_id): key for task_id, key in tasks.keys().items()}
    changed = [path for path, key in keys.items() if not _is_there(folder / path, key, known.get(path))]
    made |= {path: known[path] for path in keys.keys() - set(changed)}
    for number, (path, text) in enumerate(workers.each(tasks.write, changed), 1):
        made[path] = Made(keys[path], text)
        if session.progress:
            session.progress("pages", number, len(changed))
    gone = sorted(set(known) - set(made))
    for path in gone:
        (folder / path).unlink(missing_ok=True)
    _put(folder / MANIFEST, json.dumps(dict(sorted(made.items())), indent=0) + "\n")
    written += len(changed)
    return Built(written, len(made) - written, len(gone))


class Made(NamedTuple):
    """What a page was made `of`, and what it `is`: hashes of all values in it, and of its text."""

    of: str
    is_: str


def _is_there(place: Path, of: str, known: Made | None) -> bool:
    """Return whether a page is there already: made of the same, and not changed by anybody since."""
    if known is None or known.of != of or place.is_symlink() or not place.is_file():
        return False
    return sha256(place.read_bytes()) == known.is_


def _manifest(folder: Path) -> dict[str, Made]:
    """Return the pages that the last run wrote.

    :raises Refused: `BAD_VALUE` if there is something in the folder, and no manifest.
    """
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return {}
    hint = "name a new folder: --out DIR"
    odd = next((name for name in PARTS if (folder / name).is_symlink()), None)
    if odd:
        refuse("BAD_VALUE", f"{folder / odd} is a link: its files would be somewhere else", hint, "out")
    known = _read(folder / MANIFEST)
    if known is None or not all(PAGE.fullmatch(path) for path in known):
        refuse("BAD_VALUE", f"{folder} holds something that is no site of opsgit", hint, "out")
    return known


def _read(file: Path) -> dict[str, Made] | None:
    """Return what a manifest says, None if it is none. A pipe is not read: it could keep us waiting."""
    if not file.is_file():
        return None
    try:
        return {path: Made(*hashes) for path, hashes in json.loads(file.read_bytes()).items()}
    except (AttributeError, TypeError, OSError, ValueError, RecursionError):
        return None


def _put(path: Path, text: str) -> None:
    """Write a file at once; it can be made again, so it is not synced."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f"{NEW}{os.urandom(8).hex()}")
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666), "wb") as file:  # never through a link
        file.write(text.encode())
    os.replace(new, path)


def _path(task_id: str) -> str:
    return f"task/{task_id}.html"


class _Tasks:
    """The pages of single tasks. A copy of the process that writes some of them opens the repository anew."""

    def __init__(self, session: Session, site: values.Site, pages: Pages, folder: Path) -> None:
        self.session, self.site, self.pages, self.folder = session, site, pages, folder
        self.process, self.trees = os.getpid(), Trees(session.repository.git)
        self.first = session.repository, self.trees  # a copy must not close what the first process reads with

    def keys(self) -> dict[str, str]:
        """Return for each task the hash of all that its page is made of."""
        last = {entry["path"]: entry["commit"] for entry in self.site.entries}
        tips, state = self._tips(), self.site.state
        frame = [VERSION, state["project"], sorted(state["agents"]), *(_hash(text) for text in assets().values())]
        made_of = {
            one: [frame, task, last.get(names.task_path(one)), tips[one], self.site.needed_by.get(one), self.session.at]
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

    def write(self, path: str) -> str:
        """Write the page of one task, and return the hash of its text."""
        task_id = path.removeprefix("task/").removesuffix(".html")
        if self.process != os.getpid():
            repository = self.session.repository = Repository(
                self.session.repository.folder, self.session.repository.top
            )
            self.process, self.trees = os.getpid(), Trees(repository.git)
        found = values.page(self.session, self.site, task_id, self.trees)
        text = self.pages.task(found)
        _put(self.folder / path, text)
        return _hash(text)


def _hash(text: str) -> str:
    return sha256(text.encode())
