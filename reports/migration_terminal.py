"""Show in a terminal what changes by moving from one backend to another."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from embcheck.reports.compat import Column, Compat
from embcheck.reports.compat_terminal import says
from embcheck.reports.migration import Change, Migration
from embcheck.reports.units import plural
from embcheck.reports.untrusted import one_line

_HEADS: Mapping[str | None, str] = {
    "silently": "Goes wrong without a sign",
    "dying": "Ends the process, or hangs",
    "loudly": "Raises an error",
    None: "Is not offered",
}


def print_migration(data: Compat, old: str, new: str, found: Migration, console: Console) -> None:
    """Print what is lost by moving from one backend to another, grouped by why."""
    console.print(Text(f"{_named(data.column(old))} -> {_named(data.column(new))}", "bold"))
    count = sum(len(change.features) for change in found.lost)
    total = count + len(found.gained) + len(found.same)
    console.print(f"{count:,} of {plural(total, 'feature')} are worse, {len(found.gained)} better")
    heads = dict.fromkeys(change.how for change in found.lost)
    for how in heads:
        console.print(Text(f"\n{_HEADS[how]}", "bold"))
        for change in found.lost:
            if change.how == how:
                _print_change(change, new, console)
    for words, names in (("Better", found.gained), ("Not known of one", found.unknown)):
        if names:
            console.print(f"\n{words}: {', '.join(names)}")


def _print_change(change: Change, new: str, console: Console) -> None:
    if change.how is None and not change.reason:
        absent = [name for name, found in change.features.items() if found.support == "absent"]
        if absent:
            console.print(Padding(Text(", ".join(absent)), (0, 0, 0, 2)))
    for name, found in change.features.items():
        if found.support != "absent":
            console.print(Padding(Text(f"{name}: {says(found)}"), (0, 0, 0, 2)))
    if change.reason:
        console.print(Padding(Text(change.reason, "dim"), (0, 0, 0, 4)))
    if change.instead:
        console.print("    Instead:", Text(one_line(change.instead)), soft_wrap=True)
    if change.example:
        words = f"embcheck reproduce '{one_line(change.example)}' -b {one_line(new)}"
        console.print(Text(f"    {words}\n", "cyan"), soft_wrap=True)


def _named(column: Column) -> str:
    return one_line(f"{column.id} ({column.library} {column.version}, {column.date})", 60)
