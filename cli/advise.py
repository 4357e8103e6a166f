"""`embcheck advise`: which backends have what you need."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from embcheck.cli.shared_options import json_option, runs_option

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.option(
    "--need",
    "needs",
    multiple=True,
    metavar="FEATURES",
    help="Features that you need, such as bag.mean,padding.gradient, and dtypes, such as int32 or "
    "bfloat16; repeatable.",
)
@click.option(
    "--profile",
    metavar="NAME|FILE",
    help="What a typical use needs, as --profiles lists; or your own, in YAML.",
)
@click.option(
    "--module",
    metavar="MODULE:NAME",
    help="Your nn.Embedding or nn.EmbeddingBag, a model that contains some, or a class or function "
    "that makes one without arguments.",
)
@click.option(
    "--trace",
    type=_FILE,
    metavar="FILE",
    help="Your own indices, a .npy file: their dtype, range and sizes.",
)
@click.option(
    "--offsets",
    type=_FILE,
    metavar="FILE",
    help="The offsets of their bags, a .npy file.",
)
@click.option("--profiles", is_flag=True, help="List the profiles, and what they need.")
@click.option(
    "--dtype",
    type=click.Choice(["float32", "float16", "bfloat16", "float64"]),
    help="The dtype of your tables; that of --module, or float32, if none is given.",
)
@click.option(
    "-b",
    "--backend",
    "backends",
    multiple=True,
    metavar="ID",
    help="Consider only this backend; repeatable.",
)
@runs_option
@click.option(
    "--workload",
    metavar="ID",
    help="Rank by the timings of this workload in --run. If left out: your own table's, or else "
    "the first.",
)
@click.option(
    "--run-now",
    is_flag=True,
    help="Run the cases that decide, on the backends installed here or those of -b, and answer "
    "from their results.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Keep the results of --run-now here.",
)
@click.option("--strict", is_flag=True, help="Rule out backends that accept invalid calls.")
@json_option
def advise(**options: Any) -> None:
    """Say which backends have what you need, and what is in the way of the others.

    By the results of whole runs, as `embcheck compat` shows them. For each feature, only those
    calls count that use nothing but what you need: a failure with max_norm rules nothing out if you
    do not need max_norm.

    Exit codes: 0 some backend has all of it (with -b: each of those named); 1 none has (with -b:
    one has not); 2 an unknown name, or data that cannot be read; 3 a fault of the harness, in
    --run-now.
    """
    from embcheck.cli.actions.advise import Own, Request, list_profiles  # noqa: PLC0415
    from embcheck.cli.actions.advise import advise as act  # noqa: PLC0415  (--help stays quick)

    if options.pop("profiles"):
        list_profiles()
        return
    own = Own(*(options.pop(name) for name in ("module", "trace", "offsets")))
    named = [name.strip() for text in options.pop("needs") for name in text.split(",")]
    if own.offsets is not None and own.trace is None:
        raise click.UsageError("--offsets are those of --trace; give both")
    if not (any(named) or options["profile"] or own.module or own.trace):
        raise click.UsageError("say what you need: --need, --profile, --module or --trace")
    if options["out"] is not None and not options["run_now"]:
        raise click.UsageError("--out keeps the results of --run-now; give both")
    if options["run_now"] and options["runs"]:
        raise click.UsageError("--run answers from a run, --run-now makes one; choose one")
    as_json = options.pop("as_json")
    act(Request(needs=tuple(filter(None, named)), own=own, **options), as_json=as_json)
