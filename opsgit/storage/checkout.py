"""The checkout: the working files and git's index, kept at the ledger's tip without overwriting a user's edits."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from opsgit.domain import names
from opsgit.domain.refusals import Refusal, Refused
from opsgit.domain.values import Value, positional
from opsgit.storage.disk import put
from opsgit.storage.journal import journal
from opsgit.storage.objects import EXECUTABLE, FILE, Entry, Objects, Pair
from opsgit.storage.parts import in_parts
from opsgit.storage.repository import Repository


@positional
class Checkout(Value):
    """The checkout of a repository whose HEAD is main. `top` is its top folder."""

    repository: Repository
    objects: Objects
    top: Path

    @property
    def mark(self) -> Path:
        """The file that says what the checkout shows: the commit of the files, and that of git's index.

        git's index lags behind the files after a crash, or while another program holds its lock. Further lines are
        commits whose files a writer began to write; if it failed in between, some files are theirs.
        """
        return self.repository.own / "checkout"

    def shown(self) -> tuple[str, str, list[str]] | None:
        """Return the commits (hex ids) that files and index show, and those begun since; None if nothing is known."""
        lines = self.mark.read_text(errors="replace").split() if self.mark.exists() else []
        return (lines[0], lines[min(1, len(lines) - 1)], lines[2:]) if lines else None

    def refuse_edits(self, files: Mapping[str, Entry | None], parent: str) -> None:
        """Refuse to overwrite files that were edited by hand.

        :param files: the new entry of each path, None for a file that is removed.
        :param parent: hex id of the ledger commit before the change.
        :raises Refused: `UNCOMMITTED_EDIT` for each file that has neither its new content, nor that in `parent`, nor
            that in a commit which the checkout still shows, because it could not be refreshed.
        """
        shown, _, begun = self.shown() or (parent, parent, [])
        known = (one for one in dict.fromkeys((parent, shown, *begun)) if self.objects.get(one))
        roots = [self.objects.root(one) for one in known]
        edited = [
            path
            for path, entry in files.items()
            if not self._holds(path, entry)
            and not any(self._holds(path, self.objects.entry(root, path)) for root in roots)
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
        elif shown != (tip, tip, []):
            self.show(tip)

    def _since(self, shown: str, tip: str) -> dict[str, Pair]:
        """Return the entries of each path that differs between two commits; all paths if the first is not here."""
        gone = self.objects.get(shown) is None
        return dict(self.objects.differences(None if gone else self.objects.root(shown), self.objects.root(tip)))

    def show(
        self, tip: str, first: Mapping[str, Pair] | None = None, meanwhile: Callable[[], None] = lambda: None
    ) -> None:
        """Write the new version of each file that has the content of an older commit, then the index and the mark.

        The mark names the commit before a file is written: if that fails in between, the next command knows which of
        the files are ours and which hold a user's edits. It says that the files are written before the index is.

        :param tip: hex id of the commit that the checkout shows from now on.
        :param first: the old and the new entry of each path, for the first commit of a checkout.
        :param meanwhile: what is to be done while git writes its index, and needs nothing of the checkout.
        """
        files, index, begun = self.shown() or (tip, tip, [])
        self._write_mark(files, index, *begun, *([tip] if tip not in begun else []))
        changed = [first] if first else [self._since(commit, tip) for commit in dict.fromkeys((files, *begun))]
        for path in self._with_contents(changed):
            pairs = [versions[path] for versions in changed if path in versions]
            new = pairs[0][1]
            if not self._holds(path, new) and any(self._holds(path, old) for old, _ in pairs):
                self._put(path, new)
        self._write_mark(tip, index)
        lagging = {} if first else self._since(index, tip)
        new_entries = {path: new for versions in (lagging, *changed) for path, (_, new) in versions.items()}
        self._refresh_index(new_entries, meanwhile)
        self._write_mark(tip)

    def _with_contents(self, changed: Sequence[Mapping[str, Pair]]) -> Iterator[str]:
        """Yield the changed paths. The contents of the next ones are read at once."""
        for some in in_parts(dict.fromkeys(path for versions in changed for path in versions)):
            found = (entry for path in some for versions in changed for entry in versions.get(path, ()) if entry)
            self.objects.read([entry.id for entry in found if entry.mode in (FILE, EXECUTABLE)])
            yield from some

    def _put(self, path: str, entry: Entry | None) -> None:
        where = self.top / path
        if entry is None:
            where.unlink()
            return
        where.parent.mkdir(parents=True, exist_ok=True)
        put(where, self.objects.need(entry.id, "blob").content, mode=0o777 if entry.mode == EXECUTABLE else 0o666)

    def _refresh_index(self, files: Mapping[str, Entry | None], meanwhile: Callable[[], None]) -> None:
        lines = [
            f"{entry.mode} {entry.id} 0\t{path}" if entry else f"0 {'0' * self.objects.width} 0\t{path}"
            for path, entry in files.items()
        ]
        if not lines:
            return meanwhile()
        given, top = ("\0".join(lines) + "\0").encode(), {"GIT_WORK_TREE": str(self.top)}
        git = self.repository.git
        with journal(self.repository.own), git.beside("update-index", "-z", "--index-info", given=given, env=top):
            meanwhile()

    def _write_mark(self, *shown: str) -> None:
        self.repository.own.mkdir(exist_ok=True)
        put(self.mark, "".join(f"{commit}\n" for commit in shown).encode())


def of(repository: Repository, objects: Objects) -> Checkout | None:
    """Return the checkout to maintain, or None for a bare repository or one whose HEAD is not main."""
    head = (repository.folder / "HEAD").read_text().strip()
    shows_main = repository.top is not None and head == f"ref: {names.MAIN}"
    return Checkout(repository, objects, repository.top) if shows_main and repository.top else None
