"""What `embcheck compat` does; the command itself is in `cli/compat.py`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from embcheck.cli.faults import refuse
from embcheck.reports.answers.badges import badge_files, badge_text
from embcheck.reports.answers.compat_terminal import (
    print_age,
    print_answer,
    print_column,
    print_feature,
    print_overview,
)
from embcheck.reports.compat import OTHER_NAMES, Compat, CompatError, load, shipped
from embcheck.reports.compat_text import to_text

if TYPE_CHECKING:
    from embcheck.reports.answers.compat_joined import JoinedCompat


@dataclass(frozen=True)
class Source:
    """Where the data comes from: runs, whole runs of several versions, and older data."""

    runs: Sequence[Path] = ()
    versions: Sequence[Path] = ()
    against: Path | None = None


@dataclass(frozen=True)
class Wanted:
    """What to make of the data: a file, one badge, all badges, or JSON."""

    out: Path | None = None
    badge: bool = False
    badges: Path | None = None
    as_json: bool = False


def compat(names: Sequence[str], source: Source, wanted: Wanted) -> None:
    """Show, or write, which backends support what."""
    if wanted.out is not None and not (source.runs or source.versions):
        raise click.UsageError("--out writes the data of --run; name a run")
    try:
        data, joined = _data(source)
        backend, feature = _named(names, data)
        if wanted.badge and (backend is None or feature is not None):
            raise click.UsageError("--badge needs exactly one backend, and no feature")
        if wanted.out is not None:
            wanted.out.write_text(to_text(data), "utf-8")
        if wanted.badges is not None:
            _write_badges(data, wanted.badges)
        # `backend` is there, as checked above; the type checker cannot know.
        elif wanted.badge and backend:
            click.echo(badge_text(data.backends[backend]), nl=False)
        elif wanted.as_json:
            click.echo(json.dumps(_plain(data, backend, feature), indent=2))
        else:
            _show(data, joined, backend, feature)
    except (CompatError, OSError) as error:
        refuse("compat", error)


def data_of(runs: Sequence[Path]) -> Compat:
    """Return the data of runs, or what embcheck ships if there are none; raise CompatError.

    Reading records, and the suite, takes seconds.
    """
    return _data(Source(runs))[0]


def _data(source: Source) -> tuple[Compat, JoinedCompat | None]:
    """Return the data and, if it was joined with older data, what changed."""
    if not (source.runs or source.versions):
        return shipped() if source.against is None else load(source.against), None
    from embcheck.conformance.records.run import RecordError, read_runs  # noqa: PLC0415
    from embcheck.reports.answers.compat_joined import join, with_versions  # noqa: PLC0415
    from embcheck.reports.answers.compat_made import asked_wholly, compat_of, versions_of  # noqa: PLC0415
    from embcheck.reports.merge import merge  # noqa: PLC0415

    try:
        merged = merge(run for folder in source.runs for run in read_runs(folder))
        data, joined = compat_of(merged), None
        # Versions without runs change histories, and leave the answers of the older data as they
        # are.
        if source.against is not None or not source.runs:
            older = shipped() if source.against is None else load(source.against)
            joined = join(data, older, asked_wholly(merged))
            data = joined.data
        if source.versions:
            data = with_versions(data, versions_of(source.versions))
            if joined:
                # Without runs, all backends are kept, which need not be listed.
                joined = replace(joined, data=data, kept=joined.kept if source.runs else ())
    except RecordError as error:
        raise CompatError(str(error)) from None
    else:
        return data, joined


def _show(
    data: Compat, joined: JoinedCompat | None, backend: str | None, feature: str | None
) -> None:
    console = Console(highlight=False, markup=False)
    if joined is not None and not (backend or feature):
        from embcheck.reports.answers.compat_changes import print_changes  # noqa: PLC0415

        print_changes(joined, console)
    elif backend and feature:
        print_answer(data, backend, feature, console)
    elif backend:
        print_column(data, backend, console)
    elif feature:
        print_feature(data, feature, console)
    else:
        print_overview(data, console)
    print_age(data, Console(stderr=True, highlight=False, markup=False), backend, feature)


def _write_badges(data: Compat, folder: Path) -> None:
    badges = badge_files(data)
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in badges.items():
        (folder / name).write_text(text, "utf-8")
    click.echo(f"wrote {len(badges)} badges in {folder}")


def _named(names: Sequence[str], data: Compat) -> tuple[str | None, str | None]:
    """Tell backend and feature apart; raise CompatError for a name that is neither."""
    backend = feature = None
    for name in (OTHER_NAMES.get(name, name) for name in names):
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
    # In the form that ships, which other programs read already.
    return json.loads(to_text(data))
