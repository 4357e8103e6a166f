"""How much of a table a page shows, so that a page of many results still opens at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

CELLS_SHOWN = 8000
"""The most cells of one table: twice as many as the largest real report fills."""

LARGE = 20_000
"""With more results, links and folded texts come only from the script's data, not from HTML too."""

T = TypeVar("T")


def with_room(rows: Sequence[T], columns: int, matters: Callable[[T], bool]) -> Sequence[T]:
    """Return the rows that a page has room for, in their order; rows that matter are kept first."""
    room = max(1, CELLS_SHOWN // max(1, columns))
    if len(rows) <= room:
        return rows
    chosen = sorted(range(len(rows)), key=lambda number: not matters(rows[number]))[:room]
    return [rows[number] for number in sorted(chosen)]
