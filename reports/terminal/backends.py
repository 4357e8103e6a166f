"""Backends and what they declare, in 80 columns: those that run here first."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from embcheck.reports.cautions import other_torch_lines
from embcheck.reports.units import plural
from embcheck.reports.untrusted import one_line

SHORT, LONG = 60, 600
"""Characters of a name, and of a sentence or a list, that a backend gives."""
WIDTH = 80

# Backends that one command installs are listed together, by that command.
_INSTALL = re.compile(r".* is not installed: (pip install 'embcheck\[[\w-]+\]')")

Entry = Mapping[str, Any]
"""A backend as a run's header has it: all of its texts are untrusted."""


def list_text(entries: Sequence[Entry]) -> str:
    """Return the list: backends that run, then those that do not by reason, then broken ones."""
    running = [backend_text(entry) for entry in entries if "library" in entry]
    reasons = _by_reason(entry for entry in entries if "unavailable" in entry)
    broken = [backend_text(entry) for entry in entries if "broken" in entry]
    absent = [_wrapped(f"{reason}: {', '.join(names)}", "  ") for reason, names in reasons.items()]
    heading = [f"Not here, {plural(sum(map(len, reasons.values())), 'backend')}"] if absent else []
    # A user who asks about one backend wants a description, not a list.
    if len(entries) == 1 and absent:
        return backend_text(entries[0])
    others = [_wrapped(line, "") for line in other_torch_lines(entries)]
    return "\n".join([*running, *others, *heading, *absent, *broken])


def absent_lines(entries: Iterable[Entry]) -> list[str]:
    """Return a line for each reason why backends do not run here, with their names."""
    reasons = _by_reason(
        {"id": entry["id"], "unavailable": entry.get("unavailable") or entry["broken"]}
        for entry in entries
        if "library" not in entry
    )
    return [f"{reason}: {', '.join(names)}" for reason, names in reasons.items()]


def _by_reason(entries: Iterable[Entry]) -> dict[str, list[str]]:
    """Group names by the command that would install them, or else by why they are not here.

    The commands come first.
    """
    found: dict[str, list[str]] = {}
    for entry in entries:
        reason = one_line(entry["unavailable"] or "no reason is given", LONG)
        command = _INSTALL.fullmatch(reason)
        found.setdefault(command[1] if command else reason, []).append(one_line(entry["id"], SHORT))
    return dict(sorted(found.items(), key=lambda item: (not item[0].startswith("pip "), item[0])))


def backend_text(entry: Entry) -> str:
    """Describe a backend in a few lines; its own texts cannot add lines."""
    name = one_line(entry["id"], SHORT)
    for state in ("unavailable", "broken"):
        if state in entry:
            said = one_line(entry[state] or "no reason is given", LONG)
            return f"{name}\n{_wrapped(f'{state}: {said}')}"
    native = [name for name, how in entry["operations"].items() if how["provision"] == "native"]
    composed = [name for name in entry["operations"] if name not in native]
    library, version, device = (
        one_line(entry[key], SHORT) for key in ("library", "version", "device")
    )
    told = {
        "native": ", ".join(native),
        "composed": ", ".join(composed),
        "capabilities": ", ".join(map(str, entry["capabilities"])),
        "continues": entry["made_from"],
    }
    lines = [f"{library} {version} on {device}"]
    lines += [f"{what}: {one_line(text, LONG)}" for what, text in told.items() if text]
    return "\n".join([name, *map(_wrapped, lines)])


def unavailable_text(name: str, reason: object) -> str:
    """Say in one line that a backend is unavailable, and why."""
    return f"unavailable: {one_line(name, 40)}: {one_line(reason or 'no reason is given')}"


def none_text(reasons: Mapping[str, object]) -> str:
    """Say why each backend that a command needs is unavailable, one per line."""
    return "\n".join(unavailable_text(*reason) for reason in reasons.items())


def _wrapped(line: str, indent: str = "    ") -> str:
    """Wrap a line between words; only a word that is longer than a line is broken."""
    return textwrap.fill(
        line,
        WIDTH,
        initial_indent=indent,
        subsequent_indent=f"{indent}  ",
        break_on_hyphens=False,
    )
