"""Renew the outputs of commands that the documentation shows.

A block that begins with `$ embcheck ...` shows the command's output at 80 columns. If lines are
left out, it ends with `... (N more lines)`. `python tests/documented_output.py FILE` updates the
blocks of a page.
"""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

from click.testing import CliRunner

from embcheck.cli.main import main

BLOCK = re.compile(r"^```\n\$ embcheck ([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LEFT_OUT = re.compile(r"^\.\.\. \((\d+) more lines\)$", re.MULTILINE)
SHOWN = 24


def output_of(words: str) -> str:
    """Return what a command prints at 80 columns, without spaces at the ends of lines."""
    result = CliRunner(env={"COLUMNS": "80"}).invoke(main, shlex.split(words))
    assert result.exit_code in (0, 1), result.output
    return "\n".join(line.rstrip() for line in result.output.strip("\n").split("\n"))


def shown(words: str, shown_before: str = "") -> str:
    """Return the part of a command's output that a page shows: as many lines as before."""
    lines = output_of(words).split("\n")
    left_out = LEFT_OUT.search(shown_before)
    most = shown_before.count("\n") - 1 if left_out else SHOWN
    if len(lines) <= most + (0 if left_out else 2):
        return "\n".join(lines) + "\n"
    return "\n".join(lines[:most]) + f"\n... ({len(lines) - most} more lines)\n"


def renewed(text: str) -> str:
    """Return the text of a page with the current output of its commands."""

    def block(found: re.Match[str]) -> str:
        return f"```\n$ embcheck {found[1]}\n{shown(found[1], found[2])}```"

    return BLOCK.sub(block, text)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        page = Path(name)
        page.write_text(renewed(page.read_text("utf-8")), "utf-8")
