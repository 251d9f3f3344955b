"""The JSON Schemas on disk. The rule book's own check decides; jsonschema only explains what that check refused."""

from __future__ import annotations

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


def faults(name: str, value: Any, path: str) -> list[Refusal]:
    """Return every fault that jsonschema finds in a value, as refusals with the code `SCHEMA`.

    :param name: the schema's name.
    :param path: the file's name, which each refusal names before the path inside the file.
    :returns: at least one refusal.
    """
    from jsonschema import Draft202012Validator

    hint = "opsgit help policy" if name == "ops" else "opsgit help format"
    found = sorted(Draft202012Validator(load(name)).iter_errors(value), key=lambda error: list(map(str, error.path)))
    return [
        Refusal("SCHEMA", f"{path}: {error.json_path.removeprefix('$.')}: {error.message[:300]}", hint,
                f"{path}: {error.json_path}")
        for error in found
    ] or [Refusal("SCHEMA", f"{path}: does not fit its schema", hint, path)]  # fmt: skip
