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
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the report here.",
)
@click.option(
    "--tables",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Write outcomes and timings here, as CSV, and as Parquet if pyarrow is installed.",
)
@click.option("-q", "--quiet", is_flag=True, help="Print only what was written.")
def report(
    directories: tuple[Path, ...], html_path: Path | None, tables: Path | None, quiet: bool
) -> None:
    """Turn the runs in each DIR into one self-contained HTML report, or into tables.

    A DIR is a folder that a run wrote, or its results.jsonl. Of several results of one case on
    one backend, the latest counts. A coverage.json, mutation.json or calibration.json in a DIR
    becomes a page or a part of one; of several, the latest counts.
    """
    from embcheck.cli.actions.report import report as act  # noqa: PLC0415  (--help stays quick)

    if html_path is None and tables is None:
        raise click.UsageError("say what to write: --html FILE, --tables DIR or both")
    act(directories, html_path=html_path, tables=tables, quiet=quiet)
