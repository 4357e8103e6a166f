"""`embcheck coverage`: how far the suite covers PyTorch's documentation, and what drifted."""

from __future__ import annotations

from pathlib import Path

import click

from embcheck.cli.shared_options import json_option


@click.command()
@json_option
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
    from embcheck.cli.actions.coverage import coverage as act  # noqa: PLC0415  (--help stays quick)

    act(as_json, python, docstrings, out)
