"""Choice of an array in a user's file by its name, and how messages show names."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

LISTED = 12
"""The most names in a message; the others are only counted."""
_NEAR = 3
_COMPARED = 20_000
"""The most names that a misspelt one is compared with; more would take seconds."""
_LONGEST = 120


class BadInput(Exception):
    """A user's file or array cannot be timed; the message says why, and what to do."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(f"{what}; {remedy}")


@dataclass(frozen=True)
class Form:
    """The shape of an array and the name of its dtype, as its file says."""

    shape: tuple[int, ...]
    dtype: str

    def __str__(self) -> str:
        return " ".join([" x ".join(f"{size:,}" for size in self.shape), self.dtype]).strip()


def shown(name: str) -> str:
    """Return a name from a file as one short line without control characters."""
    plain = name if name.isprintable() else ascii(name)[1:-1]
    return plain if len(plain) <= _LONGEST else f"{plain[: _LONGEST - 3]}..."


def chosen(
    place: Path, name: str | None, kind: str, names: Collection[str], forms: Mapping[str, Form]
) -> str:
    """Return the requested name, or without one, the only name that there is.

    Raises BadInput otherwise, with similar names or a list in which tables come first. `forms` may
    lack names.
    """
    if name is None and len(names) == 1:
        return next(iter(names))
    if name is not None and name in names:
        return name
    what = f"no {kind} is named" if name is None else f"there is no {kind} '{shown(name)}'"
    if name is not None and (near := _near(name, names)):
        like = " or ".join(_described(one, forms) for one in near)
        raise BadInput(f"{place}: {what}", f"did you mean {like}?")
    listed = [_described(one, forms) for one in _tables_first(names, forms)[:LISTED]]
    more = [f"and {len(names) - LISTED:,} more"] if len(names) > LISTED else []
    advice = f"write {place.name}:NAME with one of"
    raise BadInput(f"{place}: {what}", "\n  ".join([advice, *(listed or ["none"]), *more]))


def _near(name: str, names: Collection[str]) -> list[str]:
    """List a few names that end like the one asked for, or else are spelled like it."""
    # Most misspelt names lack a prefix such as `model.`, or have one too many.
    ends = sorted(one for one in names if one.endswith(f".{name}") or name.endswith(f".{one}"))
    if ends or len(names) > _COMPARED:
        return ends[:_NEAR]
    return get_close_matches(name, names, _NEAR)


def _tables_first(names: Collection[str], forms: Mapping[str, Form]) -> list[str]:
    """Sort names: arrays of two dimensions first, then names with `emb`, then by most rows."""

    def key(name: str) -> tuple[bool, bool, int, str]:
        shape = forms[name].shape if name in forms else ()
        is_table = len(shape) == 2
        return not is_table, "emb" not in name.lower(), -shape[0] if is_table else 0, name

    return sorted(names, key=key)


def _described(name: str, forms: Mapping[str, Form]) -> str:
    form = f" ({forms[name]})" if name in forms else ""
    return f"{shown(name)}{form}"
