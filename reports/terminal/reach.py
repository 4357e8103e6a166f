"""The tables of sizes and of pairs of options for a terminal: 80 columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from embcheck.conformance.coverage.pair_table import PairTable
from embcheck.conformance.coverage.reach import Reach
from embcheck.conformance.coverage.size_table import Crossing, Extent, SizeTable
from embcheck.conformance.coverage.sizes import SizeAxis
from embcheck.reports.terminal.console import safe_text

_INDENT = (0, 0, 0, 2)
_MISSING = "bold red"


def print_reach(reach: Reach, console: Console) -> None:
    """Print the sizes of the calls, the pairs of options, and the gaps."""
    _print_sizes(reach.sizes, console)
    _print_extents(reach.sizes, console)
    _print_reasons(_size_reasons(reach.sizes), console)
    _print_pairs(reach.pairs, console)
    for title, lines in (
        ("Thresholds that no case crosses", _missing_sizes(reach.sizes)),
        ("Dtypes that no case asks at the size wanted", _missing_extents(reach.sizes)),
        ("Pairs of options that no case exercises", _missing_pairs(reach.pairs)),
        ("Pairs said to be impossible that a case exercises", _contradictions(reach.pairs)),
        (
            "Reasons to leave out what is exercised",
            (*reach.sizes.idle_reasons, *reach.pairs.idle_reasons),
        ),
    ):
        print_list(title, list(lines), console)


def _print_sizes(sizes: SizeTable, console: Console) -> None:
    """Print a row for each look: on each axis the largest size and the thresholds crossed."""
    _heading(
        f"Sizes: the largest that is asked, and how many of {len(sizes.thresholds)} thresholds are "
        "crossed",
        console,
    )
    looks = {
        look: {crossing.axis: crossing for crossing in found}
        for look, found in groupby(sizes.crossings, key=lambda one: one.look)
    }
    # Only one look has the axis of classes; another column would not fit.
    for with_classes in (False, True):
        some = {
            look: axes for look, axes in looks.items() if (SizeAxis.CLASSES in axes) is with_classes
        }
        console.print(_crossing_table(some))
    if any(crossing.left_out for crossing in sizes.crossings):
        print_note("* the other thresholds are left out for a reason", console)


def _crossing_table(looks: Mapping[str, Mapping[SizeAxis, Crossing]]) -> Table:
    axes = [axis for axis in SizeAxis if any(axis in found for found in looks.values())]
    table = _grid(["", *map(str, axes)])
    for look, found in looks.items():
        table.add_row(look, *(_crossing_cell(found.get(axis)) for axis in axes))
    return table


def _crossing_cell(crossing: Crossing | None) -> Text:
    if crossing is None:
        return Text("-")
    mark = "*" if crossing.left_out else " "
    style = _MISSING if crossing.missing else ""
    return Text(f"{crossing.largest} {len(crossing.crossed):2}{mark}", style)


def _print_extents(sizes: SizeTable, console: Console) -> None:
    """Print a row for each dtype: on each axis the size that every look reaches, and the target."""
    _heading("Sizes by dtype: what every look reaches on each axis", console)
    table = _grid(["", *map(str, SizeAxis)])
    least = {extent.axis: extent.least for extent in sizes.extents}
    table.add_row("wanted", *(str(least.get(axis, "-")) for axis in SizeAxis))
    for dtype, found in groupby(sizes.extents, key=lambda one: one.dtype):
        extents = list(found)
        table.add_row(dtype, *(_extent_cell(extents, axis) for axis in SizeAxis))
    console.print(table)


def _extent_cell(extents: Iterable[Extent], axis: SizeAxis) -> Text:
    found = [extent for extent in extents if extent.axis is axis]
    # Sizes that are left out for a reason must not make the least size look small.
    wanted = [extent for extent in found if extent.reason is None]
    if not wanted:
        return Text("*" if found else "-")
    mark = "*" if len(wanted) < len(found) else " "
    missing = any(extent.missing for extent in wanted)
    return Text(f"{min(one.largest for one in wanted)}{mark}", _MISSING if missing else "")


def _print_pairs(pairs: PairTable, console: Console) -> None:
    """Print a row for each operation: the number of pairs by status."""
    _heading("Options x options: pairs of values that are exercised together", console)
    table = _grid(["", "exercised", "wanted", "not needed", "impossible"])
    for one in pairs.operations:
        numbers = (one.wanted, len(one.left_out), one.impossible)
        style = _MISSING if one.missing or one.contradicted else ""
        table.add_row(one.operation, Text(str(one.exercised), style), *map(str, numbers))
    console.print(table)
    counts = Counter[str]()
    for one in pairs.operations:
        counts.update(one.left_out.values())
    _print_reasons(counts, console)


def _size_reasons(sizes: SizeTable) -> Counter[str]:
    counts = Counter[str]()
    for crossing in sizes.crossings:
        counts.update(crossing.left_out.values())
    counts.update(extent.reason for extent in sizes.extents if extent.reason)
    return counts


def _print_reasons(counts: Counter[str], console: Console) -> None:
    for reason, count in counts.most_common():
        print_note(f"{count} not needed: {reason}", console)


def _missing_sizes(sizes: SizeTable) -> Iterator[str]:
    for crossing in sizes.crossings:
        if crossing.missing:
            # A list of all thresholds would fill several lines.
            every = len(crossing.missing) == len(sizes.thresholds)
            named = "all" if every else _ranges(crossing.missing, sizes.thresholds)
            yield f"{crossing.look}, {crossing.axis}: {named}"


def _ranges(missing: Sequence[int], thresholds: Sequence[int]) -> str:
    """Name sizes; consecutive thresholds as `first..last`."""
    places = {size: place for place, size in enumerate(thresholds)}
    runs: list[list[int]] = []
    for size in missing:
        if runs and places[size] == places[runs[-1][-1]] + 1:
            runs[-1].append(size)
        else:
            runs.append([size])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}..{run[-1]}" for run in runs)


def _missing_extents(sizes: SizeTable) -> Iterator[str]:
    lacking = [extent for extent in sizes.extents if extent.missing]
    for (dtype, look), found in groupby(lacking, key=lambda one: (one.dtype, one.look)):
        axes = ", ".join(f"{one.axis} {one.largest} of {one.least}" for one in found)
        yield f"{dtype}, {look}: {axes}"


def _missing_pairs(pairs: PairTable) -> Iterator[str]:
    for one in pairs.operations:
        for first, found in groupby(one.missing, key=lambda pair: pair.first):
            others = ", ".join(" ".join(pair.second) for pair in found)
            yield f"{one.operation}: {' '.join(first)} x {others}"


def _contradictions(pairs: PairTable) -> Iterator[str]:
    for one in pairs.operations:
        yield from (f"{one.operation}: {pair.describe()}" for pair in one.contradicted)


def _grid(headings: Sequence[str]) -> Table:
    table = Table(box=None, header_style="bold", padding=(0, 1, 0, 0))
    table.add_column(headings[0], no_wrap=True)
    for heading in headings[1:]:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def _heading(text: str, console: Console) -> None:
    console.print(safe_text(f"\n{text}", console, "bold"))


def print_note(text: str, console: Console) -> None:
    """Print a line below a heading."""
    console.print(Padding(safe_text(text, console), _INDENT))


def print_list(title: str, lines: Sequence[str], console: Console) -> None:
    """Print gaps of one kind under their title, if there are any."""
    if lines:
        console.print(safe_text(f"\n{title}: {len(lines)}", console, _MISSING))
        for line in lines:
            print_note(line, console)
