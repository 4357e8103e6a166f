"""What `embcheck diff` does; the command itself is in `cli/diff.py`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click
from rich.console import Console

from embcheck.conformance.exit_codes import ExitCode
from embcheck.conformance.records.run import RecordError, read_runs
from embcheck.reports.diff import UnknownBackend, compare
from embcheck.reports.diff_terminal import print_difference
from embcheck.reports.merge import merge
from embcheck.reports.untrusted import one_line

DOUBTS_SHOWN = 5


def diff(run_a: Path, run_b: Path, mapped: tuple[str, ...], as_json: bool) -> None:
    """Tell what changed from one run to another: outcomes, kinds, readings, messages, cases."""
    try:
        before, after = (merge(read_runs(path)) for path in (run_a, run_b))
        found = compare(before, after, _mapping(mapped))
    except (RecordError, UnknownBackend) as error:
        click.echo(f"embcheck diff: {error}", err=True)
        sys.exit(ExitCode.USAGE)
    if as_json:
        click.echo(json.dumps(found.to_json_data(), indent=2))
    else:
        print_difference(found, (str(run_a), str(run_b)), Console(highlight=False))
    for path, run in ((run_a, before), (run_b, after)):
        for partial in run.partial:
            why = "; ".join(one_line(doubt) for doubt in partial.doubts[:DOUBTS_SHOWN])
            click.echo(f"embcheck diff: {path} is partial: {why}", err=True)
        for name, part in run.parts.items():
            said = f"{path} has only a part of {one_line(name, 60)}: {one_line(part, 80)}"
            click.echo(f"embcheck diff: {said}", err=True)
    sys.exit(ExitCode.DEPARTS if found else ExitCode.CONFORMS)


def _mapping(mapped: tuple[str, ...]) -> list[tuple[str, str]]:
    """Parse each A=B."""
    mapping: list[tuple[str, str]] = []
    for text in mapped:
        before, separator, after = text.partition("=")
        if not (before and separator and after):
            raise click.BadParameter(f"'{text}' is not A=B", param_hint="--map")
        mapping.append((before, after))
    return mapping
