"""Find out why a run is partial: it stopped before its end, or contradicts itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from embcheck.conformance.records.lines import ResultLine

# For types only, since `run` imports this module.
if TYPE_CHECKING:
    from embcheck.conformance.records.run import Run

_NO_RESULT = "not-run"
_LOUD = "rejected-valid"
_NO_FAILURES = frozenset({"passed", "refused-earlier", "observed", "unsupported", _NO_RESULT})


def doubts(run: Run) -> list[str]:
    """List what makes a run partial; empty for a run that is complete and consistent."""
    sums = [_stopped(run)] if run.footer is None else _sums(run)
    return [*sums, *run.damage, *_contradictions(run)]


def _stopped(run: Run) -> str:
    known = f"{len(run.measurements) + len(run.prices):,} timings"
    if run.header.purpose == "conformance":
        known = f"{len(run.results):,} of {run.header.planned:,} results"
    return f"it stopped before its end, after {known}"


def _sums(run: Run) -> Iterator[str]:
    """Compare a run's lines with the plan in its header and the counts in its footer."""
    if run.header.purpose == "conformance" and len(run.results) != run.header.planned:
        yield f"it has {len(run.results):,} results, and {run.header.planned:,} were planned"
    counted = dict(run.footer.counts) if run.footer else {}
    had = Counter(result.outcome for result in run.results)
    had.update(line.verdict for line in run.measurements)
    had.update(line.verdict for line in run.prices)
    # The words of both sides: a word that only one of them has is a difference too.
    for word in dict.fromkeys((*counted, *had)):
        if counted.get(word, 0) != had[word]:
            yield f"its end counts {counted.get(word, 0):,} {word}, and it has {had[word]:,}"


def _contradictions(run: Run) -> Iterator[str]:
    """Count contradictions, which no run writes, and name the first of each kind."""
    backends = {str(info.get("id")): info for info in run.header.backends}
    if len(backends) < len(run.header.backends):
        yield "its header names a backend twice"
    # By backend, since each case has one result for every backend.
    seen: dict[str, set[str]] = {}
    found: dict[str, list[str]] = {}
    for result in run.results:
        for said in _said_against(run, result, backends):
            found.setdefault(said, []).append(f"{result.case} on {result.backend}")
        cases = seen.setdefault(result.backend, set())
        if result.case in cases:
            found.setdefault("stand twice", []).append(f"{result.case} on {result.backend}")
        cases.add(result.case)
    for said, names in found.items():
        yield f"{len(names):,} results {said}, the first is {names[0]}"
    clauses = {clause for case in run.cases.values() for clause in case.clauses}
    if missing := sorted(clauses - run.clauses.keys()):
        yield f"{len(missing):,} clauses have no line, the first is {missing[0]}"


def _said_against(
    run: Run, result: ResultLine, backends: Mapping[str, Mapping[str, Any]]
) -> Iterator[str]:
    case, info = run.cases.get(result.case), backends.get(result.backend)
    if info is None:
        yield "are of a backend that the header does not name"
    elif info.get("unavailable") and result.outcome != _NO_RESULT:
        yield "are of a backend that is said to be unavailable"
    if case is None:
        yield "are of a case that has no line"
    elif (case.level, case.clauses) != (result.level, result.clauses):
        yield "name another level, or other clauses, than their case"
    if result.outcome == "deviated" and result.deviation is None:
        yield "are explained by no deviation"
    # Older records have no `silent`; None contradicts nothing.
    silent = None if result.kind is None else result.kind != _LOUD
    if (result.kind and result.outcome in _NO_FAILURES) or result.silent not in (None, silent):
        yield "name a kind of failure that is not theirs"
