"""The state at one commit, as the rule book reads it: files found through trees, records through the index."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from opsgit.domain import names
from opsgit.domain.records import Record
from opsgit.domain.refusals import refuse
from opsgit.domain.request import ManagedFile
from opsgit.domain.vocabulary import DEPLOYED
from opsgit.storage import log, schema, yaml_codec
from opsgit.storage.index import Index
from opsgit.storage.objects import EXECUTABLE, FILE, FOLDER, Objects


def read_record(objects: Objects, index: Index, path: str, blob: str) -> Record:
    """The checked record of a blob at a path, remembered in the index."""
    found = index.record(blob)
    if found is None:
        content = objects.need(blob, "blob").content
        found = checked_record(content, path)
        index.keep([(blob, found)])
    return found


def checked_record(content: bytes, path: str) -> Record:
    """The record of a file's bytes, checked by its schema; an unknown version of the rule book is never guessed at."""
    record, kind = yaml_codec.parse(content, path), names.place(path).kind
    if kind == "project" and isinstance(record.get("rules"), int):
        from opsgit.domain import rules

        rules.version(record["rules"])
    return schema.check(kind, record, path)


@dataclass(eq=False, repr=False)
class TreeReader:
    """A `Reader` (see `domain.request`) over the tree of one ledger commit."""

    objects: Objects
    index: Index
    commit: str
    root: str = ""

    def __post_init__(self) -> None:
        self.root = self.root or self.objects.root(self.commit)

    def record(self, path: str) -> Record | None:
        """The checked mapping of a file, or None."""
        entry = self.objects.entry(self.root, path)
        if entry is None:
            return None
        if entry.mode != FILE:
            refuse("WRONG_FILE", f"{path} is not a plain file", "git rm it", path)
        return read_record(self.objects, self.index, path, entry.id)

    def managed(self, path: str) -> ManagedFile | None:
        """The managed file at a path, or None."""
        entry = self.objects.entry(self.root, path)
        if entry is None or entry.mode == FOLDER:
            return None
        return ManagedFile(self.objects.need(entry.id, "blob").content, entry.mode == EXECUTABLE)

    def names(self, folder: str) -> Sequence[str]:
        """The names in a folder."""
        entry = self.objects.entry(self.root, folder)
        return list(self.objects.tree(entry.id)) if entry and entry.mode == FOLDER else []

    def schema(self, name: str) -> Mapping[str, Any]:
        """The JSON Schema of a name."""
        return schema.load(name)

    def deploy_commit(self, task_id: str) -> str | None:
        """The ledger commit that last deployed a task."""
        path = names.task_path(task_id)
        for commit in log.operations(self.objects.git, self.commit, path, "task.deploy-finish"):
            entry = self.objects.entry(self.objects.root(commit), path)
            if entry and read_record(self.objects, self.index, path, entry.id)["status"] == DEPLOYED:
                return commit
        return None


def sync_index(objects: Objects, index: Index, tip: str) -> None:
    """Bring the index to the ledger's tip, at the cost of what changed since it was last looked at."""
    while index.tip() != tip:  # again where another process was faster, or the file could not be written
        _advance(objects, index, tip)


def _advance(objects: Objects, index: Index, tip: str) -> None:
    old = index.tip()
    objects.tree(objects.root(tip))  # a missing one is said to be missing, before git's log stumbles over it
    since = list(log.raw_entries(objects.git, tip, old)) if old and objects.get(old) else []
    if not since or since[0].parents[:1] != (old,):  # the ledger was rewound, or the index is new
        index.restart()
        old, since = None, list(log.raw_entries(objects.git, tip, None))
    pairs = objects.differences(objects.root(old) if old else None, objects.root(tip))
    changed = {path: after.id if after else None for path, (_, after) in pairs}

    def record(path: str, blob: str) -> Record:
        return read_record(objects, index, path, blob)

    index.advance(old, tip, changed, record, [log.summary(entry, record) for entry in since])
