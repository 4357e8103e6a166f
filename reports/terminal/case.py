"""Show a case in a terminal: its call, its clauses, and its results."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rich.console import Console

from embcheck.conformance.records.lines import CaseLine, ClauseLine, ResultLine
from embcheck.reports.terminal.console import say
from embcheck.reports.untrusted import one_line, web_link
from embcheck.reports.values import Entry, differences, entries, option_entries

LINES = 12
"""The most lines of one array that are printed."""


def print_case(case: CaseLine, clauses: Mapping[str, ClauseLine], console: Console) -> None:
    """Print a case: its call, what is expected of it, and the clauses that say so."""
    say(console, case.case, "bold")
    say(console, f"{case.title} ({case.level}, {case.where})")
    # A record may lack the line of a clause that its case names.
    for name in case.clauses:
        clause = clauses.get(name)
        if clause is not None:
            say(console, f"\n{clause.id} ({clause.level}): {clause.statement}")
            say(console, f"  {clause.source}", "dim")
    call = case.call
    say(console, f"\n{one_line(call.get('operation', '?'))}", "bold")
    _print_entries([*entries(call.get("inputs")), *option_entries(call.get("options"))], console)
    if case.steps:
        say(console, f"  the first of {len(case.steps)} calls: {', '.join(case.steps)}")
    if case.control is not None:
        say(console, "\nmust be refused; a valid call differs in", "bold")
        _print_entries(differences(call, case.control), console)
    elif case.expected is not None:
        say(console, "\nmust give", "bold")
        _print_entries(entries(case.expected), console)
    else:
        say(console, "\nis left open; what comes is observed", "bold")


def print_result(result: ResultLine, library: str, console: Console) -> None:
    """Print the result of a case on a backend, and the known deviation that explains it."""
    say(console, f"\n{result.backend} ({library}): {result.outcome}", "bold")
    if result.message:
        say(console, f"  {one_line(result.message, 600)}")
    if result.reading:
        say(console, f"  {one_line(result.reading)}")
    _print_entries(entries(result.observed), console)
    known = result.deviation
    if known is None:
        return
    say(console, f"  known ({known.category}): {one_line(known.reason, 1200)}")
    for words, text in (("", web_link(known.link)), ("instead: ", known.conforms_as)):
        if text:
            say(console, f"  {words}{one_line(text)}")


def _print_entries(found: Iterable[Entry], console: Console) -> None:
    for entry in found:
        say(console, f"  {entry.name}: {entry.head}")
        lines = entry.body.splitlines()
        for line in lines[:LINES]:
            say(console, f"    {line}", "dim")
        if len(lines) > LINES:
            say(console, f"    ... ({len(lines) - LINES:,} more lines)", "dim")
