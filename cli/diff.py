"""`embcheck diff`: what changed between two runs."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click


@click.command()
@click.argument("run_a", type=click.Path(path_type=Path), metavar="RUN_A")
@click.argument("run_b", type=click.Path(path_type=Path), metavar="RUN_B")
@click.option(
    "--map",
    "mapped",
    multiple=True,
    metavar="A=B",
    help="Compare backend A of RUN_A with backend B of RUN_B (repeatable), and no others.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")
def diff(run_a: Path, run_b: Path, mapped: tuple[str, ...], as_json: bool) -> None:
    """Tell what changed from one run to another: outcomes, kinds, readings, messages, cases.

    A run is a folder that `embcheck run` wrote, or its results.jsonl. Exit code 1 if anything but
    versions changed, else 0.
    """
    from rich.console import Console  # noqa: PLC0415  (--help stays quick)

    from embcheck.conformance.exit_codes import ExitCode  # noqa: PLC0415
    from embcheck.conformance.records.run import RecordError, read_runs  # noqa: PLC0415
    from embcheck.reports.diff import UnknownBackend, compare  # noqa: PLC0415
    from embcheck.reports.diff_terminal import print_difference  # noqa: PLC0415
    from embcheck.reports.merge import merge  # noqa: PLC0415
    from embcheck.reports.untrusted import one_line  # noqa: PLC0415

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
        if run.partial:
            click.echo(f"embcheck diff: {path} stopped before its end", err=True)
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
