"""The state at the ledger's tip: records and names come from the index, without a git process.

Managed files and history come from git, as `TreeReader` reads them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from opsgit.domain import names
from opsgit.storage.index import Index
from opsgit.storage.repository import Repository

if TYPE_CHECKING:
    from opsgit.domain.records import Record
    from opsgit.domain.request import ManagedFile, Signed
    from opsgit.storage.reader import TreeReader


@dataclass(eq=False, repr=False)
class IndexReader:
    """A `Reader` (see `domain.request`) of an index. `commit` is the hex id of the commit that the index is at."""

    repository: Repository
    index: Index
    commit: str

    @cached_property
    def _tree(self) -> TreeReader:
        return self.repository.reader(self.repository.objects(), self.commit)

    def record(self, path: str) -> Record | None:
        """Return the checked record of a file, or None if there is no file."""
        return self.index.at(path)

    def names(self, folder: str) -> Sequence[str]:
        """Return the names in a folder in order; empty if there is no such folder."""
        if folder.partition("/")[0] in names.FOLDERS:
            return self.index.names(folder)
        return self._tree.names(folder)

    def managed(self, path: str) -> ManagedFile | None:
        """Return the managed file at a path, or None."""
        return self._tree.managed(path)

    def schema(self, name: str) -> Mapping[str, Any]:
        """Return the JSON Schema of a name."""
        from opsgit.storage import schema

        return schema.load(name)

    def reaches(self, commit: str, tip: str = "") -> bool:
        """Return whether a commit is `tip` (by default the commit of this state) or in its history."""
        return self._tree.reaches(commit, tip)

    def basis(self, path: str, op: str) -> Sequence[Signed]:
        """Return what `TreeReader.basis` returns."""
        return self._tree.basis(path, op)

    def deploy_commit(self, task_id: str) -> str | None:
        """Return the hex id of the last ledger commit that deployed a task, or None."""
        return self._tree.deploy_commit(task_id)
