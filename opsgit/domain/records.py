"""Between frozen values and the mappings that files hold: unset fields and empty lists are left out."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, TypeVar

from opsgit.domain import model

Record = Mapping[str, Any]
Value = TypeVar("Value")
KINDS: dict[str, type[Any]] = {
    "project": model.Project,
    "task": model.Task,
    "agent": model.Agent,
    "quota": model.Quota,
    "metric": model.Metric,
    "alert": model.Alert,
}


def to_record(value: object) -> dict[str, Any]:
    """The mapping of a frozen value, in field order, without unset fields and empty lists or mappings."""
    pairs = ((f.name, _plain(getattr(value, f.name))) for f in fields(value))  # type: ignore[arg-type]
    return {name: plain for name, plain in pairs if plain is not None and plain != [] and plain != {}}


def _plain(value: object) -> Any:
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return to_record(value) if is_dataclass(value) else value


def from_record(kind: type[Value], record: Record) -> Value:
    """The frozen value of a mapping that its schema has accepted.

    :raises TypeError: if the mapping was not checked and does not fit.
    """
    wanted = _types(typing.cast(typing.Hashable, kind))
    return kind(**{name: _frozen(wanted[name], item) for name, item in record.items()})


def _frozen(wanted: Any, item: Any) -> Any:
    if is_dataclass(wanted):
        return from_record(typing.cast(type[Any], wanted), item)
    origin = typing.get_origin(wanted)
    if origin is tuple:
        inner = typing.get_args(wanted)[0]
        return tuple(_frozen(inner, part) for part in item)
    if origin is dict:
        inner = typing.get_args(wanted)[1]
        return {name: _frozen(inner, part) for name, part in item.items()}
    return item


@cache
def _types(kind: Any) -> dict[str, Any]:
    return {name: _present(hint) for name, hint in typing.get_type_hints(kind).items()}


def _present(hint: Any) -> Any:
    """The type of a field when it is set: `X | None` is X."""
    if isinstance(hint, types.UnionType):
        choices = [part for part in typing.get_args(hint) if part is not type(None)]
        return choices[0] if len(choices) == 1 else object
    return hint
