"""The timings of runs, with ratios to another baseline than the run's own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from embcheck.conformance.near import did_you_mean
from embcheck.conformance.records.lines import Measurement, RoundsLine
from embcheck.conformance.records.run import RecordError, Run
from embcheck.conformance.timing.clock.arms import A_A, REFERENCE, SENTINEL
from embcheck.conformance.timing.verdicts.baseline import against, baselines
from embcheck.reports.merge import row_name
from embcheck.reports.timings import reasons
from embcheck.reports.untrusted import finite

Cell = tuple[str, str, int | None]


class UnknownBaseline(RecordError):
    """No run has timed the backend, or the workload; the message names those that were."""


@dataclass(frozen=True)
class BaselinePair:
    """The ratio of two backends in a cell, with its verdict."""

    cell: Cell
    backend: str
    baseline: str
    line: Measurement


def known_baselines(runs: Iterable[Run]) -> list[str]:
    """List the backends that were timed in any of the runs."""
    return list(dict.fromkeys(name for run in runs for name in baselines(run)))


def rebased(
    runs: Sequence[Run], baseline: str | None = None, workloads: Sequence[str] = ()
) -> list[Run]:
    """Return the timing runs with ratios to a baseline, only of `workloads` if any are named.

    Without a baseline, each run has its own. Runs that did not time the baseline are left out.
    Raises UnknownBaseline, and RecordError if there are no rounds or they cannot be measured.
    """
    timed = [run for run in runs if run.rounds]
    if not timed:
        raise RecordError("there are no rounds in it; write some with `embcheck bench`")
    known = known_baselines(timed)
    if baseline is not None and baseline not in known:
        hint = did_you_mean(baseline, known, f"timed were: {', '.join(known)}")
        raise UnknownBaseline(f"'{baseline}' was not timed; {hint}")
    ids = list(dict.fromkeys(line.workload for run in timed for line in run.rounds))
    unknown = [name for name in workloads if name not in ids]
    if unknown:
        hint = did_you_mean(unknown[0], ids, f"timed were: {', '.join(ids)}")
        raise UnknownBaseline(f"'{unknown[0]}' was not timed; {hint}")
    found = []
    for run in timed:
        if baseline is None or baseline in baselines(run):
            lines = against(run, baseline)
            kept = [one for one in lines if not workloads or one.workload in workloads]
            found.append(with_measurements(run, kept))
    return found


def with_measurements(run: Run, lines: Sequence[Measurement]) -> Run:
    """Return a run with other measurements; all else is shared."""
    # Prices are left out: they compare a backend with itself, whatever the baseline is.
    return replace(run, measurements=list(lines), prices=[])


def turned(runs: Sequence[Run]) -> dict[str, list[Measurement]]:
    """Return the timings of all runs against each backend that any of them timed.

    `runs` are in the order of their start, and the latest timing counts. A run whose rounds cannot
    be measured is left out.
    """
    found: dict[str, dict[tuple[Any, ...], Measurement]] = {}
    for run in runs:
        try:
            known = {name: against(run, name) for name in baselines(run)}
        except RecordError:
            known = {}
        for name, lines in known.items():
            found.setdefault(name, {}).update({row_name(line): line for line in lines})
    return {name: list(lines.values()) for name, lines in found.items()}


def pairs(runs: Sequence[Run], workloads: Sequence[str] = ()) -> list[BaselinePair]:
    """Return each pair of backends in each cell once; the one named first is the baseline."""
    found: dict[tuple[Cell, str, str], BaselinePair] = {}
    for run in (run for run in runs if run.rounds):
        known = baselines(run)
        for place, baseline in enumerate(known):
            for line in against(run, baseline):
                # The a/a and sentinel rows are checks, not backends to compare.
                later = line.backend in known[place + 1 :] and line.role not in (A_A, SENTINEL)
                if later and (not workloads or line.workload in workloads):
                    one = BaselinePair(_cell(line), line.backend, baseline, line)
                    found[one.cell, baseline, line.backend] = one
    cells = list(dict.fromkeys(_cell(line) for run in runs for line in run.rounds))
    return sorted(found.values(), key=lambda pair: cells.index(pair.cell))


def _cell(line: Measurement | RoundsLine) -> Cell:
    return line.workload, line.state, line.threads


def _cell_to_plain(cell: Cell) -> dict[str, Any]:
    return dict(zip(("workload", "state", "threads"), cell, strict=True))


def to_plain(runs: Iterable[Run]) -> list[dict[str, Any]]:
    """Return measurements as data for JSON: an entry per cell, with its baseline and rows."""
    cells: dict[tuple[int, Cell], dict[str, Any]] = {}
    for number, run in enumerate(runs):
        for line in run.measurements:
            plain = {**_cell_to_plain(_cell(line)), "baseline": None, "rows": []}
            # By run as well: two runs may time a cell against different baselines.
            cell = cells.setdefault((number, _cell(line)), plain)
            if line.role == REFERENCE:
                cell["baseline"] = line.backend
            cell["rows"].append(_row(line))
    return list(cells.values())


def pair_to_plain(pair: BaselinePair) -> dict[str, Any]:
    """Return a pair as data for JSON."""
    return {**_cell_to_plain(pair.cell), "baseline": pair.baseline, **_row(pair.line)}


def _row(line: Measurement) -> dict[str, Any]:
    return {
        "backend": line.backend,
        "role": "baseline" if line.role == REFERENCE else line.role,
        "ns_per_lookup": finite(line.ns_per_lookup),
        "ratio": finite(line.ratio),
        "ratio_low": finite(line.ratio_low),
        "ratio_high": finite(line.ratio_high),
        "verdict": line.verdict,
        "reasons": reasons(line),
    }
