"""What adapters did of calls themselves, as results tell, and how much hangs on it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from embcheck.reports.marks import Mark
from embcheck.reports.merge import Finding, Merged
from embcheck.reports.untrusted import one_line

LINE_LIMIT = 200


@dataclass(frozen=True)
class Help:
    """One thing that an adapter does: in how many results, and in how many of the passes."""

    line: str
    results: int
    passes: int


def helped(merged: Merged) -> dict[str, tuple[Help, ...]]:
    """Count by backend, the most passes first; backends whose adapter did nothing are left out."""
    found: defaultdict[str, defaultdict[str, list[Finding]]]
    found = defaultdict(lambda: defaultdict(list))
    for finding in merged.findings:
        for line in _lines(finding):
            found[finding.backend][line].append(finding)
    return {
        backend: tuple(sorted((_help(*item) for item in lines.items()), key=_rank))
        for backend, lines in found.items()
    }


def _lines(finding: Finding) -> Iterable[str]:
    """Return the lines of a result, each once; what came from an adapter may be anything."""
    lines = finding.result.helped if finding.result is not None else ()
    told = lines if isinstance(lines, (list, tuple)) else ()
    return dict.fromkeys(one_line(str(line), LINE_LIMIT) for line in told)


def _help(line: str, findings: list[Finding]) -> Help:
    passes = sum(finding.mark is Mark.PASSED for finding in findings)
    return Help(line, len(findings), passes)


def _rank(help_given: Help) -> tuple[int, str]:
    return -help_given.passes, help_given.line
