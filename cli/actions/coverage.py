"""What `embcheck coverage` does; the command itself is in `cli/coverage.py`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click
from rich.console import Console

from embcheck.cli.faults import refuse
from embcheck.conformance.coverage.reach import shipped_reach
from embcheck.conformance.documentation.coverage import as_json as to_json
from embcheck.conformance.documentation.coverage import shipped_coverage
from embcheck.conformance.documentation.reading import ReadingError, read_file, read_installed
from embcheck.conformance.exit_codes import ExitCode
from embcheck.conformance.records.writer import write_whole
from embcheck.conformance.suite.problems import SpecError
from embcheck.reports.terminal.coverage import print_coverage


def coverage(as_json: bool, python: str | None, docstrings: Path | None, out: Path | None) -> None:
    """Compute which sentences, sizes and pairs of options the suite covers."""
    if python and docstrings:
        raise click.UsageError("--python and --docstrings exclude each other; give one of them")
    try:
        documentation = (
            read_file(docstrings) if docstrings else read_installed(python or sys.executable)
        )
        found, reach = shipped_coverage(documentation), shipped_reach()
    except (ReadingError, SpecError) as error:
        refuse("coverage", error)
    gaps = found.gaps + reach.gaps
    text = json.dumps({**to_json(found), **reach.as_json(), "gaps": gaps}, indent=2)
    if out:
        _write(out / "coverage.json", text)
    if as_json:
        click.echo(text)
    else:
        print_coverage(found, reach, Console())
    sys.exit(ExitCode.DEPARTS if gaps else ExitCode.CONFORMS)


def _write(file: Path, text: str) -> None:
    try:
        write_whole(file, f"{text}\n")
    except OSError as error:
        refuse("coverage", f"cannot write {file}: {error.strerror}")
