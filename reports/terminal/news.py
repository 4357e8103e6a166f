"""What is new in a run, for a terminal."""

from __future__ import annotations

from rich.console import Console

from embcheck.reports.news import News, groups, heading, missing, remarks, told, ways
from embcheck.reports.terminal.console import say
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
