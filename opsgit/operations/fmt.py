"""Bring files that were edited by hand into the canonical form."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from opsgit.domain import canonical, names
from opsgit.domain.refusals import Refusal, Refused, refuse
from opsgit.operations.session import Session
from opsgit.storage import reader
from opsgit.storage.disk import put


def fmt(session: Session, files: Iterable[Path], check: bool) -> tuple[list[str], list[Refusal]]:
    """Rewrite the files that are not in the canonical form.

    :param files: which files; none means all records of the checkout.
    :param check: change nothing, only list the files.
    :returns: the paths that are not in the canonical form, and the faults of the files that cannot be read.
    :raises Refused: `WRONG_FILE` for a file outside the checkout.
    """
    top = session.repository.top or Path.cwd()
    changed: list[str] = []
    faults: list[Refusal] = []
    for file in list(files) or list(_all(top)):
        path = os.path.relpath(file, top)
        if path.startswith(".."):
            refuse("WRONG_FILE", f"{file} is not in {top}", "opsgit fmt, without a file, looks at all", str(file))
        try:
            content = file.read_bytes()
            made = _formed(content, path)
        except Refused as refused:
            faults += refused.refusals
            continue
        if made != content:
            changed.append(path)
            if not check:
                put(file, made)
    return changed, faults


def _all(top: Path) -> Iterator[Path]:
    yield top / names.PROJECT
    for folder in (entity.folder for entity in names.ENTITIES.values() if entity.folder):
        yield from sorted(path for path in (top / folder).rglob("*") if path.is_file() or path.is_symlink())


def _formed(content: bytes, path: str) -> bytes:
    place = names.place(path)
    if place.kind == "managed":
        return content
    record = reader.checked_record(content, path)
    if place.kind == "project":
        return content  # ops.yaml has comments and any layout: it has no canonical form
    named = record[names.ENTITIES[place.kind].identifier]
    if named != place.name:
        raise Refused(Refusal("SCHEMA", f"{path}: holds {named!r}, whose file is {names.path_of(place.kind, named)}",
                              f"git mv {path} {names.path_of(place.kind, named)}", path))  # fmt: skip
    return canonical.normalized(place.kind, record)
