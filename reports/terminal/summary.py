"""Summaries of runs in 80 columns, in plain ASCII if the output is not a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

from rich.console import Console
from rich.table import Table
from rich.text import Text

from embcheck.conformance.records.lines import Measurement
from embcheck.conformance.records.run import Run
from embcheck.reports.cautions import other_torch_lines, unconfined_lines
from embcheck.reports.curves import point_of
from embcheck.reports.departures import Departure, Standing, departures
from embcheck.reports.ledger import LedgerCounts, ledger_counts
from embcheck.reports.marks import Mark
from embcheck.reports.merge import Merged, doubts_text, merge
from embcheck.reports.stages import Stages, tally
from embcheck.reports.tables import BackendScore, Score, categories_text, score_table
from embcheck.reports.terminal.backends import unavailable_text
from embcheck.reports.terminal.console import safe_text, say
from embcheck.reports.terminal.studies import print_studies
from embcheck.reports.timings import (
    break_even_text,
    circumstances,
    costs,
    flags,
    mixed_baselines,
    reasons,
    role_text,
    shared_reasons,
)
from embcheck.reports.units import nanoseconds_text, plural, seconds_text
from embcheck.reports.untrusted import finite, one_line

DEPARTURE_LINES = 15
STALE_SHOWN = 5
# The width that the figures of a timing leave of 80 columns.
_NAME_WIDTH = 27
_COUNTS = (
    ("silent", (Mark.SILENT,), "bold red"),
    ("loud", (Mark.LOUD,), "yellow"),
    ("died", (Mark.CRASHED, Mark.TIMED_OUT), "magenta"),
    ("unsupported", (Mark.UNSUPPORTED,), ""),
)
_OTHERS = (
    (Mark.ERRORED, "errored (the adapter or the harness is at fault)"),
    (Mark.STALE, "stale deviations"),
    (Mark.DEVIATED, "did not depart this time, by chance"),
    (Mark.NOT_RUN, "not run"),
    (Mark.EARLIER, "refused before the library saw it"),
)
_TITLES = {
    Mark.SILENT: "Failed silently",
    Mark.CRASHED: "Crashed",
    Mark.TIMED_OUT: "Timed out",
    Mark.LOUD: "Failed loudly",
}
_STANDINGS = {
    Standing.NEW: "",
    Standing.CHANGED: ", otherwise than known",
    Standing.KNOWN: ", as known",
}
_STYLES = {
    Mark.SILENT: "bold red",
    Mark.CRASHED: "magenta",
    Mark.TIMED_OUT: "magenta",
    Mark.LOUD: "yellow",
}


def print_conformance(runs: Iterable[Run] | Merged, console: Console) -> None:
    """Print the scores of each backend and the departures that matter most."""
    merged = merge(runs)
    if merged.columns:
        scores = score_table(merged)
        console.print(_score_table(scores, console))
        say(console, "answers, guards: passed of scored; died: crashed or timed out", "dim")
        _print_others(scores, merged.parts, console)
        _print_stale(merged, console)
        _print_processors(merged, console)
        _print_ledger(ledger_counts(merged), console)
    # Timings alone have a summary of their own.
    elif not merged.measurements:
        say(console, "No results.")
    for entry in merged.unavailable:
        say(console, unavailable_text(entry.id, entry.unavailable))
    for line in other_torch_lines(
        info for entry in merged.backends.values() for info in entry.infos
    ):
        say(console, line, "yellow")
    _print_unconfined(merged, console)
    _print_departures(departures(merged), console)
    _print_stages(merged, console)
    _print_partial(merged, console)


def print_timings(runs: Iterable[Run] | Merged, console: Console) -> None:
    """Print the timings, with the ratio to the baseline and its 95 % interval, and the studies."""
    merged = merge(runs)
    measurements = [line for line in merged.measurements if point_of(line) is None]
    if measurements:
        _print_cells(measurements, console)
    if not merged.columns:  # Otherwise the summary of the cases has printed it.
        _print_unconfined(merged, console)
    print_studies(merged.measurements, merged.runs, console)


def _print_unconfined(merged: Merged, console: Console) -> None:
    for line in unconfined_lines(run.header.environment for run in merged.runs):
        say(console, line, "yellow")


def _print_cells(measurements: Sequence[Measurement], console: Console) -> None:
    # One width for all cells, so that their tables stand under each other.
    width = min(_NAME_WIDTH, max(len(_name(line)) for line in measurements))
    for cell, group in groupby(measurements, key=_cell):
        lines = list(group)
        is_timed = any(line.verdict != "NOT TIMED" for line in lines)
        say(console, f"\n{cell}" + ("" if is_timed else ": not timed"), "bold")
        if is_timed:
            console.print(_timing_table(lines, width, console))
        _print_costs(lines, width, console)
        _print_figures(lines, console)
        _print_messages(lines, console)
    said = "ratio: time over the baseline's, below 1 is faster; ns: on this machine"
    if any(line.details.rates for line in measurements):
        said += "\nGB/s: of bytes that must move; gather, copy: its share of what those reach here"
    say(console, f"\n{said}", "dim")


def _timing_table(lines: Iterable[Measurement], width: int, console: Console) -> Table:
    table = Table(box=None, header_style="bold", padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("backend", width=width, overflow="fold")
    for name, space in (("ns/lookup", 9), ("ratio", 6), ("95 %", 13), ("1st call", 8)):
        table.add_column(name, justify="right", no_wrap=True, min_width=space)
    table.add_column("verdict", no_wrap=True, min_width=12)
    for line in lines:
        table.add_row(*(safe_text(part, console) for part in _timing_row(line)))
    return table


def _print_costs(lines: Iterable[Measurement], width: int, console: Console) -> None:
    """Print what a call costs: rates and shares of the ceilings, memory, error."""
    known = [line for line in lines if line.details.rates]
    if not known:
        return
    table = Table(box=None, header_style="bold", padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("backend", width=width, overflow="fold")
    for name, space in (("GB/s", 6), ("gather", 6), ("copy", 5), ("p99", 7), ("peak", 7)):
        table.add_column(name, justify="right", no_wrap=True, min_width=space)
    table.add_column("ulp", justify="right", no_wrap=True)
    for line in known:
        found = costs(line)
        row = (found.rate, found.of_gather, found.of_copy, found.p99, found.peak, found.ulp)
        table.add_row(*(safe_text(part, console) for part in (_name(line), *row)))
    console.print(table)


def _cell(line: Measurement) -> str:
    return f"{one_line(line.workload, 40)}, {one_line(circumstances(line), 40)}"


def _name(line: Measurement) -> str:
    role = role_text(line)
    return one_line(line.backend, 60) + (f" ({one_line(role, 20)})" if role else "")


def _timing_row(line: Measurement) -> tuple[str, ...]:
    return (
        _name(line),
        nanoseconds_text(finite(line.ns_per_lookup)),
        *ratio_cells(line),
        seconds_text(finite(line.first_call_seconds)),
        one_line(line.verdict, 12),
    )


def ratio_cells(line: Measurement) -> tuple[str, str]:
    """Return a timing's ratio and its interval; a dash for what is not known."""
    ratio, low, high = finite(line.ratio), finite(line.ratio_low), finite(line.ratio_high)
    interval = None if low is None or high is None else f"{ratio_text(low)}-{ratio_text(high)}"
    return "-" if ratio is None else ratio_text(ratio), interval or "-"


def ratio_text(ratio: float) -> str:
    """Return a ratio in two or three digits."""
    if ratio >= 100:
        return f"{ratio:,.0f}"
    return f"{ratio:.2f}" if ratio >= 0.1 else f"{ratio:.2g}"


def _print_figures(measurements: Iterable[Measurement], console: Console) -> None:
    """Print the figures that only some backends have, a line for each kind."""
    lines = [line for line in measurements if line.role in {"candidate", "reference"}]
    paid_back = ((line.backend, break_even_text(line)) for line in lines)
    found = [f"{one_line(backend, 40)} {text}" for backend, text in paid_back if text]
    if found:
        said = f"pays its preparation back after: {', '.join(found)}"
        console.print(safe_text(said, console))
    flagged = dict.fromkeys(flag for line in lines for flag in flags(line))
    if flagged:
        said = ", ".join(one_line(flag, 20) for flag in flagged)
        console.print(safe_text(f"flagged: {said}", console, "yellow"))


def _print_messages(measurements: Sequence[Measurement], console: Console) -> None:
    """Print notes on figures, or why one is missing, once for all backends that share a note."""
    for said in mixed_baselines(measurements):
        console.print(safe_text(one_line(said), console))
    common = shared_reasons(measurements)
    names: dict[str, list[str]] = {}
    for line in measurements:
        for reason in reasons(line):
            names.setdefault(reason, []).append(one_line(line.backend, 40))
    for reason, found in names.items():
        # A remark on all rows needs no names.
        owner = "" if reason in common else f"{', '.join(dict.fromkeys(found))}: "
        console.print(safe_text(f"{owner}{one_line(reason)}", console))


def _score_table(scores: Iterable[BackendScore], console: Console) -> Table:
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column("backend", overflow="fold")
    for name in ("answers", "guards", *(name for name, _, _ in _COUNTS)):
        table.add_column(name, justify="right", no_wrap=True)
    for score in scores:
        counts = [(sum(score.total[mark] for mark in marks), style) for _, marks, style in _COUNTS]
        table.add_row(
            safe_text(one_line(score.backend, 60), console),
            _share(score.answers),
            _share(score.guards),
            *(
                Text(str(count) if count else "-", style if count else "")
                for count, style in counts
            ),
        )
    return table


def _print_others(
    scores: Iterable[BackendScore], parts: Mapping[str, str], console: Console
) -> None:
    for score in scores:
        notes = [f"{score.total[mark]} {word}" for mark, word in _OTHERS if score.total[mark]]
        if unjudged := score.answers[Mark.OBSERVED]:
            notes.append(f"{unjudged} not judged: no bound tells right from wrong")
        if score.total.departures:
            known = f"{score.known} of {score.total.departures} departures"
            whose = categories_text(score.categories)
            notes.append(f"{known} are known and explained" + (f": {whose}" if whose else ""))
        if score.changed:
            notes.append(f"{score.changed} changed: they depart otherwise than is known")
        if score.backend in parts:
            said = f"only a part was run: {one_line(parts[score.backend], 80)}"
            console.print(safe_text(f"{one_line(score.backend, 60)}: {said}", console, "yellow"))
        if notes:
            said = ", ".join(notes)
            console.print(safe_text(f"{one_line(score.backend, 60)}: {said}", console))


def _print_stale(merged: Merged, console: Console) -> None:
    """Name the cases that deviations no longer hold for: somebody has to correct the entries."""
    found = [finding for finding in merged.findings if finding.mark is Mark.STALE]
    for finding in found[:STALE_SHOWN]:
        case = f"{one_line(finding.backend, 40)} {one_line(finding.case.case, 200)}"
        wrapped = textwrap.wrap(
            f"stale: {case}: {one_line(finding.message)}",
            console.width,
            subsequent_indent="  ",
            break_on_hyphens=False,
        )
        for line in wrapped:
            say(console, line)
    if len(found) > STALE_SHOWN:
        say(console, f"stale: {plural(len(found) - STALE_SHOWN, 'more case')}")


def _print_processors(merged: Merged, console: Console) -> None:
    """Print the backends whose threads or instructions are not those that a run asked for."""
    for run in merged.runs:
        for info in run.header.backends:
            for key in ("threads", "instructions"):
                asked, had = run.header.settings.get(key), info.get(key)
                # Nothing is reported if the library does not give its number.
                if asked is not None and had not in (None, asked):
                    name, words = one_line(info.get("id", "?"), 60), f"{key}: asked for {asked}"
                    said = f"{name}: {words}, and the library says {had}"
                    console.print(safe_text(one_line(said, 120), console, "yellow"))


def _print_ledger(counts: LedgerCounts, console: Console) -> None:
    if counts.observed:
        said = f"observed: {plural(counts.observed, 'undefined behaviour')}"
        if counts.stated:
            said += f"; readings differ from PyTorch's in {counts.unlike_pytorch}"
        say(console, said)


def _share(score: Score) -> Text:
    """Show passed of scored; nothing scored is a dash, never 0."""
    return Text(f"{score.passed}/{score.scored}" if score.scored else "-")


def _print_departures(found: list[Departure], console: Console) -> None:
    shown = found[:DEPARTURE_LINES]
    width = max((len(one_line(group.backend, 30)) for group in shown), default=0)
    # Departures come sorted by standing, mark and category.
    for (standing, mark, category), groups in groupby(
        shown, key=lambda group: (group.standing, group.mark, group.category)
    ):
        whose = f" ({category})" if category else ""
        say(console, f"\n{_TITLES[mark]}{_STANDINGS[standing]}{whose}:", _STYLES[mark])
        table = Table(box=None, show_header=False, padding=(0, 1, 0, 0), pad_edge=False)
        table.add_column(justify="right", no_wrap=True, min_width=4)
        table.add_column(overflow="fold", width=width)
        table.add_column(overflow="fold")
        table.add_column(overflow="fold")
        for group in groups:
            parts = (f"{group.count}x", group.backend, group.behaviour, group.main_kind)
            table.add_row(*(safe_text(one_line(part, 60), console) for part in parts))
        console.print(table)
    if len(found) > DEPARTURE_LINES:
        say(console, f"  ... and {len(found) - DEPARTURE_LINES} more in the report")


def _print_stages(merged: Merged, console: Console) -> None:
    """Print, for each backend that is made from another, the first stages of its departures."""
    stages = Stages(merged)
    for backend in merged.columns:
        found = [finding for finding in merged.of_backend(backend) if finding.mark.departs]
        counts = tally(stages, found)
        if counts:
            name = one_line(backend, 60)
            say(console, f"\n{name}: {plural(len(found), 'departure')}, {one_line(counts, 400)}")


def _print_partial(merged: Merged, console: Console) -> None:
    for run in merged.partial:
        run_of = f"{one_line(run.header.purpose, 20)} run of {one_line(run.header.started, 40)}"
        say(console, f"PARTIAL: the {run_of} is partial: {doubts_text(run)}.", "bold red")
