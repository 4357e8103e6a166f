"""What adapters did for their library, and how many results depend on it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from embcheck.reports.marks import Mark
from embcheck.reports.merge import Merged, MergedResult
from embcheck.reports.untrusted import one_line

LINE_LIMIT = 200


@dataclass(frozen=True)
class Help:
    """One kind of help: the number of results with it, and of passes among them."""

    line: str
    results: int
    passes: int


def helped(merged: Merged) -> dict[str, tuple[Help, ...]]:
    """Count by backend, the most passes first; leaves out backends without help."""
    found: defaultdict[str, defaultdict[str, list[MergedResult]]]
    found = defaultdict(lambda: defaultdict(list))
    for finding in merged.findings:
        for line in _lines(finding):
            found[finding.backend][line].append(finding)
    return {
        backend: tuple(sorted((_help(*item) for item in lines.items()), key=_rank))
        for backend, lines in found.items()
    }


def _lines(finding: MergedResult) -> Iterable[str]:
    """Return the lines of a result, each once; an adapter's value may be of any type."""
    lines = finding.result.helped if finding.result is not None else ()
    told = lines if isinstance(lines, (list, tuple)) else ()
    return dict.fromkeys(one_line(str(line), LINE_LIMIT) for line in told)


def _help(line: str, findings: list[MergedResult]) -> Help:
    passes = sum(finding.mark is Mark.PASSED for finding in findings)
    return Help(line, len(findings), passes)


def _rank(help_given: Help) -> tuple[int, str]:
    return -help_given.passes, help_given.line
