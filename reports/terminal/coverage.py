"""Documentation coverage in 80 columns, in plain ASCII if the output is not a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from rich.columns import Columns
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from embcheck.conformance.coverage.reach import Reach
from embcheck.conformance.documentation.coverage import (
    ACCOUNTED,
    DRIFT,
    Coverage,
    CoveredSentence,
    group,
    tally,
)
from embcheck.reports.terminal.console import safe_text
from embcheck.reports.terminal.reach import print_list, print_note, print_reach
from embcheck.reports.units import plural
from embcheck.reports.untrusted import one_line


def print_coverage(coverage: Coverage, reach: Reach, console: Console) -> None:
    """Print what is covered by object and parameter, what is left out, then every gap.

    The tables of sizes and of pairs of options follow, then the verdict.
    """
    console.print(_object_table(coverage.entries))
    _print_parameters(coverage.entries, console)
    _print_left_out(coverage, console)
    _print_drift(coverage, console)
    _print_gaps(coverage, console)
    print_reach(reach, console)
    _print_verdict(coverage, coverage.gaps + reach.gaps, console)


def _object_table(entries: Sequence[CoveredSentence]) -> Table:
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0), show_footer=True)
    every = tally(entries)
    table.add_column("object", "all", overflow="fold")
    for name in ("covered", "non_normative", "total"):
        heading = name.replace("_", "-")
        table.add_column(heading, str(every[name]), justify="right", no_wrap=True)
    for name, some in group(entries, "object").items():
        table.add_row(_short(name), *(str(count) for count in tally(some).values()))
    return table


def _print_parameters(entries: Sequence[CoveredSentence], console: Console) -> None:
    """Print `accounted/all` for each parameter, in red if there is a gap."""
    for name, some in group(entries, "object").items():
        _print(console, f"\n{_short(name)}", "bold")
        parts = [_share(parameter, few) for parameter, few in group(some, "parameter").items()]
        console.print(Padding(Columns(parts, padding=(0, 3)), (0, 0, 0, 2)))


def _share(parameter: str, entries: Iterable[CoveredSentence]) -> Text:
    counts = Counter(entry.status for entry in entries)
    accounted = sum(counts[status] for status in ACCOUNTED)
    style = "" if accounted == counts.total() else "bold red"
    return Text(f"{one_line(parameter, 30)} {accounted}/{counts.total()}", style)


def _print_left_out(coverage: Coverage, console: Console) -> None:
    exercise = coverage.exercise
    missing = len(exercise.left_out) + len(exercise.not_exercised)
    _print(
        console,
        f"\nOptions x values x dtypes: cases exercise {exercise.total - missing} of "
        f"{exercise.total} combinations",
        "bold",
    )
    for reason, count in Counter(exercise.left_out.values()).most_common():
        print_note(f"{count} not needed: {reason}", console)


def _print_drift(coverage: Coverage, console: Console) -> None:
    drifted = [entry for entry in coverage.entries if entry.status in DRIFT]
    if not drifted:
        return
    version = one_line(coverage.torch, 30)
    _print(console, f"\nDrift: torch {version}, mapped: {coverage.mapped_torch}", "bold red")
    for entry in drifted:
        where = f"{_short(entry.object)}, {one_line(entry.parameter, 30)}"
        _print(console, f"{entry.status} in {where}", "bold yellow")
        touched = ", ".join(entry.clauses) or entry.reason
        # Our paraphrase beside today's text, for a person to compare.
        lines = (
            ("we read", entry.paraphrase),
            ("it says", entry.text and f"{one_line(entry.text)} (hash {entry.hash})"),
            ("touches", touched),
        )
        for title, line in lines:
            if line:
                print_note(f"{title}: {line}", console)


def _print_gaps(coverage: Coverage, console: Console) -> None:
    lists: tuple[tuple[str, Iterable[str]], ...] = (
        ("Sentences whose clauses lack cases", _gap_lines(coverage.entries)),
        ("Clauses without cases", coverage.clauses_without_cases),
        ("Documented clauses that no sentence carries", coverage.unfounded),
        ("Cases without clauses", coverage.cases_without_clauses),
        ("Combinations without a case or a reason", _combination_lines(coverage)),
        # A reason that no longer holds is a gap too: it could hide a case that is lost later.
        ("Reasons to leave out what is exercised", coverage.exercise.idle_reasons),
    )
    for title, found in lists:
        print_list(title, list(found), console)


def _gap_lines(entries: Iterable[CoveredSentence]) -> list[str]:
    return [
        f"{_short(entry.object)}, {entry.parameter}: {', '.join(entry.clauses)}"
        for entry in entries
        if entry.status == "gap"
    ]


def _combination_lines(coverage: Coverage) -> list[str]:
    dtypes: dict[str, list[str]] = {}
    for one in coverage.exercise.not_exercised:
        dtypes.setdefault(f"{one.operation}: {one.option} {one.value}", []).append(one.dtype)
    return [f"{what}: {', '.join(names)}" for what, names in dtypes.items()]


def _print_verdict(coverage: Coverage, gaps: int, console: Console) -> None:
    counts = tally(coverage.entries)
    accounted = counts["covered"] + counts["non_normative"]
    _print(
        console,
        f"\ntorch {one_line(coverage.torch, 30)}: {accounted} of {counts['total']} sentences "
        f"accounted for, {plural(gaps, 'gap') if gaps else 'no gap'}",
        "bold red" if gaps else "bold green",
    )


def _short(name: str) -> str:
    return one_line(name, 60).removeprefix("torch.")


def _print(console: Console, text: str, style: str = "") -> None:
    console.print(safe_text(text, console, style))
