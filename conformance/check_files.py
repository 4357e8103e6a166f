"""Validate files without running anything: specs, clauses, documentation, workloads, curves."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from embcheck.conformance.documentation.mapping import check_documentation
from embcheck.conformance.execution.judging.deviations import read_deviations, unknown_cases
from embcheck.conformance.suite.features import shipped_features
from embcheck.conformance.suite.load import (
    FEATURES,
    load_clauses,
    load_spec,
    spec_files,
    suite_root,
)
from embcheck.conformance.suite.problems import Problem, SpecError
from embcheck.conformance.suite.source import read_yaml
from embcheck.conformance.timing.runs.curves import curve_files, load_curves
from embcheck.conformance.timing.workloads.load import load_workloads, workload_files

DEVIATIONS = "deviations"
"""The key in a file of deviations, and the folder that it lies in."""


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
        files = "file" if self.others == 1 else "files"
        others = (
            [f"{self.others} {files} of documentation, clauses, deviations or workloads"]
            if self.others
            else []
        )
        return f"valid: {', '.join([*specs, *others]) or 'no file at all'}"


def check_files(
    paths: Iterable[Path], told: Callable[[int, int, Path], None] = lambda *_: None
) -> Checked:
    """Check files and folders; all that is shipped if none is named.

    `told` is called as each file begins, with its number from 0 and how many there are.

    A file in a folder `clauses`, `deviations`, `documentation`, `workloads` or `curves` is checked
    as what it is, any other as a spec; one with the key `deviations` as those, wherever it is.
    """
    checked = Checked()
    named = list(paths)
    # `spec_files` looks for specs in a folder, and passes deviations over.
    folders = [path for path in named if path.absolute().name == DEVIATIONS and path.is_dir()]
    given = [path for path in named if path not in folders]
    try:
        files = spec_files(given) if given or not named else []
    except SpecError as error:
        return Checked(problems=error.problems)
    if not named:
        root = suite_root()
        files += [
            file
            for name in ("clauses", "documentation")
            for file in sorted((root / name).glob("*.yaml"))
        ]
        files += [*workload_files(), *curve_files(), root / FEATURES]
    files += [file for folder in folders for file in sorted(folder.glob("*.yaml"))]
    for number, file in enumerate(files):
        told(number, len(files), file)
        try:
            _check(file, checked)
        except SpecError as error:
            checked.problems += error.problems
    return checked


def _holds_deviations(file: Path) -> bool:
    """Whether a file has the key of deviations, as those that `triage` writes have."""
    try:
        return DEVIATIONS in read_yaml(file)
    except SpecError:
        return False


def _check_deviations(file: Path) -> None:
    """Check a file of deviations, and that its patterns name cases that are shipped."""
    if any(entry.cases for entry in read_deviations(file)):
        cases = {case.id for spec in spec_files() for case in load_spec(spec).cases}
        problems = unknown_cases(file, cases)
        if problems:
            raise SpecError(problems)


def _check(file: Path, checked: Checked) -> None:
    if file == suite_root() / FEATURES:
        shipped_features()
        checked.others += 1
        return
    other: Callable[[list[Path]], object] | None = {
        "clauses": load_clauses,
        DEVIATIONS: lambda files: [*map(_check_deviations, files)],
        "documentation": check_documentation,
        "workloads": load_workloads,
        "curves": load_curves,
    }.get(DEVIATIONS if _holds_deviations(file) else file.absolute().parent.name)
    # A file in any other folder is a spec.
    if other is not None:
        other([file])
        checked.others += 1
        return
    checked.cases += len(load_spec(file).cases)
    checked.specs += 1
