"""Numbers as a report prints them."""

from __future__ import annotations

import math


def seconds_text(value: float | None) -> str:
    """Return a duration with a fitting unit; a dash where it is not known."""
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


def percent_text(share: float | None) -> str:
    """Return a share in percent, rounded down: only all of it is 100 %; a dash for none known."""
    if share is None:
        return "-"
    return f"{math.floor(share * 1000) / 10:g} %"


def plural(count: int, noun: str, more: str = "") -> str:
    """Return a count with its noun: `1 case`, `2 cases`."""
    return f"{count:,} {noun if count == 1 else more or noun + 's'}"
