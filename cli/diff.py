"""`embcheck diff`: what changed between two runs."""

from __future__ import annotations

from pathlib import Path

import click

from embcheck.cli.shared_options import json_option


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
@click.option(
    "--fail-on",
    type=click.Choice(("changes", "new", "never")),
    default="changes",
    show_default=True,
    help="Exit with 1 on any change, or only on what is new and worse.",
)
@click.option(
    "--markdown",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Append what is new and worse as Markdown, for example to $GITHUB_STEP_SUMMARY.",
)
@click.option(
    "--annotations", is_flag=True, help="Print what is new and worse as GitHub's annotations too."
)
@json_option
def diff(
    run_a: Path,
    run_b: Path,
    mapped: tuple[str, ...],
    fail_on: str,
    markdown: Path | None,
    annotations: bool,
    as_json: bool,
) -> None:
    """Tell what changed from one run to another: outcomes, kinds, readings, messages, cases.

    A run is a folder that `embcheck run` wrote, its results.jsonl, or what `embcheck accept` kept
    of it. Exit code 1 if anything but versions changed, else 0.

    New and worse is a result of RUN_B that departs, unexplained, in another way than in RUN_A or
    for the first time, one that is no longer right, and an accepted backend without results.
    """
    from embcheck.cli.actions.diff import Telling  # noqa: PLC0415  (--help stays quick)
    from embcheck.cli.actions.diff import diff as act  # noqa: PLC0415

    act(run_a, run_b, mapped, Telling(fail_on, markdown, annotations, as_json))
