"""What `embcheck site` does; the command itself is in `cli/site.py`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from embcheck.cli.faults import refuse, system_words
from embcheck.conformance.exit_codes import ExitCode
from embcheck.reports.page.html import render_html
from embcheck.reports.site.gathered import Gathering
from embcheck.reports.site.pages import pages, report_name
from embcheck.reports.site.records import LeftOut, records
from embcheck.reports.site.written import Folder, NotOurs
from embcheck.reports.units import plural
from embcheck.reports.untrusted import clean


def site(runs: Sequence[Path], out: Path, *, quiet: bool) -> None:
    """Write a site of runs into a folder, and say what is left out of it."""
    try:
        left_out = _written(runs, Folder(out), quiet=quiet)
    except NotOurs as error:
        refuse("site", error)
    except OSError as error:
        refuse("site", f"cannot write {system_words(error)}")
    if not all(left.is_harmless for left in left_out):
        sys.exit(ExitCode.USAGE)


def _written(runs: Sequence[Path], folder: Folder, *, quiet: bool) -> list[LeftOut]:
    """Write the reports one by one, then all that is made of them together."""
    gathering, left_out, written = Gathering(), [], 0
    for found in records(runs):
        if isinstance(found, LeftOut):
            left_out.append(found)
            click.echo(clean(f"left out: {found.place}: {found.why}"), err=True)
            continue
        # Written at once, so that only one whole record is in memory.
        folder.write({report_name(found.id): render_html(found.merged)})
        gathering.add(found)
        written += 1
        if not quiet:
            count = plural(len(found.merged.columns), "backend")
            click.echo(f"{found.id}: {count}", err=True)
    if not written:
        refuse("site", "no run is left; nothing was written")
    made = gathering.site()
    folder.write(dict(pages(made)))
    if not quiet:
        told = f"{plural(written, 'record')}, {plural(len(made.backends), 'backend')}"
        click.echo(f"{told}: {folder.path / 'index.html'}")
        if folder.left:
            click.echo(f"{plural(len(folder.left), 'file')} of earlier sites stay as they are")
    return left_out
