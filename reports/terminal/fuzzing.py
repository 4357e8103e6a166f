"""The summary of a fuzzing run, from findings.json: what was tried, and what was found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Any

from rich.console import Console
from rich.table import Table

from embcheck.reports.terminal.console import safe_text, say
from embcheck.reports.units import plural
from embcheck.reports.untrusted import one_line

_ENDINGS = {
    "answered": "answered alike",
    "refused": "refused by both",
    "unsupported": "not supported",
    "departed": "departed",
}


def print_fuzzing(data: Mapping[str, Any], console: Console) -> None:
    """Print what `findings.json` says of each backend."""
    for hunted in data["backends"]:
        _print_tried(hunted, console)
        _print_findings(hunted, console)
        if hunted["fault"]:
            say(console, f"a fault of the harness: {one_line(hunted['fault'], 400)}", "bold red")


def _print_tried(hunted: Mapping[str, Any], console: Console) -> None:
    backend, endings = hunted["backend"], hunted["endings"]
    say(console, one_line(backend["id"], 60), "bold")
    asked = sum(endings.values())
    said = ", ".join(f"{endings.get(name, 0)} {words}" for name, words in _ENDINGS.items())
    say(console, f"{hunted['examples']} examples; {asked} different calls with shrinking:")
    say(console, f"  {said}")
    _print_calls(hunted["calls"], console)
    for option, entries in groupby(hunted["options"], key=lambda entry: entry["option"]):
        tried = ", ".join(f"{one_line(e['value'], 20)} {e['count']}x" for e in entries)
        console.print(safe_text(f"  {one_line(option, 30)}: {tried}", console))


def _print_calls(calls: Iterable[Mapping[str, Any]], console: Console) -> None:
    """Print how many calls there were of each operation and dtype."""
    counts = {(entry["operation"], entry["dtype"]): entry["count"] for entry in calls}
    dtypes = sorted({dtype for _, dtype in counts})
    table = _table(console, "calls", *dtypes)
    for operation in sorted({operation for operation, _ in counts}):
        row = (str(counts.get((operation, dtype), "-")) for dtype in dtypes)
        table.add_row(safe_text(one_line(operation, 40), console), *row)
    console.print(table)


def _table(console: Console, *columns: str) -> Table:
    table = Table(box=None, header_style="bold", padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column(safe_text(columns[0], console), overflow="fold")
    for name in columns[1:]:
        table.add_column(safe_text(name, console), justify="right", no_wrap=True)
    return table


def _print_findings(hunted: Mapping[str, Any], console: Console) -> None:
    findings = hunted["findings"]
    if not findings:
        say(console, "No findings.\n", "bold")
        return
    new = sum(finding["status"] == "new" for finding in findings)
    say(console, f"{plural(len(findings), 'finding')}, {new} new:", "bold")
    table = Table(box=None, show_header=False, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    # `new` sorts behind `known`, but must come first.
    for finding in sorted(findings, key=lambda finding: finding["status"], reverse=True):
        is_new = finding["status"] == "new"
        status = safe_text("NEW" if is_new else "known", console, "bold red" if is_new else "")
        table.add_row(status, safe_text("\n".join(_finding_lines(finding)), console))
    console.print(table)
    console.print()


def _finding_lines(finding: Mapping[str, Any]) -> list[str]:
    """Return the lines of a finding: its title, message, known deviation or clause, and file."""
    lines = [one_line(finding["title"], 300), one_line(finding["message"])]
    if finding["reason"]:
        lines.append(f"known from {one_line(finding['case'], 80)}")
    elif finding["clause"]:
        lines.append(f"see {one_line(finding['clause'], 40)}, {one_line(finding['case'], 80)}")
    lines += [one_line(finding[name], 300) for name in ("problem", "file") if finding[name]]
    return lines
