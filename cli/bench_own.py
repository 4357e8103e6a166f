"""The options of `embcheck bench` for a user's own table and indices."""

from __future__ import annotations

from collections.abc import Sequence

import click

from embcheck.cli.shared_options import with_options

CALL_OPTIONS = (
    click.option(
        "--table",
        metavar="FILE[:NAME]",
        help="Your own table: a model's folder:TENSOR, .safetensors:TENSOR, .npy, .npz:ARRAY or "
        ".parquet:COLUMN. If a needed name is missing, the known names are listed.",
    ),
    click.option("--trace", metavar="FILE[:NAME]", help="Your own indices, one or two dimensions."),
    click.option("--offsets", metavar="FILE[:NAME]", help="Where each bag of the trace begins."),
    click.option("--weights", metavar="FILE[:NAME]", help="A weight for each index, for sums."),
    click.option(
        "--mode",
        type=click.Choice(["sum", "mean", "max"]),
        help="How bags are reduced. If left out: mean with offsets, a plain lookup without.",
    ),
)
"""The options for the parts of a user's own call, which `embcheck migrate` has too."""

_OPTIONS = (
    *CALL_OPTIONS,
    click.option(
        "--batch",
        type=click.IntRange(min=1),
        metavar="N",
        help="Cut the trace into calls of N indices or bags, up to 8, timed in turn.",
    ),
    click.option(
        "--padding-idx",
        type=int,
        metavar="ROW",
        help="The padding row: bags leave it out, and it gets no gradient.",
    ),
    click.option(
        "--dtype",
        type=click.Choice(["float16", "bfloat16", "float32", "float64"]),
        help="Convert the table and the weights to this dtype, once, before anything else.",
    ),
    click.option(
        "--spelling",
        metavar="NAME",
        help="Time a backend by this spelling of the call, if its adapter has one of that name.",
    ),
)


own_options = with_options(_OPTIONS)


def check_whole(given: Sequence[str]) -> None:
    """Raise UsageError if the options of a user's own call lack its table or its trace."""
    for name in ("table", "trace"):
        if given and name not in given:
            option = {"dtypes": "dtype"}.get(given[0], given[0]).replace("_", "-")
            raise click.UsageError(f"--{option} also needs --{name}")
