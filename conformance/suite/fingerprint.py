"""A short digest of everything that decides how a case is judged, and of nothing else.

Titles, sources, places in files, comments and the spelling of a spec do not count.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

_WORDS = {
    "Case": {"title", "where"},
    "Clause": {"object", "parameter", "source", "sentences", "where"},
}
"""The fields of each class that have no part in judging."""
_CHARACTERS = 16


def fingerprint(value: Any) -> str:
    """Return the digest of a case, or of any part of one, in 16 hexadecimal digits."""
    return joined([json.dumps(_plain(value), sort_keys=True)])


def joined(parts: Iterable[str]) -> str:
    """Return the digest of some texts, in 16 hexadecimal digits."""
    text = "\n".join(parts)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_CHARACTERS]


def _plain(value: Any) -> Any:
    """Return what decides the judging as JSON data, with a digest for the bytes of an array."""
    if is_dataclass(value):
        # A case from the cache has the class `_KeptCase`, and must have the same digest.
        kind = type(value).__name__.removeprefix("_Kept")
        kept = (field.name for field in fields(value) if field.name not in _WORDS.get(kind, ()))
        return {"is": kind, **{name: _plain(getattr(value, name)) for name in kept}}
    if isinstance(value, Mapping):
        return {str(name): _plain(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    if isinstance(value, np.ndarray):
        # With the shape, since the same bytes may be rows of another length.
        return [value.dtype.name, value.shape, hashlib.sha256(value.tobytes()).hexdigest()]
    if isinstance(value, np.dtype):
        return value.name
    return value if value is None or isinstance(value, bool | int | float | str) else repr(value)
