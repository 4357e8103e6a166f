"""The cases of a name: an id as it is printed, a glob, or an id without its brackets."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable

NEAR = 3


def globs(names: Iterable[str]) -> re.Pattern[str]:
    """Return a pattern for ids; `*` matches anything, all else itself."""
    patterns = (re.escape(name).replace(r"\*", ".*") for name in names)
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns))


def named(names: Iterable[str], cases: Collection[str]) -> frozenset[str]:
    """Return the cases of names; an id without brackets means all cases of its matrix.

    Raises LookupError for a name that matches none, with similar ids.
    """
    found: set[str] = set()
    for name in names:
        pattern = globs([name, f"{name}[*]"])
        matches = {case for case in cases if pattern.fullmatch(case)}
        if not matches:
            raise LookupError(f"there is no case '{name}'{_hint(name, cases)}")
        found |= matches
    return frozenset(found)


def _hint(name: str, cases: Collection[str]) -> str:
    close = near(name, cases)
    return f"; did you mean {' or '.join(close)}?" if close else ""


def near(name: str, cases: Collection[str]) -> list[str]:
    """List a few likely ids: the same but for brackets, else similar ones."""
    template = name.partition("[")[0]
    siblings = sorted(case for case in cases if case.partition("[")[0] == template)
    return siblings[:NEAR] or difflib.get_close_matches(name, cases, n=NEAR)
