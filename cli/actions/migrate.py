"""What `embcheck migrate` does; the command itself is in `cli/migrate.py`."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from embcheck.cli.actions import INTERRUPTED
from embcheck.cli.actions.compat import data_of
from embcheck.cli.bench_own import check_whole
from embcheck.cli.faults import refuse
from embcheck.conformance.execution.discovery import known_backends
from embcheck.conformance.exit_codes import ExitCode
from embcheck.conformance.near import did_you_mean
from embcheck.reports.compat import Compat, CompatError
from embcheck.reports.migration.differences import migration
from embcheck.reports.migration.terminal import print_told
from embcheck.reports.migration.told import MigrationTarget, told

if TYPE_CHECKING:
    from embcheck.reports.migration.own import OwnCall

_CALL = ("table", "trace", "offsets", "weights", "mode", "padding_idx", "dtypes")
REMEDY = "run the suite on both, and name the run with --run"


def migrate(
    old: str,
    new: Sequence[str],
    runs: Sequence[Path],
    markdown: Path | None,
    html: Path | None,
    *,
    as_json: bool,
    **call: Any,
) -> None:
    """Show what changes by moving from one backend to others; with `call`, for that call."""
    given = [name for name in _CALL if call[name] not in (None, ())]
    check_whole(given)
    new = tuple(dict.fromkeys(new))
    try:
        data = data_of(runs)
        _check_names(data, [old, *new], may_be_asked=bool(given))
        targets = [_target(data, old, name) for name in new]
        own = None
        if given:
            from embcheck.cli.actions.migrate_call import own_call  # noqa: PLC0415  (NumPy)

            own = own_call(old, new, call)
        said = told(data, old, targets, own)
        if as_json:
            click.echo(json.dumps(_plain(old, targets, own), indent=2, default=str))
        else:
            print_told(said, Console(highlight=False, markup=False))
        _write_pages(said, markdown, html)
    except (CompatError, OSError) as error:
        refuse("migrate", error)
    except KeyboardInterrupt:
        click.echo("embcheck migrate: interrupted", err=True)
        sys.exit(INTERRUPTED)
    sys.exit(_code(targets, own))


def _check_names(data: Compat, names: Sequence[str], *, may_be_asked: bool) -> None:
    """Raise CompatError for an unknown backend."""
    # A known adapter can be asked the user's own call, even without recorded results.
    known = {*data.backends, *(known_backends() if may_be_asked else ())}
    for name in names:
        if name not in known:
            hint = did_you_mean(name, sorted(known), "`embcheck compat` lists them")
            raise CompatError(f"no data on '{name}'; {hint}")


def _target(data: Compat, old: str, name: str) -> MigrationTarget:
    missing = [one for one in (old, name) if one not in data.backends]
    if missing:
        return MigrationTarget(name, None, f"no results of {missing[0]} are at hand; {REMEDY}")
    return MigrationTarget(name, migration(data, old, name))


def _write_pages(said: Any, markdown: Path | None, html: Path | None) -> None:
    if not (markdown or html):
        return
    from embcheck.conformance.records.writer import write_whole  # noqa: PLC0415  (slow)
    from embcheck.reports.migration.pages import to_html, to_markdown  # noqa: PLC0415  (slow)

    for path, write in ((markdown, to_markdown), (html, to_html)):
        if path is not None:
            write_whole(path, write(said))


def _plain(old: str, targets: Sequence[MigrationTarget], own: OwnCall | None) -> dict[str, Any]:
    moves = [
        {"to": target.name, **(asdict(target.changes) if target.changes else {"why": target.why})}
        for target in targets
    ]
    return {"from": old, "moves": moves, "call": None if own is None else asdict(own)}


def _code(targets: Sequence[MigrationTarget], own: OwnCall | None) -> ExitCode:
    """Return the exit code: by the answers to the call, if there is one, else by the data."""
    if own is None:
        lost = any(target.changes is not None and target.changes.lost for target in targets)
        return ExitCode.DEPARTS if lost else ExitCode.CONFORMS
    names = [target.name for target in targets]
    answers = [one for one in own.answers if one.backend in names and not one.is_right]
    if any(not one.is_missing for one in answers):
        return ExitCode.DEPARTS
    # If answers are missing, the question could not be answered.
    return ExitCode.USAGE if answers else ExitCode.CONFORMS
