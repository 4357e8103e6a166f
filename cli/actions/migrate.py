"""What `embcheck migrate` does; the command itself is in `cli/migrate.py`."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console

from embcheck.cli.actions.compat import data_of
from embcheck.conformance.exit_codes import ExitCode
from embcheck.reports.compat import CompatError
from embcheck.reports.migration import migration
from embcheck.reports.migration_terminal import print_migration


def migrate(old: str, new: str, runs: Sequence[Path], *, as_json: bool) -> None:
    """Show what changes by moving from one backend to another."""
    try:
        data = data_of(runs)
        found = migration(data, old, new)
    except (CompatError, OSError) as error:
        click.echo(f"embcheck migrate: {error}", err=True)
        sys.exit(ExitCode.USAGE)
    if as_json:
        click.echo(json.dumps({"from": old, "to": new, **asdict(found)}, indent=2))
    else:
        console = Console(highlight=False, markup=False)
        print_migration(data, old, new, found, console)
    sys.exit(ExitCode.DEPARTS if found.lost else ExitCode.CONFORMS)
