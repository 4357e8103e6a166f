"""The letters for outcomes of a feature's cases, one for each context; the words of contexts.

See `reports/answers/contexts.py` for what a context is. This module imports nothing of the suite.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import groupby

Words = frozenset[str]

PASSED, PARTLY, ABSENT, UNKNOWN, UNDECIDED = "ypaun"
FAILED: Mapping[str, str] = {"silently": "s", "dying": "d", "loudly": "l"}
"""Letters by how a feature fails, the worst first. A capital letter: the same cases pass with the
spelling that the feature's `instead` names."""
FAILURES = frozenset(FAILED.values())

DTYPES = ("float32", "float16", "bfloat16", "float64")
"""The dtypes of tables that are legal."""
INDEX_DTYPES = ("int32", "int64")
MARGINAL = 0.1
"""A feature is absent if at most this share of its cases or contexts passes, the rest absent."""

TABLES = tuple(f"{name} tables" for name in DTYPES)
INDICES = tuple(f"{name} indices" for name in INDEX_DTYPES)
MODES = ("mode sum", "mode mean", "mode max")
FORMS = ("offsets", "two-dimensional indices")
OPERATIONS = ("lookups", "bags", "one-hot vectors")


def packed(text: str) -> str:
    """Compress letters by run lengths, as `y12s`."""
    runs = ((letter, len([*group])) for letter, group in groupby(text))
    # Contexts are sorted, so neighbours differ little and runs of a letter are long.
    return "".join(letter + (str(count) if count > 1 else "") for letter, count in runs)


@lru_cache(maxsize=2**14)
def unpacked(text: str) -> str:
    """Read what `packed` wrote."""
    return "".join(
        letter * int(count or 1) for letter, count in re.findall(r"([a-zA-Z])(\d{0,4})", text)
    )


def worst_of(seen: Iterable[str]) -> str | None:
    """Return how the worst of some letters fails; None if none does."""
    lower = {letter.lower() for letter in seen}
    return next((how for how, letter in FAILED.items() if letter in lower), None)
