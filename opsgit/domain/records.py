"""Conversion between frozen values and the mappings in files, which omit unset fields and empty lists and mappings."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache, partial
from typing import Any, TypeVar

from opsgit.domain import model, names
from opsgit.domain.refusals import refuse

Record = Mapping[str, Any]
Value = TypeVar("Value")


def model_of(kind: str) -> type[Any]:
    """Return the class of the records of a kind.

    :param kind: a key of `names.ENTITIES`.
    """
    named = names.ENTITIES[kind].model
    return named if isinstance(named, type) else typing.cast(type[Any], getattr(model, named))


def to_record(value: object) -> dict[str, Any]:
    """Return the mapping of a frozen value, in field order, without unset fields and empty lists and mappings."""
    pairs = ((f.name, _plain(getattr(value, f.name))) for f in fields(value))  # type: ignore[arg-type]
    return {name: plain for name, plain in pairs if plain is not None and plain != [] and plain != {}}


def _plain(value: object) -> Any:
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return to_record(value) if is_dataclass(value) else value


def from_record(kind: type[Value], record: Record) -> Value:
    """Return the frozen value of a mapping that its schema has accepted.

    :raises TypeError, KeyError, AttributeError: when the mapping was not checked and does not fit.
    """
    makers = _makers(typing.cast(typing.Hashable, kind))
    return kind(**{name: maker(item) if (maker := makers[name]) else item for name, item in record.items()})


def checked(kind: type[Value], given: Any, where: str) -> Value:
    """Return the frozen value of a mapping that no schema has checked.

    :param given: the value to check; it need not be a mapping.
    :param where: the argument that holds it, for the message.
    :raises Refused: `BAD_VALUE` when the fields or their types do not fit.
    """
    if not _fits(kind, given):
        refuse("BAD_VALUE", f"{where} does not have the fields of {kind.__name__}", "opsgit help format", where)
    return from_record(kind, given)


def _fits(wanted: Any, given: Any) -> bool:
    """Return whether a plain value has the type that a model declares for a field."""
    if is_dataclass(wanted):
        hints = _types(typing.cast(typing.Hashable, wanted))
        needed = {f.name for f in fields(wanted) if f.default is MISSING and f.default_factory is MISSING}
        return (isinstance(given, Mapping) and needed <= set(given) <= set(hints)
                and all(_fits(hints[name], item) for name, item in given.items()))  # fmt: skip
    origin, inner = typing.get_origin(wanted), typing.get_args(wanted)
    if origin is tuple:
        return isinstance(given, list | tuple) and all(_fits(inner[0], item) for item in given)
    if origin is dict:
        return isinstance(given, Mapping) and all(
            isinstance(name, str) and _fits(inner[1], item) for name, item in given.items()
        )
    return wanted is object or (isinstance(given, wanted) and not (wanted is int and isinstance(given, bool)))


Maker = Callable[[Any], Any]


@cache
def _makers(kind: Any) -> dict[str, Maker | None]:
    """Return for each field of a class what makes its value from a plain one; None where that is the value itself."""
    return {name: _maker(wanted) for name, wanted in _types(kind).items()}


def _maker(wanted: Any) -> Maker | None:
    if is_dataclass(wanted):
        return partial(from_record, typing.cast(type[Any], wanted))
    origin = typing.get_origin(wanted)
    if origin not in (tuple, dict):
        return None
    inner = _maker(typing.get_args(wanted)[0 if origin is tuple else 1])
    if origin is tuple:
        return (lambda items: tuple(map(inner, items))) if inner else tuple
    return (lambda items: {name: inner(item) for name, item in items.items()}) if inner else dict


@cache
def _types(kind: Any) -> dict[str, Any]:
    hints = typing.get_type_hints(kind)
    return {f.name: _present(hints[f.name]) for f in fields(kind)}


def _present(hint: Any) -> Any:
    """Return the type of a field that is set: for `X | None` it is X."""
    if isinstance(hint, types.UnionType):
        choices = [part for part in typing.get_args(hint) if part is not type(None)]
        return choices[0] if len(choices) == 1 else object
    return hint
