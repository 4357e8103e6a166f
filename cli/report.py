"""`embcheck report`: finished runs as one HTML file and a summary."""

from __future__ import annotations

import sys
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
    from rich.console import Console  # noqa: PLC0415  (--help stays quick)

    from embcheck.conformance.exit_codes import ExitCode  # noqa: PLC0415
    from embcheck.conformance.records.run import RecordError, read_runs  # noqa: PLC0415
    from embcheck.reports.evidence import EvidenceError, read_evidence  # noqa: PLC0415
    from embcheck.reports.html import write_html  # noqa: PLC0415
    from embcheck.reports.terminal import print_conformance, print_timings  # noqa: PLC0415

    try:
        runs = [run for directory in directories for run in read_runs(directory)]
        write_html(runs, html_path, read_evidence(directories))
    except (RecordError, EvidenceError) as error:
        click.echo(f"embcheck report: {error}", err=True)
        sys.exit(ExitCode.USAGE)
    except OSError as error:
        click.echo(f"embcheck report: cannot write {html_path}: {error.strerror}", err=True)
        sys.exit(ExitCode.USAGE)
    if not quiet:
        console = Console()
        print_conformance(runs, console)
        print_timings(runs, console)
    click.echo(html_path)
