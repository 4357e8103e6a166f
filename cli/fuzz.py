"""`embcheck fuzz`: generated calls, each backend beside the NumPy reference."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from embcheck.cli.shared_options import backends_option
from embcheck.conformance.exit_codes import ExitCode

DEFAULT_EXAMPLES = 1000


@click.command()
@backends_option(required=True)
@click.option(
    "--seconds",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Time for each backend. A finding that is being shrunk at the end is still written.",
)
@click.option(
    "--examples",
    type=click.IntRange(min=1),
    metavar="N",
    help=f"Calls to generate for each backend; {DEFAULT_EXAMPLES} unless --seconds is given.",
)
@click.option("--seed", default=0, show_default=True, help="Random seed for the calls.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("out/fuzz"),
    show_default=True,
    metavar="DIR",
    help="Write findings.json here, and each finding as a spec that `embcheck run` reproduces.",
)
@click.option(
    "--timeout", default=30.0, metavar="SECONDS", show_default=True, help="Time for one call."
)
def fuzz(**options: Any) -> None:
    """Look for departures from the NumPy reference in generated calls.

    Departures are shrunk, grouped by cause, compared with the known deviations, and written as
    specs. Exit codes: 0 no new finding; 1 a new finding; 2 a usage error; 3 a fault of the harness
    or of an adapter.
    """
    if find_spec("hypothesis") is None:
        click.echo('embcheck: hypothesis is not installed: pip install "embcheck[fuzz]"', err=True)
        sys.exit(ExitCode.USAGE)
    from embcheck.cli.actions.fuzz import fuzz as act  # noqa: PLC0415  (--help stays quick)

    if options["examples"] is None and options["seconds"] is None:
        options["examples"] = DEFAULT_EXAMPLES
    act(**options)
