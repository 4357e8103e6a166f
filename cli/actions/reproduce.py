"""What `embcheck reproduce` does; the command itself is in `cli/reproduce.py`."""

from __future__ import annotations

from pathlib import Path

import click

from embcheck.cli.faults import refuse
from embcheck.conformance.execution.address import BadAddress
from embcheck.conformance.execution.discovery import UnknownBackend
from embcheck.conformance.reproduction.literals import NotWritable
from embcheck.conformance.reproduction.session import reproduce as write
from embcheck.conformance.suite.problems import SpecError


def reproduce(case: str, backend: str, specs: tuple[Path, ...]) -> None:
    """Print a script that makes one call through the library's own API and compares the answer."""
    try:
        click.echo(write(case, backend, specs), nl=False)
    except (BadAddress, NotWritable, SpecError, UnknownBackend) as error:
        refuse("reproduce", error)
