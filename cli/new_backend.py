"""`embcheck new-backend`: a distribution with an adapter that runs, to be filled in."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import click


@click.command("new-backend")
@click.argument("name")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    metavar="DIR",
    help="Write the folder of the distribution here; in the current folder if left out.",
)
def new_backend(name: str, out: Path) -> None:
    """Write a distribution for the backend NAME, as mylib-take or mylib-take@cuda.

    Its adapter asks NumPy and runs at once; put your library in its place.
    """
    from embcheck.conformance.exit_codes import ExitCode  # noqa: PLC0415  (--help stays quick)
    from embcheck.conformance.scaffold.distribution import (  # noqa: PLC0415
        AlreadyThere,
        write_distribution,
    )
    from embcheck.conformance.scaffold.names import BadName  # noqa: PLC0415

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
