"""The stage that a departure comes from: the source library, an exporter, or a runtime.

A backend may be made from another one (`made_from`), and so on back to a source. A departure is
attributed to the earliest stage that shows it, but not beyond a stage that conforms.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from functools import cached_property

from embcheck.reports.marks import Mark
from embcheck.reports.merge import BackendEntry, Merged, MergedResult


@dataclass(frozen=True)
class Stage:
    """A backend in a chain, with its label in the runs; None if they do not have it."""

    name: str
    label: str | None


@dataclass(frozen=True)
class Chain:
    """A backend and what it was made from, back to the source; `is_whole` if all is known."""

    stages: tuple[Stage, ...]
    is_whole: bool


@dataclass(frozen=True)
class Blame:
    """The first stage with a departure, and the earlier stages without a result."""

    first: str
    is_here: bool
    is_source: bool
    unknown: tuple[str, ...]

    def __str__(self) -> str:
        place = "here" if self.is_here else f"in {self.first}"
        if self.is_source:
            return f"first {place} (source)"
        if self.unknown:
            beside = ", ".join(self.unknown)
            return f"first {place}, as far as is known: run {beside} beside it to know"
        return f"first {place}"


class _Sign(Enum):
    """Whether a stage's own result shows a departure."""

    THE_SAME = auto()
    RIGHT = auto()
    NOTHING = auto()


class Stages:
    """The chains of backends, to find the first stage that shows a departure."""

    def __init__(self, merged: Merged) -> None:
        self._labels = _labels(merged.backends)
        self._merged = merged
        self._backends = merged.backends
        self._chains: dict[str, Chain] = {}

    def chain(self, backend: str) -> Chain:
        """Return the chain of a backend, itself first; a cycle is cut."""
        if backend not in self._chains:
            self._chains[backend] = self._chain(backend)
        return self._chains[backend]

    def blame(self, finding: MergedResult) -> Blame | None:
        """Return the first stage with a departure; None without a departure or a chain."""
        chain = self.chain(finding.backend)
        if not finding.mark.departs or len(chain.stages) == 1:
            return None
        first = 0
        unknown: list[str] = []
        for number, stage in enumerate(chain.stages[1:], start=1):
            sign = self._sign(finding, stage)
            # Beyond a stage that conforms, a departure is a different one.
            if sign is _Sign.RIGHT:
                return _blame(chain, first, ())
            if sign is _Sign.THE_SAME:
                first, unknown = number, []
            else:
                unknown.append(stage.name)
        if not chain.is_whole and not unknown:
            unknown = [f"what {chain.stages[-1].name} is made from"]
        return _blame(chain, first, tuple(unknown))

    @cached_property
    def _findings(self) -> Mapping[tuple[str, str], MergedResult]:
        return {(found.case.case, found.backend): found for found in self._merged.findings}

    def _chain(self, backend: str) -> Chain:
        stages = [Stage(backend, backend)]
        seen = {backend, str(self._backends[backend].latest.get("adapter", backend))}
        while stages[-1].label is not None:
            before = self._backends[stages[-1].label].latest.get("made_from")
            if before is None:
                # A backend that did not start does not tell what it is made from.
                is_known = "library" in self._backends[stages[-1].label].latest
                return Chain(tuple(stages), is_whole=is_known)
            # Records come from strangers, and a chain may go in a circle.
            if str(before) in seen:
                return Chain(tuple(stages), is_whole=False)
            seen.add(str(before))
            stages.append(Stage(str(before), self._labels.get(str(before))))
        return Chain(tuple(stages), is_whole=False)

    def _sign(self, finding: MergedResult, stage: Stage) -> _Sign:
        found = self._findings.get((finding.case.case, stage.label or ""))
        if found is None:
            return _Sign.NOTHING
        if found.mark is Mark.PASSED:
            return _Sign.RIGHT
        # Equal values are the same departure, even if they were judged differently.
        if found.mark.departs and (found.kind == finding.kind or _same_values(found, finding)):
            return _Sign.THE_SAME
        return _Sign.NOTHING


def tally(stages: Stages, findings: Iterable[MergedResult]) -> str:
    """Count departures by their first stage, the most frequent first."""
    blames = (stages.blame(finding) for finding in findings)
    counts = Counter(str(blame) for blame in blames if blame is not None)
    if len(counts) == 1:
        return next(iter(counts))
    return "; ".join(f"{count} {text}" for text, count in counts.most_common())


def _blame(chain: Chain, first: int, unknown: tuple[str, ...]) -> Blame:
    is_source = chain.is_whole and first == len(chain.stages) - 1
    return Blame(chain.stages[first].name, first == 0, is_source, unknown)


def _same_values(one: MergedResult, other: MergedResult) -> bool:
    values = [found.result.observed for found in (one, other) if found.result is not None]
    return len(values) == 2 and bool(values[0]) and values[0] == values[1]


def _labels(backends: Mapping[str, BackendEntry]) -> dict[str, str]:
    """Map adapters' ids to labels; if an adapter has several, the label that equals its id."""
    found: dict[str, list[str]] = {}
    for label, entry in backends.items():
        found.setdefault(str(entry.latest.get("adapter", label)), []).append(label)
    # With several labels, it is not known which of them a backend was made from.
    return {
        name: name if name in labels else labels[0]
        for name, labels in found.items()
        if name in labels or len(labels) == 1
    }
