"""The JSON Schemas on disk, and jsonschema to explain what the rule book's own check of them has refused."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from opsgit.domain import names, schemas
from opsgit.domain.records import Record
from opsgit.domain.refusals import Refusal, Refused


def folder() -> Path:
    """Where the schemas lie: in the installed package, or at the top of a source tree."""
    packaged = Path(__file__).parent.parent / "schema"
    return packaged if packaged.is_dir() else packaged.parent.parent / "schema"


@cache
def load(name: str) -> dict[str, Any]:
    """A schema by its name (`task`, `ops`, `output/task` ...)."""
    schema: dict[str, Any] = json.loads((folder() / f"{name}.schema.json").read_bytes())
    return schema


def check(kind: str, record: Record, path: str) -> Record:
    """Return a record that fits the schema of its kind; else refuse with all `SCHEMA` faults, each with its path."""
    name = names.ENTITIES[kind].schema
    if not schemas.fits(name, record, load):
        raise Refused(*faults(name, record, path))
    return record


def faults(name: str, value: Any, path: str) -> list[Refusal]:
    """Every fault that jsonschema finds, as refusals.

    :param path: the file's name, before the path inside of it.
    """
    from jsonschema import Draft202012Validator

    hint = "opsgit help policy" if name == "ops" else "opsgit help format"
    found = sorted(Draft202012Validator(load(name)).iter_errors(value), key=lambda error: list(map(str, error.path)))
    return [
        Refusal("SCHEMA", f"{path}: {error.json_path.removeprefix('$.')}: {error.message[:300]}", hint,
                f"{path}: {error.json_path}")
        for error in found
    ] or [Refusal("SCHEMA", f"{path}: does not fit its schema", hint, path)]  # fmt: skip
