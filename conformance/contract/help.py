"""What an adapter does of a call itself, declared where it does it."""

from __future__ import annotations

_GIVEN: dict[str, None] = {}


def helps(line: str) -> None:
    """Declare that the adapter, not the library, does something of the call under way.

    Called in `prepare` or in the thunk, at the very place. `line` begins with a verb, as in
    `cuts rows behind the last offset before the call`. Results that came with help say so, and
    reports count them.
    """
    _GIVEN[line] = None


def taken() -> list[str]:
    """Return the lines of the call under way, each once, and forget them."""
    lines = list(_GIVEN)
    _GIVEN.clear()
    return lines
