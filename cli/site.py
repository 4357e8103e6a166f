"""`embcheck site`: many runs as a static site."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN...", type=click.Path(path_type=Path))
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Write the site here.",
)
@click.option("-q", "--quiet", is_flag=True, help="Print only what is left out.")
def site(runs: tuple[Path, ...], out: Path, quiet: bool) -> None:
    """Turn many runs, of several days and versions, into a static site.

    A RUN is a results.jsonl, a folder that a run wrote, or one with such folders below it. DIR gets
    an index, a page for each backend and feature, the reports of the runs, badges, and the data
    that `embcheck compat` reads. All links are relative, and nothing needs the network. The same
    records give the same bytes. Files in DIR that an earlier site wrote are renewed; others stay.

    Exit codes: 0 written; 2 a record was left out, for it cannot be read or is partial (the site is
    written from the others), nothing is left, or DIR cannot be written.
    """
    from embcheck.cli.actions.site import site as act  # noqa: PLC0415  (--help stays quick)

    act(runs, out, quiet=quiet)
