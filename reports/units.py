"""Numbers as a report prints them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from embcheck.reports.untrusted import finite

_LISTED = 11
"""Longer lists, such as the times of all rounds, stay in the results file."""


def seconds_text(value: float | None) -> str:
    """Return a duration with a fitting unit; a dash if it is not known."""
    if value is None:
        return "-"
    for unit, factor in (("s", 1.0), ("ms", 1e3)):
        if value * factor >= 1:
            return f"{value * factor:.3g} {unit}"
    return f"{value * 1e6:.3g} us"


def nanoseconds_text(value: float | None) -> str:
    """Return nanoseconds in three digits, without an exponent; a dash where they are not known."""
    if value is None:
        return "-"
    return f"{value:.3g}" if value < 100 else f"{value:,.0f}"


def bytes_text(value: float | None) -> str:
    """Return a size with a fitting unit of 1,024; a dash where it is not known."""
    if value is None:
        return "-"
    for unit, factor in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if value >= factor:
            number = value / factor
            # `.3g` writes 1,000 and more with an exponent.
            return f"{number:.3g} {unit}" if number < 1000 else f"{number:,.0f} {unit}"
    return f"{value:.0f} B"


def share_text(share: float | None) -> str:
    """Return a share of a ceiling in percent, two digits; a dash where none is known."""
    if share is None:
        return "-"
    return f"{share:.0%}" if share >= 0.1 else f"{share * 100:.2g}%"


def rate_text(value: float | None) -> str:
    """Return GB/s in three digits; a dash where they are not known."""
    return "-" if value is None else f"{value:.3g}"


def percent_text(share: float | None) -> str:
    """Return a share in percent, rounded down, so that only 1 is 100 %; a dash for None."""
    if share is None:
        return "-"
    return f"{math.floor(share * 1000) / 10:g} %"


def plural(count: int, noun: str, more: str = "") -> str:
    """Return a count with its noun: `1 case`, `2 cases`."""
    return f"{count:,} {noun if count == 1 else more or noun + 's'}"


def value_text(value: Any) -> str:
    """Return a setting or a figure as text: four digits, lists by commas, long ones by length."""
    number = finite(value)
    if number is not None and isinstance(value, float):
        return f"{number:.4g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {value_text(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        if len(value) > _LISTED:
            return f"{len(value)} values"
        return ", ".join(value_text(item) for item in value)
    return str(value)
