"""The JSON Schemas on disk. The rule book's own check decides; jsonschema only explains what that check refused."""

from __future__ import annotations

import itertools
import json
from functools import cache
from pathlib import Path
from typing import Any

from opsgit.domain import names, schemas
from opsgit.domain.records import Record
from opsgit.domain.refusals import Refusal, Refused


def folder() -> Path:
    """Return the folder of the schemas: in the installed package, or at the top of a source tree."""
    packaged = Path(__file__).parent.parent / "schema"
    return packaged if packaged.is_dir() else packaged.parent.parent / "schema"


@cache
def load(name: str) -> dict[str, Any]:
    """Return a schema by its name, such as `task`, `ops` or `output/task`."""
    schema: dict[str, Any] = json.loads((folder() / f"{name}.schema.json").read_bytes())
    return schema


def check(kind: str, record: Record, path: str) -> Record:
    """Return a record if it fits the schema of its kind.

    :param kind: a key of `names.ENTITIES`.
    :param path: the file's name, for the refusals.
    :raises Refused: `SCHEMA`, once for each fault.
    """
    name = names.ENTITIES[kind].schema
    if not schemas.fits(name, record, load):
        raise Refused(*faults(name, record, path))
    return record


NODES_MAX = 2_000  # beyond that jsonschema takes minutes: it compares the items of a list with each other
FAULTS_MAX = 20


def faults(name: str, value: Any, path: str) -> list[Refusal]:
    """Return the faults that jsonschema finds in a value, as refusals with the code `SCHEMA`.

    :param name: the schema's name.
    :param path: the file's name, which each refusal names before the path inside the file.
    :returns: at least one refusal and at most `FAULTS_MAX`; a single one for a value with more than `NODES_MAX` parts.
    """
    from jsonschema import Draft202012Validator

    hint = "opsgit help policy" if name == "ops" else "opsgit help format"
    if _nodes(value) > NODES_MAX:
        return [Refusal("SCHEMA", f"{path}: does not fit its schema, and holds too much to say where", hint, path)]
    errors = itertools.islice(Draft202012Validator(load(name)).iter_errors(value), FAULTS_MAX)
    found = sorted(errors, key=lambda error: list(map(str, error.path)))
    return [
        Refusal("SCHEMA", f"{path}: {error.json_path.removeprefix('$.')}: {error.message[:300]}", hint,
                f"{path}: {error.json_path}")
        for error in found
    ] or [Refusal("SCHEMA", f"{path}: does not fit its schema", hint, path)]  # fmt: skip


def _nodes(value: Any) -> int:
    """Return the number of parts of a value; counting ends beyond `NODES_MAX`."""
    left, count = [value], 0
    while left and count <= NODES_MAX:
        one = left.pop()
        count += 1
        left.extend(one.values() if isinstance(one, dict) else one if isinstance(one, list) else ())
    return count
