"""`embcheck compat`: which backend supports what."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("names", nargs=-1, metavar="[BACKEND] [FEATURE]")
@click.option(
    "--run",
    "runs",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Decide by these runs, instead of the data that embcheck ships; repeatable.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the data of --run here, as JSON.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")
def compat(names: tuple[str, ...], runs: tuple[Path, ...], out: Path | None, as_json: bool) -> None:
    """Show which backend supports what, by the results of whole runs.

    Name a backend for all of its features, a feature for all backends, or both for the reason.
    A feature is a short name such as bag.mean or padding.gradient.

    Exit codes: 0 shown; 2 an unknown name, or data or runs that cannot be read.
    """
    from embcheck.cli.actions.compat import compat as act  # noqa: PLC0415  (--help stays quick)

    act(names, runs, out, as_json=as_json)
