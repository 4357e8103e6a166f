"""What `embcheck new-backend` does; the command itself is in `cli/new_backend.py`."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import click

from embcheck.conformance.exit_codes import ExitCode
from embcheck.conformance.scaffold.distribution import AlreadyThere, write_distribution
from embcheck.conformance.scaffold.names import BadName


def new_backend(name: str, out: Path) -> None:
    """Write a distribution for the backend NAME, as mylib-take or mylib-take@cuda."""
    try:
        folder = write_distribution(name, out)
    except (AlreadyThere, BadName) as error:
        click.echo(f"embcheck new-backend: {error}", err=True)
        sys.exit(ExitCode.USAGE)
    except OSError as error:
        click.echo(f"embcheck new-backend: cannot write to {out}: {error.strerror}", err=True)
        sys.exit(ExitCode.USAGE)
    place = str(folder) if folder.is_absolute() else f"./{folder}"
    click.echo(f"pip install -e {shlex.quote(place)}")
    click.echo(f"embcheck check-backend {name}")
    click.echo(f"embcheck run -b {name} --out out/")
    click.echo(folder)
