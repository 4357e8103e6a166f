"""The options of the subcommands that answer from data on compatibility."""

from __future__ import annotations

from pathlib import Path

import click

runs_option = click.option(
    "--run",
    "runs",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Decide by these runs, instead of the data that embcheck ships; repeatable.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")
