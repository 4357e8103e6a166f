"""Make text from a backend or a file safe to show, on a page or in a terminal."""

from __future__ import annotations

import math
import re
import unicodedata
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode categories that show nothing and can reorder, colour or hide what stands beside them."""

_UNPLAIN = re.compile(r"[^\x20-\x7e\n\t]")
"""What may have to be spelled out: all but plain text and the ends of lines."""


def clean(text: Any) -> str:
    """Return text with control, bidirectional and other invisible characters spelled out."""
    raw = str(text)
    return raw if raw.isprintable() else _UNPLAIN.sub(lambda found: _visible(found[0]), raw)


def one_line(text: Any, limit: int = 200) -> str:
    """Return clean text on one line, cut with three dots at the limit."""
    # Cut before cleaning, since a text may have megabytes; at four limits, since spaces collapse.
    line = " ".join(clean(str(text)[: 4 * limit]).split())
    return line if len(line) <= limit else line[: limit - 3] + "..."


def web_link(link: Any) -> str | None:
    """Return the link if it is http or https, else None: a report never links to a script."""
    if not isinstance(link, str) or clean(link) != link:
        return None
    try:
        parts = urlsplit(link)
    except ValueError:
        return None
    return link if parts.scheme in {"http", "https"} and parts.netloc else None


@lru_cache(maxsize=4096)
def _visible(character: str) -> str:
    if unicodedata.category(character) not in _HIDDEN:
        return character
    if character <= "\x7f":  # `backslashreplace` does not escape ASCII, not even controls.
        return f"\\x{ord(character):02x}"
    return character.encode("ascii", "backslashreplace").decode()


def finite(value: Any) -> float | None:
    """Return a number as a float; None for anything but a finite number."""
    # `bool` is an `int` to Python, but not a measured number.
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None
