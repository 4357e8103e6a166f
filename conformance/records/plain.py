"""Convert dataclasses to plain JSON data and back.

A field without a default is always written; None becomes null. A field with a default is left out
if it has that value, except for the fields of a line itself. A field marked `FLAT` holds a
dataclass whose fields are written among those of its owner.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import lru_cache
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

FLAT: Mapping[str, Any] = {"flat": True}
"""Metadata of a field that holds a dataclass or None, and has no key of its own in the record."""

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")


def to_plain(value: Any, *, whole: bool = False) -> Any:
    """Return a value as JSON data. If `whole` is true, fields with their default are written too.

    `whole` applies to the value itself, not to the dataclasses in it.
    """
    kind: Any = type(value)
    # First, for speed: nearly all values are scalars.
    if kind in _SCALARS:
        return value
    if known := _fields_of(kind):
        found: dict[str, Any] = {}
        for name, default, is_flat in known:
            entry = getattr(value, name)
            if is_flat:
                found |= {} if entry is None else to_plain(entry)
            elif whole or default is MISSING or entry != default:
                found[name] = to_plain(entry)
        return found
    if isinstance(value, tuple):
        return [to_plain(entry) for entry in value]
    if isinstance(value, Mapping) and any(map(is_dataclass, value.values())):
        return {key: to_plain(entry) for key, entry in value.items()}
    return value  # Other mappings, and lists, are plain data already.


_SCALARS = frozenset({str, int, float, bool, NoneType})


@lru_cache
def _fields_of(kind: Any) -> tuple[tuple[str, Any, bool], ...]:
    """Return (name, default, is flat) for each field of a dataclass; () for other types."""
    found = fields(kind) if is_dataclass(kind) else ()
    return tuple((one.name, one.default, bool(one.metadata.get("flat"))) for one in found)


def from_plain(kind: type[T], data: Mapping[str, Any]) -> T:
    """Make a dataclass from JSON data; unknown keys are ignored.

    Plain values are not checked here: `reading.read_lines` has validated them by the schema.
    Raise TypeError if a required field is missing, or a field is not the object or list that it
    should be.
    """
    made: T = _reader_of(kind)(data)
    return made


@lru_cache
def _reader_of(kind: Any) -> Callable[[Mapping[str, Any]], Any]:
    """Return a function that makes a dataclass from JSON data.

    Cached, since finding out how takes longer than doing it.
    """
    plain: set[str] = set()
    made: list[tuple[str, Callable[[Any], Any]]] = []
    flat: list[tuple[str, set[str], Callable[[Mapping[str, Any]], Any]]] = []
    for field in fields(kind):
        hint = hints_of(kind)[field.name]
        if field.metadata.get("flat"):
            noun = noun_of(hint)
            # Its keys are among those of the owner. It is present if any of them is.
            flat.append((field.name, {key.name for key in fields(noun)}, _reader_of(noun)))
        elif (convert := _converter(hint, field.name)) is not None:
            made.append((field.name, convert))
        else:
            plain.add(field.name)

    def read(data: Mapping[str, Any]) -> Any:
        found = {key: value for key, value in data.items() if key in plain}
        for name, convert in made:
            if name in data:
                found[name] = convert(data[name])
        for name, keys, noun in flat:
            if not keys.isdisjoint(data):
                found[name] = noun(data)
        return kind(**found)

    return read


def _converter(hint: Any, name: str) -> Callable[[Any], Any] | None:
    """Return a function that makes a field's value from JSON data; None if it needs no change."""
    allows_none = NoneType in get_args(hint)
    # At most one member of a union needs a conversion.
    convert = next(filter(None, (_made(option, name) for option in options_of(hint))), None)
    if convert is None or not allows_none:
        return convert
    return lambda value: None if value is None else convert(value)


def _made(option: Any, name: str) -> Callable[[Any], Any] | None:
    origin, inner = get_origin(option), get_args(option)
    if is_dataclass(option):
        read = _reader_of(cast("Hashable", option))
        return lambda value: read(_checked(value, Mapping, name))
    if origin is Mapping and is_dataclass(inner[1]):
        each = _reader_of(cast("Hashable", inner[1]))
        return lambda value: {
            key: each(_checked(entry, Mapping, name))
            for key, entry in _checked(value, Mapping, name).items()
        }
    if origin is tuple:
        entry_of = _converter(inner[0], name)
        if entry_of is None:
            return lambda value: tuple(_checked(value, list, name))
        return lambda value: tuple(map(entry_of, _checked(value, list, name)))
    return None


def _checked(value: Any, kind: type, name: str) -> Any:
    if not isinstance(value, kind):
        raise TypeError(f"{name} is no {'list' if kind is list else 'object'}")
    return value


@lru_cache
def hints_of(kind: Hashable) -> dict[str, Any]:
    """Return the types of a dataclass's fields."""
    return get_type_hints(kind)


def options_of(hint: Any) -> tuple[Any, ...]:
    """Return the members of a union type without None, or the type itself."""
    if get_origin(hint) in (Union, UnionType):
        return tuple(option for option in get_args(hint) if option is not NoneType)
    return (hint,)


def noun_of(hint: Any) -> Any:
    """Return the dataclass in a field's type."""
    return next(option for option in options_of(hint) if is_dataclass(option))
