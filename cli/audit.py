"""`embcheck audit`: check a random sample of results against the library alone."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from embcheck.conformance.audit.session import Audited


@click.command()
@click.argument("run", type=click.Path(path_type=Path, exists=True))
@click.option(
    "-b",
    "--backend",
    "addresses",
    multiple=True,
    metavar="[LABEL=]ID[:PYTHON]",
    help="Audit these backends only; all of the run if left out.",
)
@click.option("--draws", default=60, show_default=True, type=click.IntRange(1), help="Sample size.")
@click.option("--seed", default=0, show_default=True, help="Random seed for the sample.")
@click.option(
    "--out",
    default=Path("out/audit"),
    show_default=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Where the scripts are written.",
)
def audit(run: Path, addresses: tuple[str, ...], draws: int, seed: int, out: Path) -> None:
    """Check a random sample of a RUN's results against the library alone.

    As many departures as passes and unsupported results are drawn. The adapter writes each call
    as a script of its library's own API, which runs without embcheck and the adapter. The script's
    answer is judged like the suite's own. Exits with 1 if a script and the suite disagree.
    """
    from embcheck.conformance.audit.draw import draw  # noqa: PLC0415  (--help stays quick)
    from embcheck.conformance.audit.session import audit as audited_of  # noqa: PLC0415
    from embcheck.conformance.execution.address import BadAddress, parse_addresses  # noqa: PLC0415
    from embcheck.conformance.execution.discovery import UnknownBackend  # noqa: PLC0415
    from embcheck.conformance.exit_codes import ExitCode  # noqa: PLC0415
    from embcheck.conformance.records.run import RecordError, read_runs  # noqa: PLC0415
    from embcheck.conformance.suite.problems import SpecError  # noqa: PLC0415

    try:
        results = [found for one in read_runs(run) for found in one.results]
        named = addresses or tuple(dict.fromkeys(found.backend for found in results))
        labels = {address.label for address in parse_addresses(named)}
        drawn = draw((found for found in results if found.backend in labels), draws, seed)
        audited = list(audited_of(drawn, named, out))
    except (BadAddress, UnknownBackend, RecordError, SpecError) as error:
        click.echo(f"embcheck audit: {error}", err=True)
        sys.exit(ExitCode.USAGE)
    if not audited:
        click.echo(f"embcheck audit: {run} has no results to draw from", err=True)
        sys.exit(ExitCode.USAGE)
    _tell(audited, seed, out)
    if any(one.finding for one in audited):
        sys.exit(ExitCode.DEPARTS)


def _tell(audited: list[Audited], seed: int, out: Path) -> None:
    """Say what was found, and how many results could be checked."""
    from embcheck.conformance.audit.draw import GROUPS, group_of  # noqa: PLC0415
    from embcheck.reports.untrusted import one_line  # noqa: PLC0415

    for one in audited:
        if one.finding:
            result = one.result
            said = f"{result.kind or result.outcome}: {result.message}"
            click.echo(f"{result.backend} {result.case}: {one.finding}")
            click.echo(f"  the suite:         {one_line(said, 200)}")
            click.echo(f"  the library alone: {one_line(one.alone, 200)}")
            click.echo(f"  {one.script}")
    for group in GROUPS:
        of_group = [one for one in audited if group_of(one.result) == group]
        checked = [one for one in of_group if not one.unwritten]
        alike = sum(not one.finding for one in checked)
        counts = f"{len(of_group)} drawn, {len(checked)} with a script, {alike} of them agree"
        click.echo(f"{group}: {counts}")
    reasons = dict.fromkeys(
        f"{one.result.backend}: {one_line(one.unwritten, 200)}" for one in audited if one.unwritten
    )
    for reason in reasons:
        click.echo(f"no script: {reason}")
    click.echo(f"seed {seed}; the scripts are in {out}")
