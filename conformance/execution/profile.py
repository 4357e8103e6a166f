"""What can be told of a backend without running the suite: its info, its adapter's own words."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embcheck.conformance.execution.deviations import Deviation, load_deviations_beside
from embcheck.conformance.execution.pool import BackendPool
from embcheck.conformance.suite.load import load_spec, spec_files


@dataclass(frozen=True)
class Explained:
    """A known deviation, and how many cases of the shipped suite it names."""

    deviation: Deviation
    cases: int


@dataclass(frozen=True)
class Profile:
    """A backend: its info as a run's header has it, its module's docstring, its deviations."""

    info: Mapping[str, Any]
    words: str
    deviations: tuple[Explained, ...]


def profile(pool: BackendPool, name: str) -> Profile:
    """Describe a backend that runs; raises SpecError where its deviations are no good."""
    origin = pool.origin(name)[0]
    cases = [case.id for path in spec_files() for case in load_spec(path).cases]
    entries = load_deviations_beside(Path(origin["file"]), pool.info(name).id)
    return Profile(
        pool.describe(name),
        inspect.cleandoc(origin["doc"] or ""),
        tuple(Explained(entry, sum(map(entry.concerns, cases))) for entry in entries),
    )
