"""`embcheck compat`: which backend supports what."""

from __future__ import annotations

from pathlib import Path

import click

from embcheck.cli.data_options import json_option, runs_option


@click.command()
@click.argument("names", nargs=-1, metavar="[BACKEND] [FEATURE]")
@runs_option
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the data of --run here, as JSON.",
)
@json_option
def compat(names: tuple[str, ...], runs: tuple[Path, ...], out: Path | None, as_json: bool) -> None:
    """Show which backend supports what, by the results of whole runs.

    Name a backend for all of its features, a feature for all backends, or both for the reason.
    A feature is a short name such as bag.mean or padding.gradient.

    Exit codes: 0 shown; 2 an unknown name, or data or runs that cannot be read.
    """
    from embcheck.cli.actions.compat import compat as act  # noqa: PLC0415  (--help stays quick)

    act(names, runs, out, as_json=as_json)
