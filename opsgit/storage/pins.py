"""Pins: what the user of this machine has verified, kept outside the repository per clone and per remote URL."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from opsgit.domain import names
from opsgit.domain.refusals import refuse
from opsgit.storage.disk import put, sync_folder

REMOTES = "refs/remotes/"
# REFS and LONE hold a clone's refs and configuration. A file of ELSEWHERE means that refs or objects come from other
# places too.
REFS = ("refs", "reftable")
LONE = ("HEAD", "config", "packed-refs")
INSIDE = re.compile(rb"ref: *refs/[^.\s]+\s*\Z")  # a symbolic ref to a ref that the fingerprint covers too
ELSEWHERE = ("shallow", "objects/info/alternates", "worktrees")


def state_home() -> Path:
    """Return the XDG state folder."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")


@dataclass(eq=False, repr=False)
class Pin:
    """What is trusted of one clone or one remote URL.

    `path` is the pin's file, `genesis` the hex id of the first commit, and `tips` the last verified tip of each ledger
    by full ref name. The pin of a clone also has: `remotes`, name and URL of each; `refs`, all refs that were verified
    with their tips; `seen`, the fingerprint of the clone at the last verification without findings; `introduced`, the
    agents that were added or given keys shortly before it (`audit.Introduction`); `untold`, notices
    that could not be given.
    """

    path: Path
    genesis: str | None = None
    tips: dict[str, str] = field(default_factory=dict)
    remotes: list[tuple[str, str]] = field(default_factory=list)
    refs: dict[str, str] = field(default_factory=dict)
    seen: str = ""
    introduced: dict[str, tuple[int, str, str]] = field(default_factory=dict)
    untold: list[str] = field(default_factory=list)

    @classmethod
    def of_clone(cls, folder: Path) -> Pin:
        """Return the pin of a clone; it is empty if nothing was verified yet.

        :param folder: the git folder of the clone.
        :raises Refused: `NO_PIN` if the pin's file is damaged.
        """
        return cls._of(str(folder.resolve()))

    @classmethod
    def of_url(cls, url: str) -> Pin:
        """Return the pin of a remote URL, which all clones of this user on this machine share.

        :raises Refused: `NO_PIN` if the pin's file is damaged.
        """
        return cls._of(f"url {url}")

    @classmethod
    def _of(cls, what: str) -> Pin:
        """Read a pin; a damaged file is refused, because an empty pin would trust any ledger."""
        path = state_home() / "opsgit" / "pins" / f"{hashlib.sha256(what.encode()).hexdigest()[:32]}.json"
        if not path.exists():
            return cls(path)
        try:
            found: dict[str, Any] = json.loads(path.read_bytes())
            remotes = [(str(name), str(url)) for name, url in found["remotes"]]
            lately = {name: (int(at), str(op), str(by)) for name, (at, op, by) in found["introduced"].items()}
            tips, refs = dict(found["tips"]), dict(found["refs"])
            untold = [str(one) for one in found["untold"]]
            return cls(path, found["genesis"], tips, remotes, refs, str(found["seen"]), lately, untold)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            refuse("NO_PIN", f"the pin {path} is damaged: {error}", "restore it, or remove it and trust anew")

    def save(self) -> None:
        """Write the pin with mode 0600, and sync it."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        document = {name: value for name, value in vars(self).items() if name != "path"}
        put(self.path, json.dumps(document).encode(), mode=0o600, durable=True)
        sync_folder(self.path.parent)

    def settled(self, folder: Path) -> bool:
        """Return whether nothing has changed since the last verification without findings.

        It compares the clone with its fingerprint, and the remotes' main branches with the pins of their URLs.

        :param folder: the git folder of the clone.
        """
        if not self.seen or self.seen != fingerprint(folder):
            return False
        known = ((self.of_url(url), self.refs.get(f"{REMOTES}{name}/main")) for name, url in self.remotes)
        return all((pin.genesis, pin.tips.get(names.MAIN)) == (self.genesis, tip) for pin, tip in known if tip)


def looked_before(folder: Path, remote: str, pin: Path) -> bool:
    """Return whether a clone last fetched from a remote before a pin was written: then it cannot know the pinned tip.

    :param folder: the git folder of the clone.
    :param remote: the remote's name.
    :param pin: the file of the pin.
    :returns: False also if the clone has no record of a fetch.
    """
    heard = [path for path in (folder / "FETCH_HEAD", folder / "logs" / REMOTES / remote) if path.exists()]
    logs = [log for path in heard for log in ([path] if path.is_file() else path.iterdir())]
    return bool(logs) and max(log.stat().st_mtime_ns for log in logs) < pin.stat().st_mtime_ns


def fingerprint(folder: Path) -> str:
    """Return a digest (64 hex digits) of a clone's refs and configuration, computed from its files.

    :param folder: the git folder of the clone.
    :returns: an empty text if these files do not tell everything: a shallow clone, other object stores, linked work
        trees or symbolic links.
    """
    if any((folder / name).exists() for name in ELSEWHERE):
        return ""
    digest = hashlib.sha256()
    try:
        for path in _files(folder):
            if path.is_symlink():
                return ""
            content = path.read_bytes()
            if content.startswith(b"ref:") and not INSIDE.match(content):
                return ""
            digest.update(b"%s\0%d\0%s" % (os.fsencode(path), len(content), content))
    except FileNotFoundError:  # git is just moving a ref
        return ""
    return digest.hexdigest()


def _files(folder: Path) -> Iterator[Path]:
    """Yield the files that hold refs and configuration, and every symbolic link to a folder among them."""
    for place in REFS:
        for here, folders, files in os.walk(folder / place):
            folders.sort()
            yield from (Path(here, name) for name in folders if os.path.islink(os.path.join(here, name)))
            yield from (Path(here, name) for name in sorted(files))
    yield from (folder / name for name in (*REFS, *LONE) if os.path.islink(folder / name))
    yield from (folder / name for name in LONE if (folder / name).exists())
