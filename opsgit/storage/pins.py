"""Pins: what this machine's user has verified, kept outside of the repository, per clone and per remote URL."""

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
# What a clone's refs are kept in, and what makes them or the objects come from elsewhere too.
REFS = ("refs", "reftable")
LONE = ("HEAD", "config", "packed-refs")
INSIDE = re.compile(rb"ref: *refs/[^.\s]+\s*\Z")  # a symbolic ref to another that is looked at too
ELSEWHERE = ("shallow", "objects/info/alternates", "worktrees")


def state_home() -> Path:
    """The XDG state folder."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")


@dataclass(eq=False, repr=False)
class Pin:
    """The root of trust of one clone or URL.

    `genesis` is its first commit, `tips` the last verified tip of each ledger. Of a clone also: `remotes`, each with
    its URL, `refs`, all that was verified, and `seen`, the fingerprint of the clone when nothing was wrong with it.
    """

    path: Path
    genesis: str | None = None
    tips: dict[str, str] = field(default_factory=dict)
    remotes: list[tuple[str, str]] = field(default_factory=list)
    refs: dict[str, str] = field(default_factory=dict)
    seen: str = ""

    @classmethod
    def of_clone(cls, folder: Path) -> Pin:
        """The pin of a clone, named by its git folder."""
        return cls._of(str(folder.resolve()))

    @classmethod
    def of_url(cls, url: str) -> Pin:
        """The pin of a remote's URL, which all clones of this machine's user share."""
        return cls._of(f"url {url}")

    @classmethod
    def _of(cls, what: str) -> Pin:
        """The pin of something, empty when there is none; a damaged one is an error, never a fresh start."""
        path = state_home() / "opsgit" / "pins" / f"{hashlib.sha256(what.encode()).hexdigest()[:32]}.json"
        if not path.exists():
            return cls(path)
        try:
            found: dict[str, Any] = json.loads(path.read_bytes())
            remotes = [(str(name), str(url)) for name, url in found["remotes"]]
            return cls(path, found["genesis"], dict(found["tips"]), remotes, dict(found["refs"]), str(found["seen"]))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            refuse("NO_PIN", f"the pin {path} is damaged: {error}", "restore it, or remove it and trust anew")

    def save(self) -> None:
        """Write the pin, mode 0600, synced."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        document = {name: value for name, value in vars(self).items() if name != "path"}
        put(self.path, json.dumps(document).encode(), mode=0o600, durable=True)
        sync_folder(self.path.parent)

    def settled(self, folder: Path) -> bool:
        """Whether nothing has changed since all was found good: in the clone, and in what its URLs are known by."""
        if not self.seen or self.seen != fingerprint(folder):
            return False
        known = ((self.of_url(url), self.refs.get(f"{REMOTES}{name}/main")) for name, url in self.remotes)
        return all((pin.genesis, pin.tips.get(names.MAIN)) == (self.genesis, tip) for pin, tip in known if tip)


def looked_before(folder: Path, remote: str, pin: Path) -> bool:
    """Whether a clone last heard of a remote before something was pinned: then it cannot know what was pinned."""
    heard = [path for path in (folder / "FETCH_HEAD", folder / "logs" / REMOTES / remote) if path.exists()]
    logs = [log for path in heard for log in ([path] if path.is_file() else path.iterdir())]
    return bool(logs) and max(log.stat().st_mtime_ns for log in logs) < pin.stat().st_mtime_ns


def fingerprint(folder: Path) -> str:
    """A digest of a clone's refs and configuration, from its files alone; empty where those do not tell all."""
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
    except FileNotFoundError:  # a ref that is being moved right now
        return ""
    return digest.hexdigest()


def _files(folder: Path) -> Iterator[Path]:
    """The files that hold refs and configuration, and linked folders, whose content is anywhere."""
    for place in REFS:
        for here, folders, files in os.walk(folder / place):
            folders.sort()
            yield from (Path(here, name) for name in folders if os.path.islink(os.path.join(here, name)))
            yield from (Path(here, name) for name in sorted(files))
    yield from (folder / name for name in (*REFS, *LONE) if os.path.islink(folder / name))
    yield from (folder / name for name in LONE if (folder / name).exists())
