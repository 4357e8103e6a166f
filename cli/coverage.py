"""`embcheck coverage`: how far the suite covers PyTorch's documentation, and what drifted."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")
@click.option(
    "--python",
    metavar="PATH",
    help="Read the torch of this interpreter; embcheck need not be installed there.",
)
@click.option(
    "--docstrings",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Read what backends/on_torch/documentation.py has printed, instead of a torch.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Write coverage.json here.",
)
def coverage(as_json: bool, python: str | None, docstrings: Path | None, out: Path | None) -> None:
    """Compute what the suite covers: sentences of PyTorch's documentation, sizes, pairs of options.

    Exit codes: 0 no gap; 1 a gap: a sentence that is new, changed, gone or not covered, a size that
    no case reaches, a pair of options that no case combines; 2 no torch to read.
    """
    from rich.console import Console  # noqa: PLC0415  (--help stays quick)

    from embcheck.conformance.coverage.reach import shipped_reach  # noqa: PLC0415  (NumPy)
    from embcheck.conformance.documentation.coverage import (  # noqa: PLC0415
        as_json as to_json,
    )
    from embcheck.conformance.documentation.coverage import shipped_coverage  # noqa: PLC0415
    from embcheck.conformance.documentation.reading import (  # noqa: PLC0415
        ReadingError,
        read_file,
        read_installed,
    )
    from embcheck.conformance.exit_codes import ExitCode  # noqa: PLC0415
    from embcheck.conformance.suite.problems import SpecError  # noqa: PLC0415
    from embcheck.reports.coverage_terminal import print_coverage  # noqa: PLC0415

    if python and docstrings:
        raise click.UsageError("--python and --docstrings exclude each other; give one of them")
    try:
        documentation = (
            read_file(docstrings) if docstrings else read_installed(python or sys.executable)
        )
        found, reach = shipped_coverage(documentation), shipped_reach()
    except (ReadingError, SpecError) as error:
        click.echo(f"embcheck coverage: {error}", err=True)
        sys.exit(ExitCode.USAGE)
    gaps = found.gaps + reach.gaps
    text = json.dumps({**to_json(found), **reach.as_json(), "gaps": gaps}, indent=2)
    if out:
        _write(out / "coverage.json", text)
    if as_json:
        click.echo(text)
    else:
        print_coverage(found, reach, Console())
    sys.exit(ExitCode.DEPARTS if gaps else ExitCode.CONFORMS)


def _write(file: Path, text: str) -> None:
    from embcheck.conformance.exit_codes import ExitCode  # noqa: PLC0415

    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{text}\n", "utf-8")
    except OSError as error:
        click.echo(f"embcheck coverage: cannot write {file}: {error.strerror}", err=True)
        sys.exit(ExitCode.USAGE)
