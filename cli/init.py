"""`embcheck init`: a job of CI for a repository that has none."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument(
    "folder",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default=Path(),
    metavar="[DIR]",
)
@click.option(
    "-b",
    "--backend",
    "backends",
    multiple=True,
    required=True,
    metavar="ID",
    help="A backend to run (repeatable).",
)
@click.option(
    "--embcheck",
    "where",
    metavar="PATH|ADDRESS|index",
    help="Where CI is to install embcheck from, as git+https://HOST/embcheck@COMMIT; from where "
    "this one was installed if left out.",
)
@click.option(
    "--install",
    multiple=True,
    metavar="REQUIREMENT",
    help="What else CI installs, such as jax==0.10.2 (repeatable). Always installed: embcheck with "
    "the extras of its own backends, and DIR if it is a package.",
)
@click.option(
    "--run-options",
    default="--quick",
    show_default=True,
    metavar="WORDS",
    help="Further options of `embcheck run`; '' for the whole suite.",
)
def init(
    folder: Path,
    backends: tuple[str, ...],
    where: str | None,
    install: tuple[str, ...],
    run_options: str,
) -> None:
    """Add a workflow of GitHub Actions, and a session of nox, to the repository DIR.

    They run the suite, and fail on what departs and was not accepted before. Nothing that is there
    is changed: beside a noxfile.py, the session goes to embcheck_nox.py.
    """
    from embcheck.cli.actions.init import InitChoices  # noqa: PLC0415  (--help stays quick)
    from embcheck.cli.actions.init import init as act  # noqa: PLC0415

    act(folder, InitChoices(backends, where, install, run_options))
