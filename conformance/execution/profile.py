"""A backend's profile: what is known of it without running the suite."""

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
    """A known deviation, and those of its cases whose needs the backend declares."""

    deviation: Deviation
    cases: frozenset[str]


@dataclass(frozen=True)
class BackendProfile:
    """A backend: its info as a run's header has it, its module's docstring, its deviations."""

    info: Mapping[str, Any]
    words: str
    deviations: tuple[ExplainedCases, ...]


def profile(pool: BackendPool, name: str) -> BackendProfile:
    """Describe a backend that runs; raises SpecError if its file of deviations is invalid."""
    origin = pool.origin(name)[0]
    info = pool.info(name)
    # Beside the worker's own file: its interpreter may be another one, with other files.
    entries = load_deviations_beside(Path(origin["file"]), info.id)
    words = inspect.cleandoc(origin["doc"] or "")
    return BackendProfile(pool.describe(name), words, explained(info, entries))


def explained(info: BackendInfo, entries: Iterable[Deviation]) -> tuple[ExplainedCases, ...]:
    """Return each entry with those of its cases whose needs the backend declares."""
    cases = [
        case.id
        for path in spec_files()
        for case in load_spec(path).cases
        if all(info.lacks(spec.outline()) is None for spec in case.asked)
    ]
    return tuple(
        ExplainedCases(entry, frozenset(filter(entry.concerns, cases))) for entry in entries
    )
