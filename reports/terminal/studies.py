"""Scaling curves and prices in the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table

from embcheck.conformance.records.lines import Measurement
from embcheck.conformance.records.run import Run
from embcheck.reports.curves import curves
from embcheck.reports.prices import price_groups
from embcheck.reports.terminal.console import safe_text, say
from embcheck.reports.untrusted import one_line


def print_studies(
    measurements: Iterable[Measurement], runs: Sequence[Run], console: Console
) -> None:
    """Print the scaling curves and prices of the runs."""
    for curve in curves(measurements, runs):
        say(console, f"\n{one_line(curve.title, 60)}: ns per lookup, by {curve.label}", "bold")
        table = _table("backend", *curve.values)
        for backend, cells in curve.table:
            texts = (one_line(backend, 30), *cells)
            table.add_row(*(safe_text(text, console) for text in texts))
        console.print(table)
        for said in curve.crossings:
            say(console, one_line(said))
    for kind, prices in price_groups(runs):
        say(console, f"\n{kind}", "bold")
        for price in prices:
            name = f"{one_line(price.workload, 20)}, {one_line(price.backend, 40)}"
            say(console, f"{name}: {one_line(price.variant, 100)}")
            figures = f"{price.ratio} ({price.interval}), {price.added}" if price.interval else ""
            said = " ".join(filter(None, [price.verdict, figures, one_line(price.message)]))
            say(console, f"    against {one_line(price.plain, 60)}: {said}")


def _table(first: str, *others: str) -> Table:
    table = Table(box=None, header_style="bold", padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column(first, overflow="fold")
    for name in others:
        table.add_column(name, justify="right", overflow="fold")
    return table
