"""What `embcheck diff` does; the command itself is in `cli/diff.py`."""

from __future__ import annotations

import gc
import sys
from itertools import islice
from pathlib import Path

import click
from rich.console import Console

from embcheck.conformance.exit_codes import ExitCode
from embcheck.conformance.records.run import RecordError, read_runs
from embcheck.reports.diff import Side, UnknownBackend, compare
from embcheck.reports.diff_terminal import print_difference
from embcheck.reports.merge import merge
from embcheck.reports.units import plural
from embcheck.reports.untrusted import one_line

PART_LINES = 50


def diff(run_a: Path, run_b: Path, mapped: tuple[str, ...], as_json: bool) -> None:
    """Tell what changed from one run to another: outcomes, kinds, readings, messages, cases."""
    try:
        before, after = _side(run_a), _side(run_b)
        found = compare(before, after, _mapping(mapped))
    except (RecordError, UnknownBackend) as error:
        click.echo(f"embcheck diff: {error}", err=True)
        sys.exit(ExitCode.USAGE)
    if as_json:
        sys.stdout.writelines(f"{line}\n" for line in found.json_lines())
    else:
        print_difference(found, (str(run_a), str(run_b)), Console(highlight=False))
    for path, run in ((run_a, before), (run_b, after)):
        for why in run.partial:
            click.echo(f"embcheck diff: {path} {why}", err=True)
        for name, part in islice(run.parts.items(), PART_LINES):
            said = f"{path} has only a part of {one_line(name, 60)}: {one_line(part, 80)}"
            click.echo(f"embcheck diff: {said}", err=True)
        if len(run.parts) > PART_LINES:
            more = plural(len(run.parts) - PART_LINES, "backend")
            click.echo(f"embcheck diff: {path} has only a part of {more} more", err=True)
    sys.exit(ExitCode.DEPARTS if found else ExitCode.CONFORMS)


def _side(path: Path) -> Side:
    """Read a run and keep what a comparison needs, so that one whole run at a time is in memory."""
    runs = read_runs(path)
    gc.freeze()  # What was read lives on; looking at it again and again costs a tenth.
    return Side.of(merge(runs))


def _mapping(mapped: tuple[str, ...]) -> list[tuple[str, str]]:
    """Parse each A=B."""
    mapping: list[tuple[str, str]] = []
    for text in mapped:
        before, separator, after = text.partition("=")
        if not (before and separator and after):
            raise click.BadParameter(f"'{text}' is not A=B", param_hint="--map")
        mapping.append((before, after))
    return mapping
