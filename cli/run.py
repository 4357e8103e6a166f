"""`embcheck run`: the conformance suite, through pytest and embcheck's plugin."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click


@click.command()
@click.option(
    "-b",
    "--backend",
    "backends",
    multiple=True,
    required=True,
    metavar="[LABEL=]ID[:PYTHON]",
    help="A backend (repeatable), if need be under another interpreter that has embcheck too.",
)
@click.option(
    "--specs",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="A spec file or a folder of them (repeatable); the shipped suite if left out.",
)
@click.option("-k", "keyword", default="", metavar="EXPR", help="Select cases, as in pytest.")
@click.option("--one-per-clause", is_flag=True, help="Run only the first case of each clause.")
@click.option("-n", "workers", default=0, metavar="WORKERS", help="Spread over processes.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    metavar="DIR",
    help="Write results.jsonl and junit.xml here.",
)
@click.option(
    "--timeout", default=60.0, metavar="SECONDS", show_default=True, help="Time for one call."
)
def run(
    backends: tuple[str, ...],
    specs: tuple[Path, ...],
    keyword: str,
    one_per_clause: bool,
    workers: int,
    out: Path,
    timeout: float,
) -> None:
    """Run the conformance suite on backends and record what came of it.

    Each backend lives in a process of its own. Known deviations, kept beside each adapter, do not
    fail a run; anything else that departs does.
    """
    from embcheck.cli.run_suite import Chosen, run_suite  # noqa: PLC0415  (imports pytest and NumPy)

    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    os.environ.pop("PYTEST_ADDOPTS", None)
    chosen = Chosen(list(specs), keyword, one_per_clause)
    sys.exit(run_suite(list(backends), chosen, workers, out, timeout))
