"""What `embcheck new-backend` does; the command itself is in `cli/new_backend.py`."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from embcheck.cli.faults import refuse
from embcheck.conformance.scaffold.distribution import AlreadyThere, write_distribution
from embcheck.conformance.scaffold.names import BadName
from embcheck.conformance.scaffold.origin import BadOrigin, is_local, requirement

LOCAL = (
    "embcheck is installed from a folder of this machine, which CI does not have; before you push, "
    "name a git address"
)


def new_backend(name: str, out: Path, where: str | None) -> None:
    """Write a distribution for the backend NAME, as mylib-take or mylib-take@cuda."""
    try:
        required = requirement(where)
        folder = write_distribution(name, out, required)
    except (AlreadyThere, BadName, BadOrigin) as error:
        refuse("new-backend", error)
    except OSError as error:
        refuse("new-backend", f"cannot write to {out}: {error.strerror}")
    if is_local(required):
        click.echo(f"embcheck new-backend: {LOCAL} in pyproject.toml", err=True)
    place = str(folder) if folder.is_absolute() else f"./{folder}"
    click.echo(f"pip install -e {shlex.quote(place)}")
    click.echo(f"embcheck check-backend {name}")
    click.echo(f"embcheck run -b {name} --out out/")
    click.echo(folder)
