"""Size limits on what a backend sends: longer texts, names and lists are cut, and say so.

Replies are cut once, when the harness has received them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

TEXT = 4000
"""Characters of a message."""
NAME = 200
NOTE = 60
"""The most characters of the note that a text was cut."""
CUT = re.compile(r"\.\.\. \([\d,]+ characters(, cut)?\)\Z")
REPLY_TEXT = 256 * 1024
"""The most characters of all texts of a reply together, except those under the keys in `ROOMY`."""
ROOMY = {"script": 2**20, "doc": 2**16}
SHORT = dict.fromkeys(
    ("exception", "stage", "status", "id", "library", "version", "device", "instructions",
     "embcheck", "provision", "refuser"),
    NAME,
)  # fmt: skip
"""The most characters of the texts under some keys of a reply, if not `TEXT`."""
WORDS = 64
"""The most texts in a list, and the most arrays in an answer."""
ITEMS = 100_000
"""The most items of any other list, such as readings of a clock."""
KEYS = 1000
DEEPEST = 20


def bounded(text: str, limit: int = TEXT) -> str:
    """Cut a text that is longer than `limit` characters, and append how long it was.

    A text that was already cut to that limit keeps its note, and stays as it is.
    """
    whole = len(text) <= limit or (len(text) <= limit + NOTE and CUT.search(text))
    return text if whole else f"{text[:limit]}... ({len(text):,} characters, cut)"


def safe(text: str) -> str:
    """Replace invisible characters, except newlines and tabs, by Python's escapes."""
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() or each in "\n\t" else each.encode("unicode_escape").decode()
        for each in text
    )


def bounded_reply(header: Mapping[str, Any]) -> dict[str, Any]:
    """Return the header of a reply, with everything in it cut that is too long."""
    return _Scissors().mapping(header, 0)


def bounded_arrays(arrays: Mapping[str, Any]) -> tuple[dict[str, Any], int]:
    """Return the first arrays of an answer, their names cut, and how many were left out."""
    kept = {bounded(name, NAME): array for name, array in list(arrays.items())[:WORDS]}
    return kept, max(0, len(arrays) - WORDS)


class _Scissors:
    """The cutting of one reply, whose texts share one limit."""

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
        # Lists of numbers, such as readings of a clock, may be longer: no one reads them as text.
        if not any(isinstance(item, str | dict | list) for item in values):
            return values[:ITEMS]
        if not all(isinstance(item, str) for item in values):
            return [self._cut(item, key, depth + 1) for item in values[:ITEMS]]
        words = [self._text(word, key) for word in values[:WORDS]]
        return words + ([f"... and {len(values) - WORDS:,} more"] if len(values) > WORDS else [])

    def _text(self, text: str, key: str) -> str:
        if key in ROOMY:
            return bounded(text, ROOMY[key])
        # All texts share one limit: many short ones could fill a record too.
        cut = bounded(text, min(SHORT.get(key, TEXT), self._left))
        self._left = max(0, self._left - len(cut))
        return cut
