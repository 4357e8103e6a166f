"""`embcheck backends`: list the known backends, and which of them run here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from embcheck.cli.shared_options import json_option


@click.command()
@click.argument("addresses", nargs=-1, metavar="[[LABEL=]ID[:PYTHON]]...")
@json_option
@click.option(
    "--refresh", is_flag=True, help="Ask all again, also those of which an answer is kept."
)
@click.option(
    "--markdown",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Write a page for each backend that runs, and a table of all pages, to DIR.",
)
@click.option(
    "--results",
    type=click.Path(path_type=Path, exists=True),
    metavar="RUN",
    help="A run of the suite; pages then list what adapters did for their library in it.",
)
def backends(**options: Any) -> None:
    """List backends: version, device and capabilities, or why one is unavailable.

    Those that run here come first. Without names, every known backend is listed; pages are written
    only for embcheck's own. What a backend says of itself is kept in the cache until its code, what
    is installed, the environment or the machine changes.
    """
    from embcheck.cli.actions.backends import backends as act  # noqa: PLC0415  (--help stays quick)

    act(**options)
