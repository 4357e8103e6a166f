"""`embcheck backends`: list the known backends, and which of them run here."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Mapping

    from embcheck.conformance.execution.pool import BackendPool


@click.command()
@click.argument("addresses", nargs=-1, metavar="[[LABEL=]ID[:PYTHON]]...")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")
@click.option(
    "--markdown",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Write a page for each backend that runs, and a table of all pages, to DIR.",
)
@click.option(
    "--results",
    type=click.Path(path_type=Path, exists=True),
    metavar="RUN",
    help="A run of the suite; pages then list what adapters did for their library in it.",
)
def backends(
    addresses: tuple[str, ...], as_json: bool, markdown: Path | None, results: Path | None
) -> None:
    """List backends: version, device and capabilities, or why one is unavailable.

    Without names, every known backend is listed; pages are written only for embcheck's own.
    """
    from embcheck.conformance.execution.address import BadAddress  # noqa: PLC0415  (--help stays
    from embcheck.conformance.execution.discovery import (  # noqa: PLC0415  quick)
        UnknownBackend,
        known_backends,
        own_backends,
    )
    from embcheck.conformance.execution.pool import started_pool  # noqa: PLC0415
    from embcheck.conformance.exit_codes import ExitCode  # noqa: PLC0415
    from embcheck.conformance.records.run import RecordError  # noqa: PLC0415
    from embcheck.conformance.suite.problems import SpecError  # noqa: PLC0415

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
    from embcheck.conformance.execution.profile import profile  # noqa: PLC0415
    from embcheck.conformance.records.run import read_runs  # noqa: PLC0415
    from embcheck.reports.backend_pages import write_pages  # noqa: PLC0415
    from embcheck.reports.helped import helped  # noqa: PLC0415
    from embcheck.reports.merge import merge  # noqa: PLC0415

    for entry in entries:
        if pool.problem(entry["id"]) is not None:
            click.echo(f"no page is written: {_line(entry)}", err=True)
    running = [name for name in pool.names if pool.problem(name) is None]
    given = helped(merge(read_runs(results))) if results else {}
    for path in write_pages((profile(pool, name) for name in running), folder, given):
        click.echo(path)


def _line(entry: Mapping[str, Any]) -> str:
    problem = entry.get("unavailable") or entry.get("broken")
    if problem:
        state = "unavailable" if "unavailable" in entry else "broken"
        return f"{entry['id']}\n    {state}: {problem}"
    native = [name for name, how in entry["operations"].items() if how["provision"] == "native"]
    composed = [name for name in entry["operations"] if name not in native]
    lines = [f"{entry['id']}\n    {entry['library']} {entry['version']} on {entry['device']}"]
    if native:
        lines.append(f"    native: {', '.join(native)}")
    if composed:
        lines.append(f"    composed: {', '.join(composed)}")
    if entry["capabilities"]:
        lines.append(f"    capabilities: {', '.join(entry['capabilities'])}")
    if entry["made_from"]:
        lines.append(f"    continues: {entry['made_from']}")
    return "\n".join(lines)
