"""Options that several subcommands have."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

runs_option = click.option(
    "--run",
    "runs",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Decide by these runs, instead of the data that embcheck ships; repeatable.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")
specs_option = click.option(
    "--specs",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="The spec that has the case; the shipped suite if left out.",
)


def backends_option(*, required: bool) -> Decorator:
    """Return the option for backends that may live in another environment."""
    return click.option(
        "-b",
        "--backend",
        "backends",
        multiple=True,
        required=required,
        metavar="[LABEL=]ID[:PYTHON]",
        help="A backend (repeatable); PYTHON is another interpreter, with embcheck installed.",
    )


def with_options(options: Sequence[Decorator]) -> Decorator:
    """Return a decorator that adds options to a command; --help lists them in their order."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        # As in a stack of decorators, the first is applied last.
        for option in reversed(options):
            command = option(command)
        return command

    return decorate
