"""Pins: what this machine's user has verified, kept outside of the repository, per clone and per remote URL."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from opsgit.domain.codes import refuse
from opsgit.storage.keys import sync_folder


def state_home() -> Path:
    """The XDG state folder."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")


def place(what: str, folder: Path | None = None) -> Path:
    """The file of the pin for a clone (its git folder) or a remote URL."""
    return (folder or state_home() / "opsgit" / "pins") / f"{hashlib.sha256(what.encode()).hexdigest()[:32]}.json"


@dataclass(eq=False, repr=False)
class Pin:
    """The root of trust of one clone or URL: genesis, and the last verified tip of each ref."""

    path: Path
    genesis: str | None = None
    repository: str | None = None
    tips: dict[str, str] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path) -> Pin:
        """The pin of a file, empty when there is none; a damaged one is an error, never a fresh start."""
        if not path.exists():
            return cls(path)
        try:
            found: dict[str, Any] = json.loads(path.read_text())
            return cls(path, str(found["genesis"]), str(found["repository"]), dict(found["tips"]))
        except (ValueError, KeyError, TypeError) as error:
            refuse("NO_PIN", f"the pin {path} is damaged: {error}", "restore it, or remove it and trust anew")

    def save(self) -> None:
        """Write the pin, mode 0600, synced."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        part = self.path.with_suffix(f".{os.getpid()}")
        document = {"genesis": self.genesis, "repository": self.repository, "tips": self.tips}
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(document, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, self.path)
        sync_folder(self.path.parent)
