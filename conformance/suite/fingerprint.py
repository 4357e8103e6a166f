"""A short digest of all that judges, and of nothing else.

Titles, sources and places in files do not count, nor do comments and the spelling of a spec.
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
"""Fields that nothing is judged by."""
_CHARACTERS = 16


def fingerprint(value: Any) -> str:
    """Return the digest of a case, or of any part of one, in 16 hexadecimal digits."""
    return joined([json.dumps(_plain(value), sort_keys=True)])


def joined(parts: Iterable[str]) -> str:
    """Return the digest of some texts, in 16 hexadecimal digits."""
    text = "\n".join(parts)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_CHARACTERS]


def _plain(value: Any) -> Any:
    """Return what is judged by as JSON data, arrays as a digest of their bytes."""
    if is_dataclass(value):
        kind = type(value).__name__.removeprefix("_Kept")  # A case from the cache is a case.
        kept = (field.name for field in fields(value) if field.name not in _WORDS.get(kind, ()))
        return {"is": kind, **{name: _plain(getattr(value, name)) for name in kept}}
    if isinstance(value, Mapping):
        return {str(name): _plain(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    if isinstance(value, np.ndarray):
        # The shape too: the same bytes may be rows of other lengths.
        return [value.dtype.name, value.shape, hashlib.sha256(value.tobytes()).hexdigest()]
    if isinstance(value, np.dtype):
        return value.name
    return value if value is None or isinstance(value, bool | int | float | str) else repr(value)
