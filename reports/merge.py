"""Several runs merged: the latest result of each (case, backend) and of each timing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from embcheck.conformance.contract.operation import is_for
from embcheck.conformance.execution.judging.causes import Category
from embcheck.conformance.records.comparable import check_alike
from embcheck.conformance.records.lines import CaseLine, ClauseLine, Measurement, ResultLine
from embcheck.conformance.records.run import Run
from embcheck.reports.marks import Mark, mark_of
from embcheck.reports.untrusted import one_line

ANSWER_LEVELS = frozenset({"documented", "upstream-tested", "scheme"})
GUARD_LEVELS = frozenset({"domain"})
DOUBTS_SHOWN = 5
FOLDERS = ("embedding", "embedding_bag", "one_hot", "pretrained")


@dataclass(frozen=True, slots=True)
class MergedResult:
    """The result of a case on a backend; without a result, it was not run."""

    case: CaseLine
    backend: str
    mark: Mark
    result: ResultLine | None = None

    @property
    def group(self) -> str:
        """The score that the case counts for: `answers`, `guards`, or `none`."""
        if self.case.level in ANSWER_LEVELS:
            return "answers"
        return "guards" if self.case.level in GUARD_LEVELS else "none"

    @property
    def kind(self) -> str:
        """How it failed, or `crashed` or `timed-out`; empty if it did not fail."""
        if self.result is not None and self.result.kind:
            return str(self.result.kind)
        return str(self.mark) if self.mark in {Mark.CRASHED, Mark.TIMED_OUT} else ""

    @property
    def known(self) -> bool:
        """Whether a known deviation explains what happened."""
        return self.result is not None and self.result.outcome == "deviated"

    @property
    def category(self) -> str:
        """The category of a known departure; else empty."""
        if self.result is None or not (self.known and self.mark.departs):
            return ""
        # Records come from strangers: only a known category may become a heading.
        stated = self.result.deviation.category if self.result.deviation else None
        return next((str(category) for category in Category if stated == category), "")

    @property
    def changed(self) -> bool:
        """Whether it departs in another way than a known deviation says."""
        departs = self.mark.departs and not self.known
        return departs and self.result is not None and bool(self.result.deviation)

    @property
    def message(self) -> str:
        """What the judge or the backend said."""
        return str(self.result.message) if self.result is not None else ""


@dataclass(frozen=True)
class BackendEntry:
    """A backend as the headers of the runs describe it."""

    id: str
    infos: tuple[Mapping[str, Any], ...]

    @property
    def unavailable(self) -> str | None:
        """Why no run could start it; None if one could."""
        reasons = [info.get("unavailable") for info in self.infos]
        return str(reasons[-1]) if reasons and all(reasons) else None

    def distinct(self, key: str) -> str:
        """Return the values of a key over all runs, each once, joined by commas."""
        values = [str(info[key]) for info in self.infos if info.get(key)]
        return ", ".join(dict.fromkeys(values))

    @property
    def latest(self) -> Mapping[str, Any]:
        """Its description in the last run that could start it."""
        started = [info for info in self.infos if not info.get("unavailable")]
        return started[-1] if started else {}


@dataclass(frozen=True)
class Merged:
    """All data of a report, each item once."""

    runs: tuple[Run, ...]
    backends: Mapping[str, BackendEntry]
    clauses: Mapping[str, ClauseLine]
    cases: Mapping[str, CaseLine]
    findings: tuple[MergedResult, ...]
    measurements: tuple[Measurement, ...]

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The backends that have findings, in the order of the runs' headers."""
        found = {finding.backend for finding in self.findings}
        return tuple(name for name in self.backends if name in found)

    @cached_property
    def _by_backend(self) -> Mapping[str, list[MergedResult]]:
        found: dict[str, list[MergedResult]] = {}
        for finding in self.findings:
            found.setdefault(finding.backend, []).append(finding)
        return found

    def of_backend(self, backend: str) -> list[MergedResult]:
        """Return the findings of one backend."""
        return self._by_backend.get(backend, [])

    @cached_property
    def unavailable(self) -> tuple[BackendEntry, ...]:
        """The backends that no run could start."""
        return tuple(entry for entry in self.backends.values() if entry.unavailable)

    @cached_property
    def partial(self) -> tuple[Run, ...]:
        """The runs that stopped before their end, or that contradict themselves."""
        return tuple(run for run in self.runs if run.partial)

    @cached_property
    def parts(self) -> Mapping[str, str]:
        """The selection of each backend that has no run of the whole suite."""
        found: dict[str, list[str]] = {}
        for run in self.runs:
            for info in run.header.backends if run.header.purpose == "conformance" else ():
                if not info.get("unavailable"):
                    found.setdefault(str(info.get("id", "?")), []).append(run.selection)
        # One run of the whole suite is enough to make a backend's results whole.
        return {name: "; ".join(dict.fromkeys(said)) for name, said in found.items() if all(said)}


def merge(runs: Iterable[Run] | Merged) -> Merged:
    """Merge runs: the latest result of a (case, backend) wins, except `not-run`.

    Merged runs are returned as they are. Raises NotComparable if a case is not judged alike in all
    runs that have it.
    """
    if isinstance(runs, Merged):
        return runs
    # ISO 8601 sorts as text; the latest run comes last and wins.
    ordered = tuple(sorted(runs, key=lambda run: str(run.header.started)))
    check_alike(ordered)
    cases = _cases(ordered)
    backends = _backends(ordered)
    # The latest of each, in the order of their first appearance.
    timed = {row_name(line): line for run in ordered for line in run.measurements}
    return Merged(
        ordered,
        backends,
        {clause.id: clause for run in ordered for clause in run.clauses.values()},
        cases,
        tuple(_findings(ordered, cases, backends)),
        tuple(timed.values()),
    )


@lru_cache(maxsize=2**16)
def behaviour_id(case: str) -> str:
    """Return the spec that a case belongs to, `folder/file`."""
    return "/".join(case.split("/")[:2])


def doubts_text(run: Run) -> str:
    """Say why a run is partial; if there are many reasons, only the most severe."""
    return "; ".join(one_line(doubt) for doubt in run.doubts[:DOUBTS_SHOWN])


def row_name(line: Measurement) -> tuple[str, str, int | None, str, str]:
    """Return a key for a timing that does not depend on the baseline."""
    # A backend is in a cell once, as the baseline or as a candidate.
    role = "" if line.role in ("reference", "candidate") else line.role
    return line.workload, line.state, line.threads, line.backend, role


def folder_of(behaviour: str) -> str:
    """Return the folder of a spec."""
    return behaviour.split("/", 1)[0]


def spec_order(case: str) -> tuple[int, str, str]:
    """Return a sort key for cases: by folder, in the order of the contract, then by file."""
    behaviour = behaviour_id(case)
    folder = folder_of(behaviour)
    place = FOLDERS.index(folder) if folder in FOLDERS else len(FOLDERS)
    return place, folder, behaviour


def _cases(runs: Iterable[Run]) -> dict[str, CaseLine]:
    """Collect the cases; a case that only a result names is built from that result."""
    cases: dict[str, CaseLine] = {}
    for run in runs:
        for result in run.results:
            if result.case not in run.cases and result.case not in cases:
                cases[result.case] = _unknown_case(result)
        cases.update(run.cases)
    return dict(sorted(cases.items(), key=lambda item: spec_order(item[0])))


def _unknown_case(result: ResultLine) -> CaseLine:
    return CaseLine(
        case=result.case,
        title="(the results file does not describe this case)",
        behaviour=behaviour_id(result.case),
        clauses=tuple(result.clauses),
        level=result.level,
        where="",
        call={},
        expected=None,
    )


def _backends(runs: Iterable[Run]) -> dict[str, BackendEntry]:
    infos: dict[str, list[Mapping[str, Any]]] = {}
    for run in runs:
        for info in run.header.backends:
            infos.setdefault(str(info.get("id", "?")), []).append(info)
        for result in run.results:
            infos.setdefault(result.backend, [])
    return {name: BackendEntry(name, tuple(found)) for name, found in infos.items()}


def _findings(
    runs: Iterable[Run], cases: Mapping[str, CaseLine], backends: Mapping[str, BackendEntry]
) -> Iterable[MergedResult]:
    """Return the latest result of each pair, and `not-run` for pairs of a run without one."""
    last: dict[str, dict[str, ResultLine | None]] = {case: {} for case in cases}
    for run in runs:
        # A case that was to be run, but has no result, is shown as not run.
        for name, case in _asked(run):
            last[case].setdefault(name, None)
        for result in run.results:
            found = last[result.case]
            if found.get(result.backend) is None or mark_of(result) is not Mark.NOT_RUN:
                found[result.backend] = result
    # A backend that could not be started has no results, and so no column.
    available = {name for name, entry in backends.items() if not entry.unavailable}
    for case, line in cases.items():
        for name, latest in last[case].items():
            if name in available:
                yield MergedResult(line, name, mark_of(latest) if latest else Mark.NOT_RUN, latest)


def _asked(run: Run) -> Iterable[tuple[str, str]]:
    """Yield each backend of a run with each case that it was to run."""
    for info in run.header.backends if run.header.purpose == "conformance" else ():
        name = str(info.get("id", "?"))
        yield from ((name, case) for case, line in run.cases.items() if _is_asked(line, info))


def _is_asked(case: CaseLine, info: Mapping[str, Any]) -> bool:
    """Whether a case is for a backend: some need an operation or a scheme that it declares."""
    operation, scheme = case.call.get("operation"), case.call.get("options", {}).get("scheme")
    return is_for(str(operation), scheme, info.get("operations", ()), info.get("schemes", ()))
