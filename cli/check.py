"""`embcheck check`: validate spec files without running anything."""

from __future__ import annotations

import sys
from pathlib import Path

import click


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="[PATH]...")
def check(paths: tuple[Path, ...]) -> None:
    """Validate spec files, or folders of them; the shipped suite if none is named.

    Prints every mistake as file:line:column: what is wrong; what to do.
    """
    from embcheck.conformance.exit_codes import ExitCode  # noqa: PLC0415
    from embcheck.conformance.suite.load import load_spec, spec_files  # noqa: PLC0415  (NumPy)
    from embcheck.conformance.suite.problems import Problem, SpecError  # noqa: PLC0415

    problems: list[Problem] = []
    specs = []
    try:
        for path in spec_files(paths):
            try:
                specs.append(load_spec(path))
            except SpecError as error:
                problems += error.problems
    except SpecError as error:
        problems += error.problems
    for problem in problems:
        click.echo(str(problem), err=True)
    cases = sum(len(spec.cases) for spec in specs)
    if problems:
        click.echo(f"{len(problems)} problems", err=True)
        sys.exit(ExitCode.USAGE)
    click.echo(f"{len(specs)} specs with {cases} cases are valid")
