"""`embcheck show`: a case, its clause, and what came of it."""

from __future__ import annotations

from pathlib import Path

import click

from embcheck.cli.shared_options import specs_option


@click.command()
@click.argument("case")
@click.option(
    "-b",
    "--backend",
    "backends",
    multiple=True,
    metavar="[LABEL=]ID[:PYTHON]",
    help="Show this backend's result; repeatable. Without --run, the case is run now.",
)
@click.option(
    "--run",
    "runs",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Show the results of these runs; repeatable.",
)
@specs_option
def show(
    case: str, backends: tuple[str, ...], runs: tuple[Path, ...], specs: tuple[Path, ...]
) -> None:
    """Show a CASE: its call, what is expected, the clause that says so, and what came.

    CASE is an id as any output prints it; * matches anything. If it stands for many cases, they are
    listed.

    Exit codes: 0 shown; 2 an unknown case or backend, or data that cannot be read.
    """
    from embcheck.cli.actions.show import show as act  # noqa: PLC0415  (--help stays quick)

    act(case, backends, runs, specs)
