"""A comparison with an earlier timing run, for a terminal of 80 columns."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from embcheck.conformance.timing.runs.regression import Comparison, RatioChange
from embcheck.reports.terminal.console import safe_text
from embcheck.reports.timings import circumstances
from embcheck.reports.units import plural
from embcheck.reports.untrusted import one_line


def print_comparison(found: Comparison, console: Console) -> None:
    """Print what changed, what was left out, and how many backends became slower."""
    if found.unchanged:
        names = ", ".join(one_line(name, 40) for name in found.unchanged)
        console.print(safe_text(f"as before, and not timed again: {names}", console))
    for name, reason in found.left_out.items():
        console.print(safe_text(f"not compared: {one_line(name, 40)}: {reason}", console))
    if not found.changes:
        console.print(safe_text("nothing to compare", console))
        return
    table = Table(box=None, header_style="bold", padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("cell and backend", overflow="fold")
    for name in ("before", "now", "change", "95 %"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for change in found.changes:
        table.add_row(*(safe_text(part, console) for part in _row(change)))
    console.print(table)
    count = sum(change.is_regression for change in found.changes)
    said = "nothing is known to be slower"
    if count:
        said = f"{plural(count, 'timing')} became slower, in two runs"
    console.print(safe_text(said, console, "bold red" if count else ""))


def _row(change: RatioChange) -> tuple[str, ...]:
    line = change.now
    name = f"{one_line(line.workload, 12)}, {one_line(circumstances(line), 20)}: "
    interval = "-"
    if change.low is not None and change.high is not None:
        interval = f"{change.low:.2f}-{change.high:.2f}"
    return (
        name + one_line(line.backend, 40),
        _ratio(change.before.ratio),
        _ratio(line.ratio),
        _ratio(change.ratio),
        interval,
        _word(change),
    )


def _word(change: RatioChange) -> str:
    if change.is_regression:
        return "REGRESSED"
    if change.repeated is not None and change.verdict == "SLOWER":
        # A single slower run may be chance: the second run decides.
        return f"{change.verdict}, then {change.repeated}"
    return str(change.verdict)


def _ratio(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"
