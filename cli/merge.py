"""`embcheck merge`: the runs of several folders, environments or machines as one."""

from __future__ import annotations

import sys
from pathlib import Path

import click


@click.command()
@click.argument(
    "directories", nargs=-1, required=True, metavar="DIR...", type=click.Path(path_type=Path)
)
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Write results.jsonl here.",
)
def merge(directories: tuple[Path, ...], out: Path) -> None:
    """Join the runs in each DIR in one results.jsonl, for one report or one comparison.

    Runs that cannot be compared are refused, with the reason: of different suites or versions of
    embcheck, one label on two libraries or versions, timings of different machines.
    """
    from embcheck.conformance.exit_codes import ExitCode  # noqa: PLC0415  (--help stays quick)
    from embcheck.conformance.records.join import NotComparable, join  # noqa: PLC0415
    from embcheck.conformance.records.run import FILE_NAME, RecordError  # noqa: PLC0415

    try:
        runs = join(directories, out)
    except (NotComparable, RecordError) as error:
        click.echo(f"embcheck merge: {error}", err=True)
        sys.exit(ExitCode.USAGE)
    except OSError as error:
        click.echo(f"embcheck merge: cannot write to {out}: {error.strerror}", err=True)
        sys.exit(ExitCode.USAGE)
    partial = sum(run.partial for run in runs)
    click.echo(f"{len(runs)} runs" + (f", {partial} of them partial" if partial else ""))
    click.echo(out / FILE_NAME)
