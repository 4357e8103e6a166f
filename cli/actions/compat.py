"""What `embcheck compat` does; the command itself is in `cli/compat.py`."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from embcheck.conformance.exit_codes import ExitCode
from embcheck.reports.compat import Compat, CompatError, shipped, to_text
from embcheck.reports.compat_terminal import (
    print_answer,
    print_column,
    print_feature,
    print_overview,
)


def compat(names: Sequence[str], runs: Sequence[Path], out: Path | None, *, as_json: bool) -> None:
    """Show, or write, which backends support what."""
    if out is not None and not runs:
        raise click.UsageError("--out writes the data of --run; name a run")
    try:
        data = data_of(runs)
        if out is not None:
            out.write_text(to_text(data), "utf-8")
        backend, feature = _named(names, data)
        if as_json:
            click.echo(json.dumps(_plain(data, backend, feature), indent=2))
            return
        console = Console(highlight=False, markup=False)
        if backend and feature:
            print_answer(data, backend, feature, console)
        elif backend:
            print_column(data, backend, console)
        elif feature:
            print_feature(data, feature, console)
        else:
            print_overview(data, console)
    except (CompatError, OSError) as error:
        click.echo(f"embcheck compat: {error}", err=True)
        sys.exit(ExitCode.USAGE)


def data_of(runs: Sequence[Path]) -> Compat:
    """Return the data of runs, or what embcheck ships if there are none; raises CompatError.

    To read records, and the suite, takes seconds.
    """
    if not runs:
        return shipped()
    from embcheck.conformance.records.run import RecordError, read_runs  # noqa: PLC0415
    from embcheck.reports.compat_made import compat_of  # noqa: PLC0415
    from embcheck.reports.merge import merge  # noqa: PLC0415

    try:
        return compat_of(merge(run for folder in runs for run in read_runs(folder)))
    except RecordError as error:
        raise CompatError(str(error)) from None


def _named(names: Sequence[str], data: Compat) -> tuple[str | None, str | None]:
    """Tell backend and feature apart; raises CompatError for what is neither."""
    backend = feature = None
    for name in names:
        if name in data.backends and backend is None:
            backend = name
        elif name in data.features and feature is None:
            feature = name
        else:
            raise CompatError(f"'{name}' is neither a backend nor a feature; {data.hint(name)}")
    return backend, feature


def _plain(data: Compat, backend: str | None, feature: str | None) -> Any:
    if backend and feature:
        return asdict(data.supports(backend, feature))
    if backend:
        return asdict(data.column(backend))
    if feature:
        return {name: asdict(data.supports(name, feature)) for name in data.backends}
    return json.loads(to_text(data))
