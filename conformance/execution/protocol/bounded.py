"""Bounds on what a backend supplies: texts, names and lists are cut, and say so.

They are applied once, where a frame from a worker becomes data of the harness.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

TEXT = 4000
"""Characters of a message."""
NAME = 200
NOTE = 60
"""Characters in which it is said that a text was cut."""
CUT = re.compile(r"\.\.\. \([\d,]+ characters(, cut)?\)\Z")
REPLY_TEXT = 256 * 1024
"""Characters of all texts of a reply together, but for those in `ROOMY`."""
ROOMY = {"script": 2**20, "doc": 2**16}
SHORT = dict.fromkeys(
    ("exception", "stage", "status", "id", "library", "version", "device", "instructions",
     "embcheck", "provision", "refuser"),
    NAME,
)  # fmt: skip
"""The most characters of the texts under some keys of a reply, where it is not `TEXT`."""
WORDS = 64
"""Texts in a list, and arrays in an answer."""
ITEMS = 100_000
"""Items of another list: readings of a clock, for instance."""
KEYS = 1000
DEEPEST = 20


def bounded(text: str, limit: int = TEXT) -> str:
    """Cut a text that is longer than a number of characters, and say how long it was.

    One that was cut to that number already stays as it is, with what it says of its length.
    """
    whole = len(text) <= limit or (len(text) <= limit + NOTE and CUT.search(text))
    return text if whole else f"{text[:limit]}... ({len(text):,} characters, cut)"


def safe(text: str) -> str:
    """Write control characters, and others that cannot be seen, as Python's escapes."""
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() or each in "\n\t" else each.encode("unicode_escape").decode()
        for each in text
    )


def bounded_reply(header: Mapping[str, Any]) -> dict[str, Any]:
    """Return the header of a reply, with all that is too long in it cut."""
    return _Scissors().mapping(header, 0)


def bounded_arrays(arrays: Mapping[str, Any]) -> tuple[dict[str, Any], int]:
    """Return the first arrays of an answer, their names cut, and how many were left out."""
    kept = {bounded(name, NAME): array for name, array in list(arrays.items())[:WORDS]}
    return kept, max(0, len(arrays) - WORDS)


class _Scissors:
    """Cuts one reply."""

    def __init__(self) -> None:
        self._left = REPLY_TEXT

    def mapping(self, given: Mapping[str, Any], depth: int) -> dict[str, Any]:
        """Cut a mapping's values, by their keys, and its keys."""
        return {
            bounded(key, NAME): self._cut(value, key, depth)
            for key, value in list(given.items())[:KEYS]
        }

    def _cut(self, value: Any, key: str, depth: int) -> Any:
        if isinstance(value, str):
            return self._text(value, key)
        if isinstance(value, dict | list) and depth == DEEPEST:
            return "... (nested more deeply, cut)"
        if isinstance(value, dict):
            return self.mapping(value, depth + 1)
        return self._list(value, key, depth) if isinstance(value, list) else value

    def _list(self, values: list[Any], key: str, depth: int) -> list[Any]:
        # Numbers, such as readings of a clock, may be more: they need less room, and are not read.
        if not any(isinstance(item, str | dict | list) for item in values):
            return values[:ITEMS]
        if not all(isinstance(item, str) for item in values):
            return [self._cut(item, key, depth + 1) for item in values[:ITEMS]]
        words = [self._text(word, key) for word in values[:WORDS]]
        return words + ([f"... and {len(values) - WORDS:,} more"] if len(values) > WORDS else [])

    def _text(self, text: str, key: str) -> str:
        if key in ROOMY:
            return bounded(text, ROOMY[key])
        # Each text takes of what is left: many short ones could fill a record as well.
        cut = bounded(text, min(SHORT.get(key, TEXT), self._left))
        self._left = max(0, self._left - len(cut))
        return cut
