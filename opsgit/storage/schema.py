"""The JSON Schemas: a fast check compiled from them, and jsonschema to explain what the check has refused."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from opsgit.domain.records import Record
from opsgit.domain.refusals import Refusal, Refused

Test = Callable[[Any], bool]
Schema = Mapping[str, Any]
FILES = {"project": "ops", "task": "task", "agent": "agent", "quota": "quota", "metric": "metric", "alert": "alert"}


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
    if not _compiled(FILES[kind])(record):
        raise Refused(*faults(FILES[kind], record, path))
    return record


def faults(name: str, value: Any, path: str) -> list[Refusal]:
    """Every fault that jsonschema finds, as refusals.

    :param path: the file's name, before the path inside of it.
    """
    from jsonschema import Draft202012Validator

    hint = "opsgit help policy" if name == FILES["project"] else "opsgit help format"
    found = sorted(Draft202012Validator(load(name)).iter_errors(value), key=lambda error: list(map(str, error.path)))
    return [
        Refusal("SCHEMA", f"{path}: {error.json_path.removeprefix('$.')}: {error.message[:300]}", hint,
                f"{path}: {error.json_path}")
        for error in found
    ] or [Refusal("SCHEMA", f"{path}: does not fit its schema", hint, path)]  # fmt: skip


@cache
def _compiled(name: str) -> Test:
    schema = load(name)
    return _all_of(schema, schema.get("$defs", {}))


def _all_of(schema: Schema, defs: Schema) -> Test:
    """One test for all keywords of a schema that we use; a keyword that we do not know is a bug."""
    tests = [KEYWORDS[key](schema, defs) for key in schema if key not in ANNOTATIONS]
    return tests[0] if len(tests) == 1 else lambda value: all(test(value) for test in tests)


ANNOTATIONS = frozenset({"$schema", "$id", "$defs", "title", "description", "additionalProperties"})
TYPES: dict[str, Test] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
}


def _reference(schema: Schema, defs: Schema) -> Test:
    return _all_of(defs[schema["$ref"].removeprefix("#/$defs/")], defs)


def _properties(schema: Schema, defs: Schema) -> Test:
    known = {name: _all_of(inner, defs) for name, inner in schema.get("properties", {}).items()}
    others = schema.get("additionalProperties", True)
    rest = _all_of(others, defs) if isinstance(others, dict) else lambda _: bool(others)
    return lambda value: all(known.get(name, rest)(item) for name, item in value.items())


def _names(schema: Schema, defs: Schema) -> Test:
    test, properties = _all_of(schema["propertyNames"], defs), _properties(schema, defs)
    return lambda value: all(map(test, value)) and properties(value)


def _one_of(schema: Schema, defs: Schema) -> Test:
    tests = [_all_of(inner, defs) for inner in schema["oneOf"]]
    return lambda value: sum(test(value) for test in tests) == 1


def _items(schema: Schema, defs: Schema) -> Test:
    test = _all_of(schema["items"], defs)
    return lambda value: all(map(test, value))


def _pattern(schema: Schema, _: Schema) -> Test:
    match = re.compile(schema["pattern"]).search
    return lambda value: match(value) is not None


def _type(schema: Schema, _: Schema) -> Test:
    return TYPES[schema["type"]]


def _limit(key: str, fits: Callable[[Any, Any], bool]) -> Callable[[Schema, Schema], Test]:
    def build(schema: Schema, _: Schema) -> Test:
        bound = schema[key]
        return lambda value: fits(value, bound)

    return build


KEYWORDS: dict[str, Callable[[Schema, Schema], Test]] = {
    "$ref": _reference,
    "type": _type,
    "properties": _properties,
    "propertyNames": _names,
    "oneOf": _one_of,
    "items": _items,
    "pattern": _pattern,
    "required": _limit("required", lambda value, bound: all(name in value for name in bound)),
    "enum": _limit("enum", lambda value, bound: value in bound),
    "minimum": _limit("minimum", lambda value, bound: value >= bound),
    "maximum": _limit("maximum", lambda value, bound: value <= bound),
    "minLength": _limit("minLength", lambda value, bound: len(value) >= bound),
    "maxLength": _limit("maxLength", lambda value, bound: len(value) <= bound),
    "minItems": _limit("minItems", lambda value, bound: len(value) >= bound),
    "maxItems": _limit("maxItems", lambda value, bound: len(value) <= bound),
    "maxProperties": _limit("maxProperties", lambda value, bound: len(value) <= bound),
    "uniqueItems": _limit("uniqueItems", lambda value, _: len(set(value)) == len(value)),
}
