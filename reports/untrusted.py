"""Make text from a backend or a file safe to show, on a page or in a terminal."""

from __future__ import annotations

import math
import unicodedata
from typing import Any
from urllib.parse import urlsplit

_KEPT = frozenset("\n\t")
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode categories that show nothing and can reorder, colour or hide what stands beside them."""


def clean(text: Any) -> str:
    """Return text with control, bidirectional and other invisible characters spelled out."""
    raw = str(text)
    if raw.isascii() and raw.isprintable():
        return raw
    return "".join(_visible(character) for character in raw)


def one_line(text: Any, limit: int = 200) -> str:
    """Return clean text on one line, cut with three dots at the limit."""
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


def _visible(character: str) -> str:
    if character in _KEPT or unicodedata.category(character) not in _HIDDEN:
        return character
    return (
        character.encode("ascii", "backslashreplace").decode()
        if character > "\x7f"
        else (f"\\x{ord(character):02x}")
    )


def finite(value: Any) -> float | None:
    """Return a number as a float; None for anything but a finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None
