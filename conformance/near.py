"""What a misspelt name may have meant."""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches

MOST = 3


def near(name: str, known: Collection[str]) -> list[str]:
    """List at most three known names that are spelled like one, whatever their case."""
    plain: dict[str, str] = {}
    for one in known:
        plain.setdefault(one.lower(), one)
    return [plain[one] for one in get_close_matches(name.lower(), plain, MOST)]


def did_you_mean(name: str, known: Collection[str], otherwise: str) -> str:
    """Ask whether a name that is spelled alike was meant; say something else if there is none."""
    found = near(name, known)
    return f"did you mean {' or '.join(found)}?" if found else otherwise
