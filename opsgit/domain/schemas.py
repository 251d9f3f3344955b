"""A fast check of records by their JSON Schemas, compiled to plain functions. The caller passes in the schemas."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from opsgit.domain import names
from opsgit.domain.records import Record
from opsgit.domain.refusals import refuse

Test = Callable[[Any], bool]
Schema = Mapping[str, Any]
Load = Callable[[str], Schema]
_COMPILED: dict[str, tuple[Schema, Test]] = {}  # by name; compiling a schema takes about 1 ms


def check(kind: str, record: Record, path: str, load: Load) -> None:
    """Refuse a record that does not fit the schema of its kind.

    :param kind: a key of `names.ENTITIES`.
    :param path: the file's path, for the message.
    :param load: returns a JSON Schema by its name.
    :raises Refused: `SCHEMA`.
    """
    name = names.ENTITIES[kind].schema
    if not fits(name, record, load):
        refuse("SCHEMA", f"{path}: {'; '.join(_faults(load(name), load(name).get('$defs', {}), record)) or 'misfit'}",
               "opsgit help format", path)  # fmt: skip


def fits(name: str, record: Any, load: Load) -> bool:
    """Return whether a value fits a schema.

    :param name: the name of the schema.
    :param load: returns a JSON Schema by its name.
    """
    schema = load(name)
    known = _COMPILED.get(name)
    if known is None or known[0] is not schema:
        known = _COMPILED[name] = (schema, _all_of(schema, schema.get("$defs", {})))
    return known[1](record)


def _faults(schema: Schema, defs: Schema, value: Any, where: str = "") -> list[str]:
    """Return messages about the top-level fields of a mapping that do not fit, are missing or are unknown."""
    properties = schema.get("properties", {})
    if not isinstance(value, dict) or not properties:
        return [f"{where or 'the file'} does not fit its schema"]
    odd = [f"{where}{name} is not a field" for name in value if name not in properties]
    lacking = [f"{where}{name} is missing" for name in schema.get("required", ()) if name not in value]
    wrong = [name for name in value if name in properties and not _all_of(properties[name], defs)(value[name])]
    return [*odd, *lacking, *(f"{where}{name} does not fit its schema" for name in wrong)]


def _all_of(schema: Schema, defs: Schema) -> Test:
    """Return one test for all keywords of a schema; an unknown keyword raises `KeyError`, because it is a bug."""
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
