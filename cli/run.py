"""`embcheck run`: the conformance suite, through pytest and embcheck's plugin."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from embcheck.cli.shared_options import backends_option

INSTRUCTIONS = ("default", "avx2", "avx512")
"""Sets of vector instructions on x86-64; `default` is each library's minimum."""


LONGEST_EXPRESSION, MOST_BRACKETS = 1000, 100
"""Limits of -k: pytest parses it by recursion, and larger ones can exceed Python's limit."""


def _short(context: click.Context, option: click.Parameter, expression: str) -> str:
    del context, option
    if len(expression) > LONGEST_EXPRESSION or expression.count("(") > MOST_BRACKETS:
        limits = f"{LONGEST_EXPRESSION:,} characters and {MOST_BRACKETS} brackets at most"
        raise click.BadParameter(f"{limits}; name many cases with --case instead")
    return expression


@click.command()
@backends_option(required=True)
@click.option(
    "--specs",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="A spec file or a folder of them (repeatable); the shipped suite if left out.",
)
@click.option(
    "-k",
    "keyword",
    default="",
    metavar="EXPR",
    callback=_short,
    help="Select cases by words of their names, as in pytest; see --case for ids.",
)
@click.option(
    "--case",
    "cases",
    multiple=True,
    metavar="ID",
    help="Run this case (repeatable), by its id in reports; * matches anything.",
)
@click.option(
    "--quick",
    is_flag=True,
    help="Run the first case of each clause and no ladder of sizes, plus what --case names.",
)
@click.option("--large", is_flag=True, help="Also run the cases that need gigabytes of memory.")
@click.option(
    "--threads",
    type=click.IntRange(min=1),
    metavar="N",
    help="Number of threads of each backend.",
)
@click.option(
    "--instructions",
    type=click.Choice(INSTRUCTIONS),
    help="Widest set of vector instructions that backends may use.",
)
@click.option("-n", "workers", default=0, metavar="WORKERS", help="Number of pytest processes.")
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
    cases: tuple[str, ...],
    quick: bool,
    large: bool,
    threads: int | None,
    instructions: str | None,
    workers: int,
    out: Path,
    timeout: float,
) -> None:
    """Run the conformance suite on backends and record the results.

    Each backend runs in a process of its own. Known deviations, kept beside each adapter, do not
    fail a run; any other departure does.
    """
    from embcheck.cli.actions.run_suite import (  # noqa: PLC0415  (imports pytest and NumPy)
        Chosen,
        Setting,
        run_suite,
    )

    # Pytest's plugins and options of the user's own projects must not change what a run does.
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    os.environ.pop("PYTEST_ADDOPTS", None)
    chosen = Chosen(list(specs), keyword, cases, quick, large)
    setting = Setting(workers, out, timeout, threads, instructions)
    sys.exit(run_suite(list(backends), chosen, setting))
