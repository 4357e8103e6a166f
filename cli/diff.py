"""`embcheck diff`: what changed between two runs."""

from __future__ import annotations

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
    from embcheck.cli.actions.diff import diff as act  # noqa: PLC0415  (--help stays quick)

    act(run_a, run_b, mapped, as_json)
