"""The difference of two runs for a terminal, grouped, in 80 columns."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.padding import Padding
from rich.table import Table

from embcheck.reports.diff import BackendPair, Difference, ResultChange, State, What, by_behaviour
from embcheck.reports.terminal.console import safe_text
from embcheck.reports.units import plural
from embcheck.reports.untrusted import one_line

CASE_LINES = 10
FEW_CASE_LINES = 3
"""Cases of each group if there are many groups."""

FEW_GROUPS = 5
GROUP_LINES = 10
BACKEND_LINES = 60
_MESSAGE = 150
_TITLES = {
    What.OUTCOME: "Outcomes that changed",
    What.KIND: "Failures of another kind",
    What.READING: "Readings that changed",
    What.MESSAGE: "Messages that changed",
}


def print_difference(found: Difference, names: tuple[str, str], console: Console) -> None:
    """Print what changed between two runs of these names, the most severe first."""
    _print_backends(found, names, console)
    for what, title in _TITLES.items():
        _print_changes(title, found.of(what), console)
    _print_cases(f"Cases only in {names[0]}", found.gone_cases, console)
    _print_cases(f"Cases only in {names[1]}", found.new_cases, console)
    if found.rejudged:
        _print_heading(f"Judged otherwise, and not compared: {len(found.rejudged)}", console)
        _print_list(found.rejudged, console)
    _print_heading(f"{len(found.changes)} of {found.compared} results differ", console)


def _print_backends(found: Difference, names: tuple[str, str], console: Console) -> None:
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0), pad_edge=False)
    for heading in ("backend", *names):
        table.add_column(safe_text(one_line(heading, 60), console), overflow="fold")
    rows = [(pair.name, *_libraries(pair)) for pair in found.pairs]
    rows += [(name, "has results", "-") for name in found.gone_backends]
    rows += [(name, "-", "has results") for name in found.new_backends]
    for row in rows[:BACKEND_LINES]:
        table.add_row(*(safe_text(one_line(text, 60), console) for text in row))
    console.print(table)
    _print_rest(len(rows) - BACKEND_LINES, " backends", console, indent=0)


def _libraries(pair: BackendPair) -> tuple[str, str]:
    same = pair.library_before == pair.library_after
    return pair.library_before, "the same" if same else pair.library_after


def _print_changes(title: str, changes: Sequence[ResultChange], console: Console) -> None:
    if not changes:
        return
    _print_heading(f"{title}: {len(changes)}", console)
    groups: dict[tuple[str, str, str], list[str]] = {}
    words: dict[State, str] = {}
    for change in changes:
        for state in (change.before, change.after):
            # There are thousands of changes, and few states.
            if state not in words:
                words[state] = _word(change.what, state)
        key = (change.pair.name, words[change.before], words[change.after])
        groups.setdefault(key, []).append(change.case)
    # The largest group first: it is most likely to have one cause.
    ordered = sorted(groups.items(), key=lambda item: -len(item[1]))
    for (pair, before, after), cases in ordered[:GROUP_LINES]:
        _print(console, f"{one_line(pair, 60)}: {plural(len(cases), 'case')}", indent=2)
        _print(console, f"- {before}", "red", indent=4)
        _print(console, f"+ {after}", "green", indent=4)
        _print_list(cases, console, CASE_LINES if len(ordered) <= FEW_GROUPS else FEW_CASE_LINES)
    left = sum(len(cases) for _, cases in ordered[GROUP_LINES:])
    _print_rest(left, f" in {len(ordered) - GROUP_LINES:,} groups", console, indent=2)


def _word(what: What, state: State) -> str:
    """Describe a state, for a kind of change."""
    if what is What.MESSAGE:
        return one_line(state.message or "(nothing)", _MESSAGE)
    detail = state.kind or state.reading
    return one_line(f"{state.outcome}: {detail}" if detail else state.outcome, _MESSAGE)


def _print_cases(title: str, cases: Sequence[str], console: Console) -> None:
    if cases:
        _print_heading(f"{title}: {len(cases)}", console)
        _print_list([f"{name} ({count})" for name, count in by_behaviour(cases).items()], console)


def _print_list(lines: Sequence[str], console: Console, limit: int = CASE_LINES) -> None:
    for line in lines[:limit]:
        _print(console, one_line(line, 120), indent=6)
    _print_rest(len(lines) - limit, "", console, indent=6)


def _print_rest(count: int, what: str, console: Console, indent: int) -> None:
    """Say how many more there are, if any."""
    if count > 0:
        _print(console, f"... and {count:,} more{what}; --json has all", "dim", indent)


def _print_heading(text: str, console: Console) -> None:
    console.print()
    _print(console, text, "bold")


def _print(console: Console, text: str, style: str = "", indent: int = 0) -> None:
    safe = safe_text(text, console, style)
    safe.overflow = "fold"
    console.print(Padding(safe, (0, 0, 0, indent), expand=False))
