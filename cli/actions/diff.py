"""What `embcheck diff` does; the command itself is in `cli/diff.py`."""

from __future__ import annotations

import gc
import os
import sys
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import click
from rich.console import Console

from embcheck.cli.faults import refuse
from embcheck.conformance.exit_codes import ExitCode
from embcheck.conformance.records.run import RecordError, read_runs
from embcheck.conformance.scaffold.job import ARTIFACT
from embcheck.conformance.scaffold.origin import adapter_file
from embcheck.reports.diff import BackendNotInRun, Side, compare
from embcheck.reports.github import (
    Places,
    command_without_record,
    summary,
    summary_without_record,
    workflow_commands,
)
from embcheck.reports.merge import merge
from embcheck.reports.news import news
from embcheck.reports.terminal.diff import print_difference
from embcheck.reports.terminal.news import print_news
from embcheck.reports.units import plural
from embcheck.reports.untrusted import one_line

PART_LINES = 50


@dataclass(frozen=True)
class Telling:
    """How to tell what changed, and on what to fail: `changes`, `new` or `never`."""

    fail_on: str
    markdown: Path | None
    annotations: bool
    as_json: bool

    @property
    def news(self) -> bool:
        """Whether to tell what is new and worse."""
        # All three are about what is new and worse; `diff` alone lists every change.
        return self.fail_on == "new" or self.markdown is not None or self.annotations


def diff(run_a: Path, run_b: Path, mapped: tuple[str, ...], telling: Telling) -> None:
    """Tell what changed from one run to another: outcomes, kinds, readings, messages, cases."""
    job = os.environ.get("GITHUB_RUN_ID", "")
    artifact = os.environ.get("EMBCHECK_ARTIFACT", ARTIFACT)
    places = Places(str(run_a), str(run_b), job, artifact)
    try:
        # The first run of a CI job has nothing to compare with, so print how to accept it.
        if telling.news and not run_a.exists():
            sys.exit(_nothing_accepted(telling, places))
        before, after = _side(run_a), _side(run_b)
        found = compare(before, after, _mapping(mapped))
    except (RecordError, BackendNotInRun) as error:
        refuse("diff", error)
    new = news(before, after, found)
    if telling.as_json:
        sys.stdout.writelines(f"{line}\n" for line in found.json_lines())
    else:
        console = Console(highlight=False)
        print_difference(found, (str(run_a), str(run_b)), console)
        if telling.news:
            print_news(new, console)
    _tell_doubts(run_a, before)
    _tell_doubts(run_b, after)
    if telling.annotations:
        for line in workflow_commands(new, places, _adapters(after)):
            # GitHub reads annotations from either stream, and JSON must stay alone on stdout.
            click.echo(line, err=telling.as_json)
    _append(telling.markdown, summary(found, new, places))
    departs = {"changes": bool(found), "new": bool(new), "never": False}[telling.fail_on]
    sys.exit(ExitCode.DEPARTS if departs else ExitCode.CONFORMS)


def _nothing_accepted(telling: Telling, places: Places) -> ExitCode:
    """Say how to accept a run; return the exit code."""
    click.echo(f"embcheck diff: {places.accepted}: nothing is accepted yet; to accept:", err=True)
    for line in places.how_to_accept():
        click.echo(f"  {line}", err=True)
    if telling.annotations:
        click.echo(command_without_record(places), err=telling.as_json)
    _append(telling.markdown, summary_without_record(places))
    return ExitCode.USAGE


def _append(path: Path | None, text: str) -> None:
    if path is None:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # GitHub's summary file may have parts of earlier steps.
        with path.open("a", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        refuse("diff", f"cannot write {path}: {error.strerror}")


def _adapters(side: Side) -> dict[str, str]:
    """Return the file of each backend's adapter that lies in the repository, as GitHub names it."""
    root = Path(os.environ.get("GITHUB_WORKSPACE") or Path.cwd()).resolve()
    found: dict[str, str] = {}
    for info in (info for run in side.runs for info in run.header.backends):
        file = adapter_file(str(info.get("adapter") or info.get("id")))
        if file is not None and file.resolve().is_relative_to(root):
            found[str(info.get("id"))] = file.resolve().relative_to(root).as_posix()
    return found


def _tell_doubts(path: Path, run: Side) -> None:
    """Say why a run is partial, and of which backends it has only a part."""
    for why in run.partial:
        click.echo(f"embcheck diff: {path} {why}", err=True)
    for name, part in islice(run.parts.items(), PART_LINES):
        said = f"{path} has only a part of {one_line(name, 60)}: {one_line(part, 80)}"
        click.echo(f"embcheck diff: {said}", err=True)
    if len(run.parts) > PART_LINES:
        more = plural(len(run.parts) - PART_LINES, "backend")
        click.echo(f"embcheck diff: {path} has only a part of {more} more", err=True)


def _side(path: Path) -> Side:
    """Read a run and keep what a comparison needs: only one whole run at a time is in memory."""
    runs = read_runs(path)
    gc.freeze()  # The data stays alive; scanning it again and again costs a tenth of the time.
    return Side.of(merge(runs))


def _mapping(mapped: tuple[str, ...]) -> list[tuple[str, str]]:
    """Parse each A=B."""
    mapping: list[tuple[str, str]] = []
    for text in mapped:
        before, separator, after = text.partition("=")
        if not (before and separator and after):
            raise click.BadParameter(f"'{text}' is not A=B", param_hint="--map")
        mapping.append((before, after))
    return mapping
