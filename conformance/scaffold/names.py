"""Derive the names of a backend's distribution, package and class from the backend's name."""

from __future__ import annotations

import keyword
import re
from dataclasses import dataclass

from embcheck.conformance.contract import backend, call

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*(@[a-z0-9]+)?")


class BadName(Exception):
    """An invalid backend name; the message says why and what to do."""


@dataclass(frozen=True)
class Names:
    """The names of one backend's distribution, package and class."""

    backend: str
    distribution: str
    package: str
    adapter: str

    @classmethod
    def of(cls, name: str) -> Names:
        """Derive the names from a backend's name. Raise BadName if it is not valid."""
        if _NAME.fullmatch(name) is None:
            raise BadName(
                f"'{name}' is no name for a backend: use small letters and digits in words joined "
                "by single hyphens, and @device at the end if need be, as in mylib-take@cuda"
            )
        words = re.split("[-@]", name)
        return cls(
            name,
            "-".join(["embcheck", *words]),
            "_".join(["embcheck", *words]),
            _class_name(words),
        )


def _class_name(words: list[str]) -> str:
    """Join capitalised words; append `Adapter` if the name is already taken."""
    name = "".join(map(str.capitalize, words))
    # The adapter imports names from these two modules, and its class must not hide them.
    is_taken = keyword.iskeyword(name) or hasattr(backend, name) or hasattr(call, name)
    return f"{name}Adapter" if is_taken else name
