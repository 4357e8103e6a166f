"""`embcheck advise`: which backends have what you need."""

from __future__ import annotations

from pathlib import Path

import click

from embcheck.cli.data_options import json_option, runs_option


@click.command()
@click.option(
    "--need",
    "needs",
    multiple=True,
    metavar="FEATURES",
    help="Features that you need, such as bag.mean,padding.gradient; repeatable.",
)
@click.option("--profile", metavar="NAME", help="What a typical use needs; --profiles lists them.")
@click.option(
    "--module",
    metavar="MODULE:NAME",
    help="Your nn.Embedding or nn.EmbeddingBag, a model that holds some, or what makes it.",
)
@click.option(
    "--trace",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Your own indices, a .npy file: their dtype and sizes.",
)
@click.option(
    "--offsets",
    type=click.Path(path_type=Path, dir_okay=False),
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
    "-b", "--backend", "backends", multiple=True, metavar="ID", help="Only these; repeatable."
)
@runs_option
@click.option("--strict", is_flag=True, help="Rule out what takes mistakes for good calls.")
@json_option
def advise(
    needs: tuple[str, ...],
    profile: str | None,
    module: str | None,
    trace: Path | None,
    offsets: Path | None,
    profiles: bool,
    dtype: str | None,
    backends: tuple[str, ...],
    runs: tuple[Path, ...],
    strict: bool,
    as_json: bool,
) -> None:
    """Say which backends have what you need, and what is in the way of the others.

    By the results of whole runs, as `embcheck compat` shows them.

    Exit codes: 0 some backend has all of it (with -b: each of those named); 1 none has (with -b:
    one has not); 2 an unknown name, or data that cannot be read.
    """
    from embcheck.cli.actions.advise import Own, Request, list_profiles  # noqa: PLC0415
    from embcheck.cli.actions.advise import advise as act  # noqa: PLC0415  (--help stays quick)

    if profiles:
        list_profiles()
        return
    named = tuple(name.strip() for text in needs for name in text.split(",") if name.strip())
    if offsets is not None and trace is None:
        raise click.UsageError("--offsets are those of --trace; give both")
    if not (named or profile or module or trace):
        raise click.UsageError("say what you need: --need, --profile, --module or --trace")
    own = Own(module, trace, offsets)
    act(Request(named, profile, own, dtype, backends, runs, strict), as_json=as_json)
