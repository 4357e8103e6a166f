"""What `embcheck audit` does; the command itself is in `cli/audit.py`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from embcheck.cli.faults import refuse
from embcheck.cli.progress import Progressed
from embcheck.conformance.audit.draw import GROUPS, draw, group_of
from embcheck.conformance.audit.session import Audited
from embcheck.conformance.audit.session import audit as audited_of
from embcheck.conformance.execution.absence import NoneAvailable
from embcheck.conformance.execution.address import BadAddress, parse_addresses, plain_ids
from embcheck.conformance.execution.discovery import UnknownBackend
from embcheck.conformance.exit_codes import ExitCode
from embcheck.conformance.records.lines import ResultLine
from embcheck.conformance.records.run import RecordError, read_runs
from embcheck.conformance.suite.case_names import named
from embcheck.conformance.suite.problems import SpecError
from embcheck.reports.terminal.backends import none_text
from embcheck.reports.untrusted import one_line


def audit(
    run: Path,
    addresses: tuple[str, ...],
    cases: tuple[str, ...],
    draws: int,
    seed: int,
    out: Path | None,
) -> None:
    """Draw random results of a RUN, and check each against the library alone."""
    folder = out or (run if run.is_dir() else run.parent) / "audit"
    try:
        results = [found for one in read_runs(run) for found in one.results]
        # Only ids: an address could start any program, and the record may come from a stranger.
        named = addresses or plain_ids(found.backend for found in results)
        labels = {address.label for address in parse_addresses(named)}
        results = _of_cases([found for found in results if found.backend in labels], cases)
        drawn = draw(results, draws, seed)
        with Progressed("results", len(drawn)) as progress:
            found = audited_of(drawn, named, folder, lambda label: progress.tell(doing=label))
            audited = [_counted(one, progress) for one in found]
    except NoneAvailable as absence:
        click.echo(none_text(absence.reasons), err=True)
        sys.exit(ExitCode.USAGE)
    except (BadAddress, UnknownBackend, RecordError, SpecError) as error:
        refuse("audit", error)
    except OSError as error:
        refuse("audit", f"cannot write to {folder}: {error.strerror}")
    if not audited:
        refuse("audit", f"{run} has no results to draw from")
    _tell(audited, seed, folder)
    if any(one.finding for one in audited):
        sys.exit(ExitCode.DEPARTS)


def _of_cases(results: list[ResultLine], cases: tuple[str, ...]) -> list[ResultLine]:
    """Return the results of the named cases, or all; raise RecordError for an unknown case."""
    if not cases:
        return results
    try:
        chosen = named(cases, {found.case for found in results})
    except LookupError as error:
        raise RecordError(str(error.args[0])) from None
    return [found for found in results if found.case in chosen]


def _counted(one: Audited, progress: Progressed) -> Audited:
    progress.advance()
    return one


def _tell(audited: list[Audited], seed: int, out: Path) -> None:
    """Say what was found, and how many results could be checked."""
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
