"""Checks of the JSON that a worker sends, which may be anything.

A check takes a value and its place, and returns the value with its texts cleaned. If the value has
another type, it raises Broken, which names both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from embcheck.conformance.execution.protocol.bounded import TEXT, bounded
from embcheck.conformance.execution.protocol.wire import Broken

Check = Callable[[Any, str], Any]

MOST_ENTRIES = 100_000
"""The most entries of a list or an object."""
LARGEST = 1e15
"""No number of seconds, calls or bytes is larger."""

_SHOWN = 40
_WORDS = {str: "a text", list: "a list", dict: "an object", type(None): "null"}


def clean(value: str, most: int = TEXT) -> str:
    """Return a text that can be encoded: without lone surrogates, and cut to `most`."""
    return bounded(value, most).encode("utf-8", "replace").decode()


def text_of(most: int) -> Check:
    """Return a check for a text of so many characters; a longer one is cut."""

    def check(value: Any, place: str) -> str:
        # Here and below, types are compared exactly, since True is an int but no number here.
        if type(value) is not str:
            raise _wrong(value, place, "a text")
        return clean(value, most)

    return check


text = text_of(TEXT + 100)
"""More than `TEXT`: a text that the worker cut to `TEXT` has a note, and must not be cut again."""
short = text_of(200)
long_text = text_of(1_000_000)


def number(value: Any, place: str) -> float:
    """Check a finite number."""
    if type(value) not in (int, float) or not abs(value) <= LARGEST:  # NaN is refused too.
        raise _wrong(value, place, "a number")
    return float(value)


def seconds(value: Any, place: str) -> float:
    """Check a number that is not negative."""
    if number(value, place) < 0:
        raise _wrong(value, place, "a number of seconds")
    return float(value)


def count(value: Any, place: str) -> int:
    """Check a whole number that is not negative."""
    if type(value) is not int or not 0 <= value <= LARGEST:
        raise _wrong(value, place, "a count")
    return value


def flag(value: Any, place: str) -> bool:
    """Check true or false."""
    if type(value) is not bool:
        raise _wrong(value, place, "true or false")
    return value


def plain(value: Any, place: str) -> Any:
    """Check a number, a text, true, false or null."""
    if value is None or type(value) is bool:
        return value
    return text(value, place) if type(value) is str else number(value, place)


def maybe(check: Check) -> Check:
    """Return a check that lets null through."""
    return lambda value, place: None if value is None else check(value, place)


def many(check: Check) -> Check:
    """Return a check for a list whose entries all pass a check."""

    def check_all(value: Any, place: str) -> list[Any]:
        if type(value) is not list or len(value) > MOST_ENTRIES:
            raise _wrong(value, place, "a list")
        return [check(entry, place) for entry in value]

    return check_all


def named(check: Check) -> Check:
    """Return a check for an object of any keys, whose values all pass a check."""

    def check_all(value: Any, place: str) -> dict[str, Any]:
        if type(value) is not dict or len(value) > MOST_ENTRIES:
            raise _wrong(value, place, "an object")
        return {
            text(key, place): check(entry, f"{place}.{clean(key, _SHOWN)}")
            for key, entry in value.items()
        }

    return check_all


def fields(required: Mapping[str, Check], optional: Mapping[str, Check] | None = None) -> Check:
    """Return a check for an object with the required keys, perhaps optional ones, and no others."""
    checks = {**required, **(optional or {})}

    def check_all(value: Any, place: str) -> dict[str, Any]:
        if type(value) is not dict:
            raise _wrong(value, place, "an object")
        if missing := required.keys() - value.keys():
            raise Broken(f"{place} lacks {min(missing)}")
        if unknown := value.keys() - checks.keys():
            raise Broken(f"{place} has a field that is unknown: {clean(min(unknown), _SHOWN)}")
        return {key: checks[key](entry, f"{place}.{key}") for key, entry in value.items()}

    return check_all


def _wrong(value: Any, place: str, wanted: str) -> Broken:
    # In lower case, as JSON writes true and false.
    shown = _WORDS.get(type(value)) or bounded(str(value).lower(), _SHOWN)
    return Broken(f"{place} should be {wanted}, and is {shown}")
