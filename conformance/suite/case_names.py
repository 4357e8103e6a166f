"""The cases of a name: an id as it is printed, a glob, or an id without its brackets."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable

NEAR = 3


def globs(names: Iterable[str]) -> re.Pattern[str]:
    """Return a pattern for ids; `*` matches anything, all else itself."""
    # `fnmatch` would take the brackets of ids for sets of characters.
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
    """List a few likely ids, the likeliest first; a pattern where one is given.

    What stands before the brackets counts first: that differs in a letter, whose matrix may differ
    in much.
    """
    template, bracket, _ = name.partition("[")
    of_template: dict[str, list[str]] = {}
    for case in cases:
        of_template.setdefault(case.partition("[")[0], []).append(case)
    close = [template]
    if template not in of_template:
        close = difflib.get_close_matches(template, of_template, n=NEAR)
    # Of known variants, any is likelier than a variant of another case, however unlike it is.
    if bracket and "*" not in name:
        likely = sorted(case for one in close for case in of_template[one])
        return difflib.get_close_matches(name, likely, n=NEAR, cutoff=0.0)
    return [one if one in of_template[one] else f"{one}[*]" for one in close]
