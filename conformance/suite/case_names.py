"""Which cases a name stands for: an id as it is printed, a glob, or an id without its brackets."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable

NEAR = 3


def globs(names: Iterable[str]) -> re.Pattern[str]:
    """Return what matches ids that are named; `*` stands for anything, all else for itself."""
    patterns = (re.escape(name).replace(r"\*", ".*") for name in names)
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns))


def named(names: Iterable[str], cases: Collection[str]) -> frozenset[str]:
    """Return the cases that are named; an id without brackets stands for all that it has become.

    Raises LookupError for a name that stands for none, with ids that are near it.
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
    """List a few ids that somebody may have meant: the same but for brackets, else similar ones."""
    template = name.partition("[")[0]
    siblings = sorted(case for case in cases if case.partition("[")[0] == template)
    return siblings[:NEAR] or difflib.get_close_matches(name, cases, n=NEAR)
