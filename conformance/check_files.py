"""Validate files without running anything: specs, clauses, documentation, workloads, curves."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from embcheck.conformance.documentation.mapping import check_documentation
from embcheck.conformance.execution.judging.deviations import read_deviations
from embcheck.conformance.suite.features import shipped_features
from embcheck.conformance.suite.load import (
    FEATURES,
    load_clauses,
    load_spec,
    spec_files,
    suite_root,
)
from embcheck.conformance.suite.problems import Problem, SpecError
from embcheck.conformance.timing.runs.curves import curve_files, load_curves
from embcheck.conformance.timing.workloads.load import load_workloads, workload_files


@dataclass
class Checked:
    """The result of a check: the problems, and the number of valid files."""

    specs: int = 0
    cases: int = 0
    others: int = 0
    problems: list[Problem] = field(default_factory=list)

    @property
    def summary(self) -> str:
        """Return the numbers of valid files, as text."""
        specs = [f"{self.specs} specs with {self.cases} cases"] if self.specs else []
        others = (
            [f"{self.others} files of documentation, clauses, deviations or workloads"]
            if self.others
            else []
        )
        return f"valid: {', '.join([*specs, *others])}"


def check_files(
    paths: Iterable[Path], told: Callable[[int, int, Path], None] = lambda *_: None
) -> Checked:
    """Check files and folders; all that is shipped if none is named.

    `told` is called as each file begins, with its number from 0 and how many there are.

    A file in a folder `clauses`, `deviations`, `documentation`, `workloads` or `curves` is checked
    as what it is, any other as a spec.
    """
    checked = Checked()
    named = list(paths)
    try:
        files = spec_files(named)
    except SpecError as error:
        return Checked(problems=error.problems)
    if not named:
        root = suite_root()
        files += [
            file
            for name in ("clauses", "documentation")
            for file in sorted((root / name).glob("*.yaml"))
        ]
        files += [*workload_files(), *curve_files(), suite_root() / FEATURES]
    for number, file in enumerate(files):
        told(number, len(files), file)
        try:
            _check(file, checked)
        except SpecError as error:
            checked.problems += error.problems
    return checked


def _check(file: Path, checked: Checked) -> None:
    if file == suite_root() / FEATURES:
        shipped_features()
        checked.others += 1
        return
    other: Callable[[list[Path]], object] | None = {
        "clauses": load_clauses,
        "deviations": lambda files: [read_deviations(file) for file in files],
        "documentation": check_documentation,
        "workloads": load_workloads,
        "curves": load_curves,
    }.get(file.parent.name)
    if other is not None:
        other([file])
        checked.others += 1
        return
    checked.cases += len(load_spec(file).cases)
    checked.specs += 1
