"""The canonical form: the only byte sequence that is accepted for a record. `opsgit help format` specifies it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from opsgit.domain import names
from opsgit.domain.records import Record, from_record, model_of, to_record

SIZE_MAX = 262_144  # bytes in one file
# Bytes up to which an operation may fill the file of a task or an agent, so that nobody fills what others need: texts
# leave room for the steps of the lifecycle, and these leave room for what ends a review or a task.
ROOM = {"texts": 192 * 1024, "steps": 240 * 1024, "ends": SIZE_MAX}

# A string is plain only when YAML 1.1 and YAML 1.2 parsers read the same string.
_PLAIN = re.compile(r"[A-Za-z_/](?:[A-Za-z0-9_./@+()→;=-]|[ ](?=[^ ]))*\Z")
_AMBIGUOUS = frozenset({"true", "false", "yes", "no", "on", "off", "y", "n", "null"})
_BLOCK = re.compile(r"[^\s](?:[^\n]*[^\s])?(?:\n+(?:[ \t]*[^\s](?:[^\n]*[^\s])?))*\n?\Z")


def emit(kind: str, record: Record) -> bytes:
    """Return the canonical bytes of a record.

    :param kind: a key of `names.ENTITIES`.
    :param record: the mapping, with its keys already in the order of the model's fields.
    """
    entity = names.ENTITIES[kind]
    up = "../" * names.path_of(kind, "x").count("/")
    lines = [f"# yaml-language-server: $schema={up}schema/{entity.schema}.schema.json"]
    emit_mapping(record, "", lines)
    return ("\n".join(lines) + "\n").encode()


def normalized(kind: str, record: Record) -> bytes:
    """Return the canonical bytes of a record whose keys may be in any order.

    :param kind: a key of `names.ENTITIES`.
    :param record: a mapping that its schema has accepted.
    """
    return emit(kind, to_record(from_record(model_of(kind), record)))


def emit_mapping(record: Mapping[str, Any], indent: str, lines: list[str], first: str | None = None) -> None:
    """Append the lines of a mapping.

    :param first: what stands before the first entry, if it is not the indent.
    """
    lead = first if first is not None else indent
    for key, value in record.items():
        _emit_entry(f"{lead}{scalar(key)}:", value, indent, lines)
        lead = indent


def _emit_entry(head: str, value: Any, indent: str, lines: list[str]) -> None:
    if isinstance(value, Mapping) and value:
        lines.append(head)
        emit_mapping(value, indent + "  ", lines)
    elif isinstance(value, list) and value:
        lines.append(head)
        for item in value:
            _emit_item(item, indent + "  ", lines)
    elif isinstance(value, str) and "\n" in value and _BLOCK.match(value):
        lines.append(f"{head} {'|' if value.endswith(chr(10)) else '|-'}")
        lines += [f"{indent}  {line}" if line else "" for line in value.removesuffix("\n").split("\n")]
    else:
        lines.append(f"{head} {scalar(value)}")


def _emit_item(item: Any, indent: str, lines: list[str]) -> None:
    if isinstance(item, Mapping) and item:
        emit_mapping(item, indent + "  ", lines, first=f"{indent}- ")
    else:
        lines.append(f"{indent}- {scalar(item)}")


def scalar(value: Any) -> str:
    """Return a scalar or an empty collection on one line; a string is plain where that is safe, else double-quoted."""
    if isinstance(value, str):
        safe = _PLAIN.match(value) and value.lower() not in _AMBIGUOUS
        return value if safe else _quoted(value)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, int | float) else ("[]" if isinstance(value, list) else "{}")


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{escaped}"'
