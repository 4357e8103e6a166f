"""`embcheck reproduce`: print a case as a script that needs no embcheck."""

from __future__ import annotations

from pathlib import Path

import click

from embcheck.cli.shared_options import specs_option


@click.command()
@click.argument("case")
@click.option("-b", "--backend", required=True, metavar="[LABEL=]ID[:PYTHON]")
@specs_option
def reproduce(case: str, backend: str, specs: tuple[Path, ...]) -> None:
    """Print a script that makes one call through the library's own API and compares the answer.

    CASE is an id as results show it. The script needs only the library and NumPy, so that it can
    be pasted in a bug report. It prints DEPARTS or conforms; if the library refuses a valid call,
    its traceback follows.
    """
    from embcheck.cli.actions.reproduce import reproduce as act  # noqa: PLC0415  (--help stays quick)

    act(case, backend, specs)
