"""What can be told of a backend without running the suite: its info, its adapter's own words."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embcheck.conformance.contract.backend import BackendInfo
from embcheck.conformance.execution.judging.deviations import Deviation, load_deviations_beside
from embcheck.conformance.execution.pool import BackendPool
from embcheck.conformance.suite.load import load_spec, spec_files


@dataclass(frozen=True)
class ExplainedCases:
    """A known deviation, and the cases that it names, of those that the backend is asked."""

    deviation: Deviation
    cases: frozenset[str]


@dataclass(frozen=True)
class BackendProfile:
    """A backend: its info as a run's header has it, its module's docstring, its deviations."""

    info: Mapping[str, Any]
    words: str
    deviations: tuple[ExplainedCases, ...]


def profile(pool: BackendPool, name: str) -> BackendProfile:
    """Describe a backend that runs; raises SpecError where its deviations are wrong."""
    origin = pool.origin(name)[0]
    info = pool.info(name)
    # Beside the file that the worker names: the interpreter may be another, with other files.
    entries = load_deviations_beside(Path(origin["file"]), info.id)
    words = inspect.cleandoc(origin["doc"] or "")
    return BackendProfile(pool.describe(name), words, explained(info, entries))


def explained(info: BackendInfo, entries: Iterable[Deviation]) -> tuple[ExplainedCases, ...]:
    """Return the cases that each entry names, of those whose needs the backend declares."""
    cases = [
        case.id
        for path in spec_files()
        for case in load_spec(path).cases
        if all(info.lacks(spec.outline()) is None for spec in case.asked)
    ]
    return tuple(
        ExplainedCases(entry, frozenset(filter(entry.concerns, cases))) for entry in entries
    )
