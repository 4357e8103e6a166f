"""Addresses of backends: `[LABEL=]ID[:PYTHON]`, as the option -b takes them."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from embcheck.conformance.execution.discovery import check_known


class BadAddress(Exception):
    """A backend's address cannot be used; the message says why and what to do."""


@dataclass(frozen=True)
class Address:
    """A backend's id, the interpreter that its worker runs under, and its label in records."""

    label: str
    id: str
    python: str = sys.executable

    @property
    def is_here(self) -> bool:
        """Whether the worker runs under this process's own interpreter."""
        return self.python == sys.executable

    @property
    def text(self) -> str:
        """The address as `parse_address` takes it."""
        return f"{self.label}={self.id}" + ("" if self.is_here else f":{self.python}")


def parse_address(text: str) -> Address:
    """Parse `[LABEL=]ID[:PYTHON]`.

    Raises BadAddress for an interpreter that does not exist, and UnknownBackend for an id that no
    distribution in this environment announces. With another interpreter, only its worker can check
    the id.
    """
    label, equals, rest = text.partition("=")
    if not equals:
        label, rest = "", text
    name, _, python = rest.partition(":")
    if not python:
        check_known([name])
        return Address(label or name, name)
    found = shutil.which(Path(python).expanduser())
    if found is None:
        raise BadAddress(f"-b {text}: there is no interpreter at {python}")
    return Address(label or name, name, str(Path(found).absolute()))


def plain_ids(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names of backends in a record, each once; raises BadAddress for an address.

    An address could start any program, and records come from strangers.
    """
    found = tuple(dict.fromkeys(names))
    for name in found:
        if {"=", ":"} & set(name):
            raise BadAddress(f"'{name}' is no backend's id; name the backends with -b")
    return found


def parse_addresses(texts: Iterable[str]) -> list[Address]:
    """Parse addresses, each once; raises BadAddress if two different ones share a label."""
    addresses = list(dict.fromkeys(parse_address(text) for text in texts))
    labels: set[str] = set()  # Records name backends by their labels alone.
    for address in addresses:
        if address.label in labels:
            raise BadAddress(
                f"two backends are called {address.label}: name one of them, as in "
                f"-b OTHER={address.id}:{address.python}"
            )
        labels.add(address.label)
    return addresses
