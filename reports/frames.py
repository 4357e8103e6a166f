"""Finished runs as pandas frames, to filter, join and plot."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from embcheck.conformance.records.run import Run
from embcheck.reports.merge import Merged, MergedResult, behaviour_id, folder_of, merge
from embcheck.reports.untrusted import clean, finite

if TYPE_CHECKING:
    import pandas as pd

OUTCOMES = {
    "case": "string",
    "behaviour": "string",
    "folder": "string",
    "level": "string",
    "group": "string",
    "clauses": "string",
    "backend": "string",
    "library": "string",
    "version": "string",
    "mark": "string",
    "departs": "bool",
    "known": "bool",
    "kind": "string",
    "category": "string",
    "reason": "string",
    "message": "string",
    "seconds": "float64",
}
"""The columns of `outcomes`, with their dtypes."""

TIMINGS = {
    "workload": "string",
    "backend": "string",
    "library": "string",
    "version": "string",
    "role": "string",
    "state": "string",
    "threads": "Int64",
    "ns_per_lookup": "float64",
    "ratio": "float64",
    "ratio_low": "float64",
    "ratio_high": "float64",
    "verdict": "string",
    "first_call_seconds": "float64",
    "break_even_calls": "float64",
    "message": "string",
}
"""The columns of `timings`, with their dtypes."""


class Loaded:
    """Runs that were read; of several results of one case on one backend, the latest counts."""

    def __init__(self, runs: Iterable[Run] | Merged) -> None:
        self._merged = runs if isinstance(runs, Merged) else merge(runs)

    def outcomes(self) -> pd.DataFrame:
        """Return one row for each case and backend, with the columns and dtypes of `OUTCOMES`.

        `mark` is what happened: `passed`, `silent` (a wrong answer, or an answer where an error is
        due), `loud` (a valid call refused), `crashed`, `timed-out`, `observed`, `unsupported` or
        another value of `Mark`. `departs` says whether that departs from the contract, `known`
        whether a deviation explains it, with its `category` and `reason`. `clauses` are separated
        by spaces. `seconds` is NaN if a case did not run. Invisible characters in texts are
        spelled out.
        """
        return _frame(map(self._outcome, self._merged.findings), OUTCOMES)

    def timings(self) -> pd.DataFrame:
        """Return one row for each timing, with the columns and dtypes of `TIMINGS`.

        `ns_per_lookup` is in nanoseconds. `ratio` is the backend's time over the baseline's, whose
        `role` is `reference`; `ratio_low` and `ratio_high` bound its 95 % interval. Figures are
        missing if a backend was not timed.
        """
        told = ({**vars(line), **self._library(line.backend)} for line in self._merged.measurements)
        return _frame(told, TIMINGS)

    def write(self, folder: Path) -> list[Path]:
        """Write `outcomes` and `timings` as CSV files, and as Parquet where pyarrow is installed.

        Returns the files; raises OSError if they cannot be written.
        """
        folder.mkdir(parents=True, exist_ok=True)
        written = []
        for name, frame in (("outcomes", self.outcomes()), ("timings", self.timings())):
            written.append(folder / f"{name}.csv")
            frame.to_csv(written[-1], index=False)
            # An optional dependency, and a large one: CSV is always written.
            if find_spec("pyarrow"):
                written.append(folder / f"{name}.parquet")
                frame.to_parquet(written[-1], index=False)
        return written

    def _outcome(self, finding: MergedResult) -> dict[str, object]:
        result, case = finding.result, finding.case
        known = result.deviation if result else None
        return {
            "case": case.case,
            "behaviour": behaviour_id(case.case),
            "folder": folder_of(behaviour_id(case.case)),
            "level": case.level,
            "group": finding.group,
            "clauses": " ".join(case.clauses),
            "backend": finding.backend,
            **self._library(finding.backend),
            "mark": str(finding.mark),
            "departs": finding.mark.departs,
            "known": finding.known,
            "kind": finding.kind,
            "category": finding.category,
            "reason": known.reason if known else "",
            "message": finding.message,
            "seconds": finite(result.seconds) if result else None,
        }

    def _library(self, backend: str) -> dict[str, str]:
        entry = self._merged.backends.get(backend)
        told = entry.latest if entry else {}
        return {name: str(told.get(name) or "") for name in ("library", "version")}


def _frame(rows: Iterable[Mapping[str, object]], columns: Mapping[str, str]) -> pd.DataFrame:
    import pandas as pd  # noqa: PLC0415  (slow to import, and not every command needs it)

    # Column by column: the rows of a large record, as dictionaries, would take twice its size.
    values: dict[str, list[object]] = {name: [] for name in columns}
    for row in rows:
        for name, found in values.items():
            value = row[name]
            found.append(clean(value) if isinstance(value, str) else value)
    # Removed one by one, so that all lists and all series are not in memory together.
    typed = {name: pd.Series(values.pop(name), dtype=dtype) for name, dtype in columns.items()}
    return pd.DataFrame(typed)
