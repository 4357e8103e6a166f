"""Find the cases that a name means: an id as it is printed, a glob, or an id without brackets."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable

NEAR = 3


def globs(names: Iterable[str]) -> re.Pattern[str]:
    """Return a pattern that matches ids: `*` matches anything, other characters themselves."""
    # `fnmatch` would read the brackets of ids as sets of characters.
    patterns = (re.escape(name).replace(r"\*", ".*") for name in names)
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns))


def named(names: Iterable[str], cases: Collection[str]) -> frozenset[str]:
    """Return the ids that names match; an id without brackets matches all cases of its matrix.

    Raise LookupError, with similar ids, for a name that matches none.
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
    """List a few ids that may have been meant, the likeliest first; patterns if `name` is one.

    The part before the brackets is compared first. A mistyped id has most of its letters right
    there, but its matrix values may be quite different.
    """
    template, bracket, _ = name.partition("[")
    of_template: dict[str, list[str]] = {}
    for case in cases:
        of_template.setdefault(case.partition("[")[0], []).append(case)
    close = [template]
    if template not in of_template:
        close = difflib.get_close_matches(template, of_template, n=NEAR)
    # Any variant of a likely case is likelier than a variant of another, so there is no cutoff.
    if bracket and "*" not in name:
        likely = sorted(case for one in close for case in of_template[one])
        return difflib.get_close_matches(name, likely, n=NEAR, cutoff=0.0)
    return [one if one in of_template[one] else f"{one}[*]" for one in close]
