"""`embcheck reproduce`: print a case as a script that needs no embcheck."""

from __future__ import annotations

import sys
from pathlib import Path

import click


@click.command()
@click.argument("case")
@click.option("-b", "--backend", required=True, metavar="[LABEL=]ID[:PYTHON]")
@click.option(
    "--specs",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="The spec that has the case; the shipped suite if left out.",
)
def reproduce(case: str, backend: str, specs: tuple[Path, ...]) -> None:
    """Print a script that makes one call through the library's own API and compares the answer.

    CASE is an id as results show it. The script needs only the library and NumPy, so that it can
    be pasted in a bug report. It prints DEPARTS or conforms; if the library refuses a valid call,
    its traceback follows.
    """
    from embcheck.conformance.execution.address import BadAddress  # noqa: PLC0415  (--help stays
    from embcheck.conformance.execution.discovery import UnknownBackend  # noqa: PLC0415  quick)
    from embcheck.conformance.exit_codes import ExitCode  # noqa: PLC0415
    from embcheck.conformance.reproduction.literals import NotWritable  # noqa: PLC0415
    from embcheck.conformance.reproduction.session import reproduce as write  # noqa: PLC0415
    from embcheck.conformance.suite.problems import SpecError  # noqa: PLC0415

    try:
        click.echo(write(case, backend, specs), nl=False)
    except (BadAddress, NotWritable, SpecError, UnknownBackend) as error:
        click.echo(f"embcheck reproduce: {error}", err=True)
        sys.exit(ExitCode.USAGE)
