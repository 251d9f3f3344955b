"""The state at one commit, as the rule book reads it: files come from trees, parsed records from the index."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from opsgit.domain import message, names
from opsgit.domain.records import Record
from opsgit.domain.refusals import refuse
from opsgit.domain.request import ManagedFile, Signed, Snapshot
from opsgit.domain.vocabulary import DEPLOYED
from opsgit.storage import log, schema, signed, yaml_codec
from opsgit.storage.index import Entry, Index
from opsgit.storage.log import Logged
from opsgit.storage.objects import EXECUTABLE, FILE, FOLDER, Objects, parse_commit
from opsgit.storage.parts import in_parts

Changed = tuple[str, str | None]


def read_record(objects: Objects, index: Index, path: str, blob: str) -> Record:
    """Return the checked record of a blob, and keep it in the index.

    :param path: the file's path, which determines its schema.
    :param blob: hex id of the blob.
    :raises Refused: as `checked_record`; `REPOSITORY_BROKEN` if the blob is missing; `UNKNOWN_RULES` if an ops.yaml
        names a version of the rule book that this program does not have.
    """
    found = index.record(blob)
    if found is None:
        record = yaml_codec.parse(objects.need(blob, "blob").content, path)
        if path == names.PROJECT:
            _known_rules(record)
        found = schema.check(names.place(path).kind, record, path)
        index.keep(blob, found)
    return found


def _known_rules(record: Record) -> None:
    """Refuse an unknown version before the schema is asked: another version may have another schema."""
    from opsgit.domain import rules

    named = record.get("rules")
    if isinstance(named, int):
        rules.version(named)


def checked_record(content: bytes, path: str) -> Record:
    """Parse a file and return its record if it fits its schema.

    :param content: the bytes of the file.
    :param path: its path, which determines the schema.
    :raises Refused: `BAD_YAML`, `SCHEMA` or `WRONG_FILE`.
    """
    return schema.check(names.place(path).kind, yaml_codec.parse(content, path), path)


@dataclass(eq=False, repr=False)
class TreeReader:
    """A `Reader` (see `domain.request`) over the tree of one commit.

    `commit` is the hex id of the commit; `root` is the hex id of its tree, looked up if it is empty.
    """

    objects: Objects
    index: Index
    commit: str
    root: str = ""

    def __post_init__(self) -> None:
        self.root = self.root or self.objects.root(self.commit)

    def record(self, path: str) -> Record | None:
        """Return the checked record of a file, or None if there is no file.

        :raises Refused: `WRONG_FILE` if the path is not a plain file; also as `read_record`.
        """
        entry = self.objects.entry(self.root, path)
        if entry is None:
            return None
        if entry.mode != FILE:
            refuse("WRONG_FILE", f"{path} is not a plain file", "git rm it", path)
        return read_record(self.objects, self.index, path, entry.id)

    def managed(self, path: str) -> ManagedFile | None:
        """Return the managed file at a path, or None."""
        entry = self.objects.entry(self.root, path)
        if entry is None or entry.mode == FOLDER:
            return None
        return ManagedFile(self.objects.need(entry.id, "blob").content, entry.mode == EXECUTABLE)

    def names(self, folder: str) -> Sequence[str]:
        """Return the names in a folder in order; empty if there is no such folder."""
        entry = self.objects.entry(self.root, folder)
        return sorted(self.objects.tree(entry.id)) if entry and entry.mode == FOLDER else []

    def schema(self, name: str) -> Mapping[str, Any]:
        """Return the JSON Schema of a name."""
        return schema.load(name)

    def reaches(self, commit: str, tip: str = "") -> bool:
        """Return whether a commit is `tip` (by default the commit of this state) or in its history."""
        words = ("merge-base", "--is-ancestor", "--end-of-options", commit, tip or self.commit)
        return self.objects.git.attempt(*words).returncode == 0

    def basis(self, path: str, op: str) -> Sequence[Signed]:
        """Return the latest ledger commit that performed an operation on a file, then those of the branch it merged.

        :raises Refused: as `signed.actions`.
        """
        agents = Snapshot(self)
        for commit in log.operations(self.objects.git, self.commit, path, op):
            parents = parse_commit(self.objects.need(commit, "commit").content).parents
            merged = signed.actions(self.objects, parents[1], agents) if len(parents) > 1 else []
            return [signed.read(self.objects, commit, agents), *merged]
        return []

    def deploy_commit(self, task_id: str) -> str | None:
        """Return the hex id of the last ledger commit that deployed a task, or None."""
        path = names.task_path(task_id)
        for commit in log.operations(self.objects.git, self.commit, path, "task.deploy-finish"):
            entry = self.objects.entry(self.objects.root(commit), path)
            if entry and read_record(self.objects, self.index, path, entry.id)["status"] == DEPLOYED:
                return commit
        return None


def clock_of(objects: Objects, index: Index, commit_id: str) -> str | None:
    """Return the latest reset of the clock that a commit knows of: the `clock` of the state by which it is decided.

    Two commits that know different resets are not in order by their times.

    :param commit_id: hex id of a commit on the ledger or on a review branch.
    :raises Refused: as `read_record`; `MESSAGE_MISMATCH` for a message that is not opsgit's.
    """
    commit = parse_commit(objects.need(commit_id, "commit").content)
    ledger = message.parse(commit.message).ledger or commit_id
    return (TreeReader(objects, index, ledger).record(names.PROJECT) or {}).get("clock")


def sync_index(objects: Objects, index: Index, tip: str, known: Index | None = None) -> None:
    """Bring the index to the ledger's tip; the cost depends on what changed since its last update.

    :param tip: hex id of the ledger's tip.
    :param known: another index that may know records already.
    :raises Refused: `REPOSITORY_BROKEN` or `BAD_TREE` for a damaged repository; as `read_record` for a file that breaks
        the rules.
    """
    while (old := index.tip()) != tip:  # try again if another process was faster, or if the file could not be written
        advance_index(objects, index, old, tip, known)


def advance_index(objects: Objects, index: Index, old: str | None, tip: str, known: Index | None = None) -> None:
    """Bring the index from one commit to another. Nothing happens if it is no longer at the first.

    :param old: hex id of the commit that the index is at, None for a new index.
    :raises Refused: as `sync_index`.
    """
    objects.tree(objects.root(tip))  # refuses a missing tree by name; git log would only fail
    since = log.raw_entries(objects.git, tip, old) if old and objects.get(old) else iter(())
    first = next(since, None)
    goes_on = first is not None and first.parents[:1] == (old,)  # else the ledger was rewound, or the index is new
    since = itertools.chain([first], since) if first and goes_on else log.raw_entries(objects.git, tip, None)

    def record(path: str, blob: str) -> Record:
        return (known and known.record(blob)) or read_record(objects, index, path, blob)

    pairs = objects.differences(objects.root(old) if old and goes_on else None, objects.root(tip))
    changed = ((path, after.id if after else None) for path, (_, after) in pairs)
    log_ = _summaries(objects, index, since, record)
    index.advance(old, tip, _read_ahead(objects, index, changed), record, log_, anew=not goes_on)


def _summaries(
    objects: Objects, index: Index, entries: Iterable[Logged], record: Callable[[str, str], Record]
) -> Iterator[Entry]:
    """Yield the history entries of ledger commits. The files of the next ones are read at once."""
    for some in in_parts(entries):
        _read(objects, index, [blob for entry in some for blob in entry.files.values() if blob])
        yield from (log.summary(entry, record) for entry in some)


def _read_ahead(objects: Objects, index: Index, changed: Iterable[Changed]) -> Iterator[Changed]:
    """Yield changed paths with the hex ids of their blobs. The files of the next ones are read at once."""
    for some in in_parts(changed):
        _read(objects, index, [blob for path, blob in some if blob and not names.is_managed(path)])
        yield from some


def _read(objects: Objects, index: Index, blobs: Sequence[str]) -> None:
    known = index.known(blobs)
    objects.read([blob for blob in blobs if blob not in known])
