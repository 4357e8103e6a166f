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
    if value is None or hint is Any:
        return value
    options = options_of(hint)
    noun: Any = next((option for option in options if is_dataclass(option)), None)
    if noun is not None:
        if not isinstance(value, Mapping):
            raise TypeError(f"{name} is no object")
        return from_plain(noun, value)
    if isinstance(value, Mapping) and get_origin(hint) is Mapping:
        return {key: _made(get_args(hint)[1], entry, name) for key, entry in value.items()}
    if isinstance(value, list) and (listed := _listed(options)) is not None:
        return tuple(_made(listed, entry, name) for entry in value)
    return value


def _listed(options: tuple[Any, ...]) -> Any:
    """Return the hint of a list's entries; None where no list is meant."""
    found = next((option for option in options if get_origin(option) is tuple), None)
    return None if found is None else get_args(found)[0] if get_args(found)[-1] is ... else Any


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
