"""Show the report on a migration in a terminal."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from embcheck.reports.migration.parts import FigureTable, Item, Part, Section, Told
from embcheck.reports.terminal.console import safe_text

_TONES: Mapping[str, str] = {"good": "green", "bad": "red", "unknown": "yellow"}
_STYLES: Mapping[str, str] = {"text": "dim", "command": "cyan"}
_WHOLE = ("instead", "command")
"""Kinds of parts that are copied from the terminal, and so are never wrapped."""


def print_told(told: Told, console: Console) -> None:
    """Print the report: the answer in short, then the tables, then the differences."""
    console.print(safe_text(told.title, console, "bold"))
    for line in told.lead:
        console.print(safe_text(line, console))
    for verdict in told.verdicts:
        console.print(safe_text(verdict.sentence, console, _TONES[verdict.tone]))
    for section in told.sections:
        _print_section(section, console)


def _print_section(section: Section, console: Console) -> None:
    console.print()
    console.print(safe_text(section.head, console, "bold"))
    for grid in section.grids:
        console.print(_table(grid, console))
    for note in section.notes:
        console.print(Padding(safe_text(note, console, "dim"), (0, 0, 0, 2)))
    for number, item in enumerate(section.items):
        if number:
            console.print()
        _print_item(item, console)


def _print_item(item: Item, console: Console) -> None:
    for head in item.heads:
        console.print(Padding(safe_text(head, console), (0, 0, 0, 2)))
    for part in item.parts:
        if part.kind != "link":  # Pages have it; `embcheck compat BACKEND FEATURE` shows it.
            _print_part(part, console)


def _print_part(part: Part, console: Console) -> None:
    text = safe_text(part.said, console, _STYLES.get(part.kind, ""))
    indent = 6 if part.kind == "answer" else 4
    if part.kind in _WHOLE:
        console.print(Text(" " * indent) + text, soft_wrap=True)
    else:
        console.print(Padding(text, (0, 0, 0, indent)))


def _table(grid: FigureTable, console: Console) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 1))
    for place, name in enumerate(grid.columns):
        is_number = place in grid.numbers
        table.add_column(
            name, justify="right" if is_number else "left", overflow="fold", no_wrap=is_number
        )
    for row in grid.rows:
        table.add_row(*(safe_text(cell, console) for cell in row))
    return table
