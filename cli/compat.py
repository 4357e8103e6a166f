"""`embcheck compat`: which backend supports what."""

from __future__ import annotations

from pathlib import Path

import click

from embcheck.cli.shared_options import json_option, runs_option


@click.command()
@click.argument("names", nargs=-1, metavar="[BACKEND] [FEATURE]")
@runs_option
@click.option(
    "--versions",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Whole runs of several versions, to say since which one an answer holds; repeatable.",
)
@click.option(
    "--against",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Earlier data: keep its answers where the runs asked only a part, and say what changed.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the data of --run here, as JSON.",
)
@click.option("--badge", is_flag=True, help="Print a backend's badge, as JSON for shields.io.")
@click.option(
    "--badges",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Write the badges of all backends here.",
)
@json_option
def compat(
    names: tuple[str, ...],
    runs: tuple[Path, ...],
    versions: tuple[Path, ...],
    against: Path | None,
    out: Path | None,
    badge: bool,
    badges: Path | None,
    as_json: bool,
) -> None:
    """Show which backend supports what, by the results of whole runs.

    Name a backend for all of its features, a feature for all backends, or both for the reason.
    A feature is a short name such as bag.mean or padding.gradient.

    Exit codes: 0 shown; 2 an unknown name, or data or runs that cannot be read.
    """
    from embcheck.cli.actions.compat import Source, Wanted  # noqa: PLC0415  (--help stays quick)
    from embcheck.cli.actions.compat import compat as act  # noqa: PLC0415

    act(names, Source(runs, versions, against), Wanted(out, badge, badges, as_json))
