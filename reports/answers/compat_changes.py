"""Show in a terminal what changed in the data on compatibility."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from embcheck.reports.answers.compat_joined import CompatChange, JoinedCompat
from embcheck.reports.answers.compat_terminal import answer_words, print_versions, says
from embcheck.reports.compat import Column
from embcheck.reports.units import plural
from embcheck.reports.untrusted import one_line


def print_changes(joined: JoinedCompat, console: Console) -> None:
    """Print changed answers by backend, kept answers, and since which versions answers hold."""
    columns = joined.data.backends
    if not joined.changed:
        console.print("No answer changed.")
    _print_by_backend(joined.changed, columns.values(), console)
    if joined.added:
        console.print(Text(f"\nNew: {', '.join(map(one_line, joined.added))}"))
    if joined.kept:
        console.print(Text("\nKept from earlier data, as the runs asked nothing or only a part:"))
        for name in joined.kept:
            column = columns[name]
            told = f"{name} {column.version}, run on {column.date}"
            told += f" with the suite {column.suite}" if column.suite else ""
            told += f"; stale: {', '.join(column.stale)}" if column.stale else ""
            _print_item(told, console)
    if joined.against:
        told = (
            "Kept, but the part that was run departs; run the whole suite (`nox -s matrix -- …`):"
        )
        console.print(Text(f"\n{told}", "yellow"))
        _print_by_backend(joined.against, columns.values(), console)
    for column in columns.values():
        if column.versions.run:
            console.print(Text(f"\n{one_line(column.id)}", "bold"))
            print_versions(column, console)


def _print_item(told: str, console: Console) -> None:
    console.print(Padding(Text(one_line(told, 400)), (0, 0, 0, 2), expand=False))


def _print_by_backend(
    changes: Iterable[CompatChange], columns: Iterable[Column], console: Console
) -> None:
    versions = {column.id: column.version for column in columns}
    # Changes come sorted by backend, as `groupby` needs them.
    for backend, group in groupby(changes, key=lambda change: change.backend):
        found = [*group]
        told = f"{backend} {versions[backend]}: {plural(len(found), 'feature')}"
        console.print(Text(one_line(told), "bold"))
        for change in found:
            why = says(change.after)
            told = (
                f"{change.feature}: {answer_words(change.before)} -> {answer_words(change.after)}"
            )
            _print_item(f"{told}: {why}" if why else told, console)
