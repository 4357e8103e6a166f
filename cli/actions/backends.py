"""What `embcheck backends` does; the command itself is in `cli/backends.py`."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import click

from embcheck.cli.faults import refuse
from embcheck.conformance.execution.address import BadAddress
from embcheck.conformance.execution.discovery import UnknownBackend, known_backends, own_backends
from embcheck.conformance.execution.introductions import Introduced, introductions
from embcheck.conformance.execution.pool import started_pool
from embcheck.conformance.execution.profile import profile
from embcheck.conformance.records.environment import describe_environment
from embcheck.conformance.records.run import RecordError, read_runs
from embcheck.conformance.suite.problems import SpecError
from embcheck.reports.backend_pages import write_pages
from embcheck.reports.cautions import unconfined_lines
from embcheck.reports.helped import helped
from embcheck.reports.merge import merge
from embcheck.reports.terminal.backends import backend_text, list_text
from embcheck.reports.units import plural


def backends(
    addresses: tuple[str, ...],
    markdown: Path | None,
    results: Path | None,
    *,
    as_json: bool = False,
    refresh: bool = False,
) -> None:
    """List backends: version, device and capabilities, or why one is unavailable."""
    names = addresses or (own_backends() if markdown else sorted(known_backends()))
    try:
        if markdown is not None:
            _write(names, markdown, results)
            return
        found = introductions(names, refresh=refresh)
    except (BadAddress, UnknownBackend, SpecError, RecordError) as error:
        refuse("backends", error)
    except OSError as error:
        refuse("backends", f"cannot write to {markdown}: {error.strerror}")
    entries = [one.backend for one in found]
    click.echo(json.dumps(entries, indent=2) if as_json else list_text(entries))
    # On stderr, so that only the list goes into a pipe.
    for line in unconfined_lines([describe_environment()]):
        click.echo(line, err=True)
    _tell_kept(found)


def _tell_kept(found: Iterable[Introduced]) -> None:
    """Say how many answers are from the cache, and how to ask again."""
    days = sorted(one.kept for one in found if one.kept is not None)
    if days:
        when = f"from {days[0]}" if days[0] == days[-1] else f"from {days[0]} to {days[-1]}"
        answers = plural(len(days), "answer")
        click.echo(f"{answers} kept {when}; --refresh asks again", err=True)


def _write(names: Iterable[str], folder: Path, results: Path | None) -> None:
    """Write the pages of the backends that run; the pages of others stay as they are."""
    with started_pool(names, timeout=60) as pool:
        running = [name for name in pool.names if pool.problem(name) is None]
        for name in pool.names:
            if name not in running:
                told = backend_text(pool.describe(name))
                click.echo(f"no page is written: {told}", err=True)
        given = helped(merge(read_runs(results))) if results else {}
        for path in write_pages((profile(pool, name) for name in running), folder, given):
            click.echo(path)
