"""What adapters did for their library, and how many results depend on it."""

from __future__ import annotations

from collections import Counter
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
    """Return the kinds of help by backend, the most passes first; leave out backends without."""
    results, passes = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for finding in merged.findings:
        for line in _lines(finding):
            results[finding.backend, line] += 1
            passes[finding.backend, line] += finding.mark is Mark.PASSED
    found: dict[str, list[Help]] = {}
    for (backend, line), count in results.items():
        found.setdefault(backend, []).append(Help(line, count, passes[backend, line]))
    return {
        backend: tuple(sorted(given, key=lambda one: (-one.passes, one.line)))
        for backend, given in found.items()
    }


def _lines(finding: MergedResult) -> Iterable[str]:
    """Return the lines of a result, each once; an adapter's value may be of any type."""
    lines = finding.result.helped if finding.result is not None else ()
    told = lines if isinstance(lines, (list, tuple)) else ()
    return dict.fromkeys(one_line(str(line), LINE_LIMIT) for line in told)
