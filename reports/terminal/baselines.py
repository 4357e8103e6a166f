"""All pairs of a run's backends in the terminal, with the ratios of their times."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from rich.console import Console
from rich.table import Table

from embcheck.reports.baselines import BaselinePair
from embcheck.reports.terminal.console import safe_text, say
from embcheck.reports.terminal.summary import ratio_cells
from embcheck.reports.timings import circumstances
from embcheck.reports.untrusted import one_line


def print_pairs(pairs: Sequence[BaselinePair], console: Console) -> None:
    """Print a table for each cell: a backend, the one that it is compared with, and the verdict."""
    for _, group in groupby(pairs, key=lambda pair: pair.cell):
        found = list(group)
        line = found[0].line
        where = one_line(circumstances(line), 40)
        say(console, f"\n{one_line(line.workload, 40)}, {where}", "bold")
        table = Table(box=None, header_style="bold", padding=(0, 1, 0, 0), pad_edge=False)
        table.add_column("backend", overflow="fold")
        table.add_column("against", overflow="fold")
        for name in ("ratio", "95 %"):
            table.add_column(name, justify="right", no_wrap=True)
        table.add_column("verdict", no_wrap=True)
        for pair in found:
            parts = (
                one_line(pair.backend, 40),
                one_line(pair.baseline, 40),
                *ratio_cells(pair.line),
                one_line(pair.line.verdict, 12),
            )
            table.add_row(*(safe_text(part, console) for part in parts))
        console.print(table)
    said = "ratio: the first one's time over the second's, below 1 is faster"
    say(console, f"\n{said}; reasons: --baseline BACKEND", "dim")
