"""`embcheck migrate`: what changes by moving from one backend to another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from embcheck.cli.bench_own import CALL_OPTIONS
from embcheck.cli.shared_options import json_option, runs_option, with_options

_OWN = (
    *CALL_OPTIONS,
    click.option("--padding-idx", type=int, metavar="N", help="The row that stands for padding."),
    click.option(
        "--dtype",
        "dtypes",
        multiple=True,
        type=click.Choice(["float32", "float16", "bfloat16", "float64"]),
        help="Ask with the table in this dtype, instead of its own; repeatable.",
    ),
    click.option("--no-timing", is_flag=True, help="Leave the times out."),
    click.option(
        "--seconds",
        type=click.FloatRange(min=0, min_open=True),
        default=100.0,
        show_default=True,
        metavar="SECONDS",
        help="Time for all timing; what has begun by then still ends.",
    ),
    click.option(
        "--timeout", default=60.0, metavar="SECONDS", show_default=True, help="Time for one answer."
    ),
)
_PAGES = (
    click.option(
        "--markdown",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE",
        help="Write the same as Markdown.",
    ),
    click.option(
        "--html",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE",
        help="Write the same as a page.",
    ),
)


@click.command()
@click.argument("old", metavar="FROM")
@click.argument("new", metavar="TO...", nargs=-1, required=True)
@with_options((*_OWN, *_PAGES))
@runs_option
@json_option
def migrate(**options: Any) -> None:
    """Show what a user of FROM loses and gains in each TO, the worst first, grouped by why.

    With --table and --trace it is about your own call. FROM, each TO and the recipe of its library
    are asked that call now, in processes of their own. The answers are compared with the exact
    result and with FROM's, and right ones are timed beside FROM. Of the known differences, those
    that the call meets come first.

    Exit codes: 0 nothing is worse; 1 something is (with --table: a TO does not answer the call as
    documented); 2 an unknown name, data that cannot be read, a call that is no valid one, or a TO
    that cannot be asked here.
    """
    from embcheck.cli.actions.migrate import migrate as act  # noqa: PLC0415  (--help stays quick)

    act(**options)
