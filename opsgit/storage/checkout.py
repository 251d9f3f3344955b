"""The checkout: the working files and git's index, kept at the ledger's tip without overwriting a user's edits."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from opsgit.domain import names
from opsgit.domain.refusals import Refusal, Refused
from opsgit.storage.disk import put
from opsgit.storage.journal import journal
from opsgit.storage.objects import EXECUTABLE, Entry, Objects, Pair
from opsgit.storage.repository import Repository


@dataclass(frozen=True, repr=False)
class Checkout:
    """The checkout of a repository whose HEAD is main. `top` is its top folder."""

    repository: Repository
    objects: Objects
    top: Path

    @property
    def mark(self) -> Path:
        """The file with the commit that the checkout shows, and a second one if git's index shows another.

        git's index lags behind the files after a crash, or while another program holds its lock.
        """
        return self.repository.own / "checkout"

    def shown(self) -> tuple[str, str] | None:
        """Return the commits (hex ids) that the files and git's index show; None if nothing is known."""
        lines = self.mark.read_text(errors="replace").split() if self.mark.exists() else []
        return (lines[0], lines[-1]) if lines else None

    def refuse_edits(self, files: Mapping[str, Entry | None], parent: str) -> None:
        """Refuse to overwrite files that were edited by hand.

        :param files: the new entry of each path, None for a file that is removed.
        :param parent: hex id of the ledger commit before the change.
        :raises Refused: `UNCOMMITTED_EDIT` for each file that has neither the content in `parent` nor its new content.
        """
        root = self.objects.root(parent)
        edited = [
            path
            for path, entry in files.items()
            if not self._holds(path, self.objects.entry(root, path)) and not self._holds(path, entry)
        ]
        if edited:
            raise Refused(*map(self._edited, edited))

    def _edited(self, path: str) -> Refusal:
        hint = f"git -C {self.top} checkout -- {path}, or move your edit away"
        return Refusal("UNCOMMITTED_EDIT", f"{path} has an edit that is not committed", hint, path)

    def _holds(self, path: str, entry: Entry | None) -> bool:
        """Return whether the file on disk has the content of an entry; None means that there is no file."""
        where = self.top / path
        if entry is None:
            return not os.path.lexists(where) and os.path.realpath(where) == self._real(path)
        if where.is_symlink() or not where.is_file() or os.path.realpath(where) != self._real(path):
            return False
        return where.read_bytes() == self.objects.need(entry.id, "blob").content

    def _real(self, path: str) -> str:
        """Return the absolute path that a file has if no folder on the way is a symbolic link."""
        return os.path.join(os.path.realpath(self.top), path)

    def repair(self, tip: str) -> None:
        """Bring files and index that an interrupted command left behind to the tip; edited files stay as they are.

        :param tip: hex id of the ledger's tip.
        """
        shown = self.shown()
        if shown is None:
            self._write_mark(tip)
        elif shown != (tip, tip):
            self.show(self._since(shown[0], tip), tip)

    def _since(self, shown: str, tip: str) -> dict[str, Pair]:
        """Return the entries of each path that differs between two commits; all paths if the first is not here."""
        gone = self.objects.get(shown) is None
        return dict(self.objects.differences(None if gone else self.objects.root(shown), self.objects.root(tip)))

    def show(self, versions: Mapping[str, Pair], tip: str) -> None:
        """Write the new version of each file that still has its old content, then update the index and the mark.

        The mark says that the files are written before the index is: otherwise a failure there would make the next
        command take these files for a user's edits.

        :param versions: the old and the new entry of each path, None where there is no file.
        :param tip: hex id of the commit that the checkout shows from now on.
        """
        for path, (old, new) in versions.items():
            if not self._holds(path, new) and self._holds(path, old):
                self._put(path, new)
        files, index = self.shown() or (tip, tip)
        self._write_mark(tip, index)
        lagging = self._since(index, tip) if index != files else {}
        self._refresh_index({path: new for path, (_, new) in {**lagging, **versions}.items()})
        self._write_mark(tip)

    def _put(self, path: str, entry: Entry | None) -> None:
        where = self.top / path
        if entry is None:
            where.unlink()
            return
        where.parent.mkdir(parents=True, exist_ok=True)
        put(where, self.objects.need(entry.id, "blob").content, mode=0o777 if entry.mode == EXECUTABLE else 0o666)

    def _refresh_index(self, files: Mapping[str, Entry | None]) -> None:
        lines = [
            f"{entry.mode} {entry.id} 0\t{path}" if entry else f"0 {'0' * self.objects.width} 0\t{path}"
            for path, entry in files.items()
        ]
        if lines:
            words = ("update-index", "-z", "--index-info")
            top = {"GIT_WORK_TREE": str(self.top)}
            with journal(self.repository.own):
                self.repository.git.run(*words, given=("\0".join(lines) + "\0").encode(), env=top)

    def _write_mark(self, *shown: str) -> None:
        self.repository.own.mkdir(exist_ok=True)
        put(self.mark, "".join(f"{commit}\n" for commit in shown).encode())


def of(repository: Repository, objects: Objects) -> Checkout | None:
    """Return the checkout to maintain, or None for a bare repository or one whose HEAD is not main."""
    head = (repository.folder / "HEAD").read_text().strip()
    shows_main = repository.top is not None and head == f"ref: {names.MAIN}"
    return Checkout(repository, objects, repository.top) if shows_main and repository.top else None
