"""What is new in a run, for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console

from embcheck.reports.console import say
from embcheck.reports.news import News, NewsGroup, groups
from embcheck.reports.units import plural
from embcheck.reports.untrusted import one_line

GROUPS, CASES = 10, 3


def print_news(found: News, console: Console) -> None:
    """Print a heading, what is worse, and what was not compared."""
    say(console, "")
    say(console, heading(found), "bold")
    made = groups(found)
    for group in made[:GROUPS]:
        say(console, f"  {told(group)}")
        say(console, f"    {ways(group)}", "red")
        for change in group.changes[:CASES]:
            say(console, f"      {one_line(change.case, 150)}")
        if len(group.changes) > CASES:
            say(console, f"      ... and {len(group.changes) - CASES:,} more", "dim")
    if len(made) > GROUPS:
        left = sum(len(group.changes) for group in made[GROUPS:])
        say(console, f"  ... and {plural(left, 'result')} of other specs", "dim")
    for remark in (*missing(found), *remarks(found)):
        say(console, remark)


def heading(found: News) -> str:
    """Say in one line whether something is new."""
    if found.worse:
        return f"New, and not accepted: {plural(len(found.worse), 'result')}"
    if found:
        return "Not all was run that was accepted"
    return "Nothing is worse than what was accepted"


def told(group: NewsGroup) -> str:
    """Say of which backend and spec a group is, and how large."""
    place = f"{one_line(group.backend, 60)}, {one_line(group.spec, 80)}"
    return f"{place}: {plural(len(group.changes), 'result')}"


def ways(group: NewsGroup) -> str:
    """Say what the results of a group were, and what they are."""
    return one_line(f"{group.before} -> {group.after}")


def missing(found: News) -> Iterator[str]:
    """Say what should have been run and was not, each in one line."""
    for why in found.partial:
        yield f"this run {one_line(why, 300)}"
    if found.lost_backends:
        yield f"accepted, and not run now: {_names(found.lost_backends)}"


def remarks(found: News) -> Iterator[str]:
    """Say what else a reader should know, each in one line."""
    if found.lost_cases:
        yield f"accepted, and not run now: {plural(found.lost_cases, 'case')}"
    if found.new_backends:
        yield f"not in the accepted record: {_names(found.new_backends)}"
    if found.new_cases:
        cases = plural(found.new_cases, "case")
        yield f"not in the accepted record, or judged otherwise since: {cases}"
    if found.better:
        yield f"right now, and not when accepted: {plural(found.better, 'result')}"


def _names(names: tuple[str, ...]) -> str:
    return ", ".join(one_line(name, 60) for name in names)
