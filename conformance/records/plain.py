"""Dataclasses <-> plain JSON data.

A field without a default is always written, null where it is None. One with a default is left out
where it has it, but for the fields of a line itself. A field marked `FLAT` holds a dataclass whose
fields stand among those of its owner.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import lru_cache
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, TypeVar, Union, get_args, get_origin, get_type_hints

FLAT: Mapping[str, Any] = {"flat": True}
"""Metadata of a field whose dataclass, or None, has no name of its own in the record."""

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")


def to_plain(value: Any, *, whole: bool = False) -> Any:
    """Return a value as JSON data; `whole` writes a dataclass's defaults too."""
    if is_dataclass(value):
        return {
            key: plain
            for field in fields(value)
            for key, plain in _entries(field, getattr(value, field.name), whole=whole)
        }
    if isinstance(value, tuple):
        return [to_plain(entry) for entry in value]
    if isinstance(value, Mapping) and any(map(is_dataclass, value.values())):
        return {key: to_plain(entry) for key, entry in value.items()}
    return value  # Other mappings, and lists, are plain data already.


def _entries(field: Field[Any], value: Any, *, whole: bool) -> list[tuple[str, Any]]:
    if field.metadata.get("flat"):
        return [] if value is None else list(to_plain(value).items())
    if not whole and field.default is not MISSING and value == field.default:
        return []
    return [(field.name, to_plain(value))]


def from_plain(kind: type[T], data: Mapping[str, Any]) -> T:
    """Make a dataclass of JSON data; keys that it does not know are left out.

    Plain values are taken as they come, for they are untrusted: who shows one looks at it first.
    Raises TypeError where a field is missing, or is no object where it should be one.
    """
    made: dict[str, Any] = {}
    hints = hints_of(kind)
    for field in fields(kind):
        hint = hints[field.name]
        if field.metadata.get("flat"):
            noun = noun_of(hint)
            if any(key.name in data for key in fields(noun)):
                made[field.name] = from_plain(noun, data)
        elif field.name in data:
            made[field.name] = _made(hint, data[field.name], field.name)
    return kind(**made)


def _made(hint: Any, value: Any, name: str) -> Any:
    if value is None and NoneType in get_args(hint):
        return None
    for option in options_of(hint):
        if is_dataclass(option):
            return from_plain(option, _checked(value, Mapping, name))  # type: ignore[arg-type]
        origin, inner = get_origin(option), get_args(option)
        if origin is Mapping and is_dataclass(inner[1]):
            entries = _checked(value, Mapping, name).items()
            return {key: _made(inner[1], entry, name) for key, entry in entries}
        if origin is tuple and (is_dataclass(inner[0]) or isinstance(value, list)):
            return tuple(_made(inner[0], entry, name) for entry in _checked(value, list, name))
    return value


def _checked(value: Any, kind: type, name: str) -> Any:
    if not isinstance(value, kind):
        raise TypeError(f"{name} is no {'list' if kind is list else 'object'}")
    return value


@lru_cache
def hints_of(kind: Hashable) -> dict[str, Any]:
    """Return the types of a dataclass's fields."""
    return get_type_hints(kind)


def options_of(hint: Any) -> tuple[Any, ...]:
    """Return what a type may be, None aside."""
    if get_origin(hint) in (Union, UnionType):
        return tuple(option for option in get_args(hint) if option is not NoneType)
    return (hint,)


def noun_of(hint: Any) -> Any:
    """Return the dataclass that a field holds."""
    return next(option for option in options_of(hint) if is_dataclass(option))
