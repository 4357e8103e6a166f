"""What `embcheck backends` does; the command itself is in `cli/backends.py`."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from embcheck.conformance.execution.address import BadAddress
from embcheck.conformance.execution.discovery import UnknownBackend, known_backends, own_backends
from embcheck.conformance.execution.pool import BackendPool, started_pool
from embcheck.conformance.execution.profile import profile
from embcheck.conformance.exit_codes import ExitCode
from embcheck.conformance.records.run import RecordError, read_runs
from embcheck.conformance.suite.problems import SpecError
from embcheck.reports.backend_pages import write_pages
from embcheck.reports.helped import helped
from embcheck.reports.merge import merge
from embcheck.reports.untrusted import one_line

SHORT, LONG = 60, 600
"""Characters of a name, and of a sentence or a list, that a backend gives."""


def backends(
    addresses: tuple[str, ...], as_json: bool, markdown: Path | None, results: Path | None
) -> None:
    """List backends: version, device and capabilities, or why one is unavailable."""
    names = addresses or (own_backends() if markdown else sorted(known_backends()))
    try:
        with started_pool(names, timeout=60) as pool:
            entries = [pool.describe(name) for name in pool.names]
            if markdown is not None:
                _write(pool, entries, markdown, results)
                return
    except (BadAddress, UnknownBackend, SpecError, RecordError) as error:
        click.echo(f"embcheck backends: {error}", err=True)
        sys.exit(ExitCode.USAGE)
    except OSError as error:
        click.echo(f"embcheck backends: cannot write to {markdown}: {error.strerror}", err=True)
        sys.exit(ExitCode.USAGE)
    if as_json:
        click.echo(json.dumps(entries, indent=2))
        return
    for entry in entries:
        click.echo(_line(entry))


def _write(
    pool: BackendPool, entries: list[Mapping[str, Any]], folder: Path, results: Path | None
) -> None:
    """Write the pages of the backends that run; the pages of others stay as they are."""
    for entry in entries:
        if pool.problem(entry["id"]) is not None:
            click.echo(f"no page is written: {_line(entry)}", err=True)
    running = [name for name in pool.names if pool.problem(name) is None]
    given = helped(merge(read_runs(results))) if results else {}
    for path in write_pages((profile(pool, name) for name in running), folder, given):
        click.echo(path)


def _line(entry: Mapping[str, Any]) -> str:
    """Describe a backend on a few lines, of which it writes none: all it says is untrusted."""
    name = one_line(entry["id"], SHORT)
    for state in ("unavailable", "broken"):
        if state in entry:
            return f"{name}\n    {state}: {one_line(entry[state] or 'no reason is given', LONG)}"
    native = [name for name, how in entry["operations"].items() if how["provision"] == "native"]
    composed = [name for name in entry["operations"] if name not in native]
    library, version, device = (
        one_line(entry[key], SHORT) for key in ("library", "version", "device")
    )
    lines = [f"{name}\n    {library} {version} on {device}"]
    told = {
        "native": ", ".join(native),
        "composed": ", ".join(composed),
        "capabilities": ", ".join(map(str, entry["capabilities"])),
        "continues": entry["made_from"],
    }
    lines += [f"    {what}: {one_line(text, LONG)}" for what, text in told.items() if text]
    return "\n".join(lines)
