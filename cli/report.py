"""`embcheck report`: finished runs as one HTML file and a summary."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument(
    "directories",
    nargs=-1,
    required=True,
    metavar="DIR...",
    type=click.Path(path_type=Path),
)
@click.option(
    "--html",
    "html_path",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the report here.",
)
@click.option("-q", "--quiet", is_flag=True, help="Print only where the report is.")
def report(directories: tuple[Path, ...], html_path: Path, quiet: bool) -> None:
    """Turn the runs in each DIR into one self-contained HTML report.

    A DIR is a folder that a run wrote, or its results.jsonl. Of several results of one case on
    one backend, the latest counts. A coverage.json, mutation.json or calibration.json in a DIR
    becomes a page or a part of one; of several, the latest counts.
    """
    from embcheck.cli.actions.report import report as act  # noqa: PLC0415  (--help stays quick)

    act(directories, html_path, quiet)
