"""Text on a terminal, in which a backend's messages cannot colour, move or hide anything."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from embcheck.reports.untrusted import clean


def say(console: Console, text: str, style: str = "") -> None:
    """Print a line of text."""
    console.print(safe_text(text, console, style), soft_wrap=True)


def safe_text(text: str, console: Console, style: str = "") -> Text:
    """Return text without markup, control characters, and characters that the console lacks."""
    text = clean(text)
    # What a file or a pipe can show is not known, so it gets plain ASCII.
    if not console.is_terminal or not console.encoding.startswith("utf"):
        text = text.encode("ascii", "backslashreplace").decode()
    return Text(text, style)
