"""The calls that coverage counts: scored, valid, run by default, and checked in full."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from embcheck.conformance.contract.call import Operation
from embcheck.conformance.suite.arrays import GeneratedArray, JoinedArray, Literal
from embcheck.conformance.suite.model import (
    CallSpec,
    Case,
    Level,
    Rejects,
    Returns,
    Steps,
    Structure,
    Text,
)

Made = Literal | GeneratedArray | JoinedArray
"""The arrays that every run has; real data may be missing."""
WEIGHT_DTYPES = ("float16", "bfloat16", "float32", "float64")
INDEX_DTYPES = ("int32", "int64")
ANSWERS = (Level.DOCUMENTED, Level.UPSTREAM_TESTED, Level.SCHEME)
GUARDS = (*ANSWERS, Level.DOMAIN)


@dataclass(frozen=True)
class ScoredCall:
    """A call that must be answered, and the observations that are checked element by element."""

    case: str
    spec: CallSpec
    checked: frozenset[str]


@dataclass(frozen=True)
class Refused:
    """A call that must be refused only because of a bad index, and what is bad about it."""

    case: str
    spec: CallSpec
    index: str


def asked(cases: Iterable[Case]) -> Iterator[ScoredCall]:
    """Yield the valid calls of scored cases.

    Leaves out cases that a run may lack (those marked `large`, and real data), and the controls of
    refusals, since a control that fails does not count as a failure.
    """
    for case in cases:
        if case.level not in ANSWERS or case.large:
            continue
        for spec, returns in _answered(case):
            if _is_made(spec):
                yield ScoredCall(case.id, spec, _checked(returns))


def refused(cases: Iterable[Case]) -> Iterator[Refused]:
    """Yield the calls that scored cases want refused only because of a bad index."""
    for case in cases:
        expectation = case.expectation
        if case.level in GUARDS and isinstance(expectation, Rejects) and _is_made(case.spec):
            control = expectation.control
            # Another option might be what is refused, if the control does not have it as well.
            same = case.spec.options == control.options
            index = bad_index(case.spec)
            if same and index and not bad_index(control):
                yield Refused(case.id, case.spec, index)


def bad_index(spec: CallSpec) -> str | None:
    """Say what is bad about a call's indices, if any names no row (no class for one_hot)."""
    if "indices" not in spec.inputs:
        return None
    source, rows = source_of(spec, "indices"), row_count(spec)
    if source.dtype.kind not in "iu" or 0 in source.shape:
        return None
    indices = source.array()
    if (indices < 0).any():
        return "negative"
    return "too large" if rows is not None and (indices >= rows).any() else None


def row_count(spec: CallSpec) -> int | None:
    """Return the number of rows or classes; None if it is not stated."""
    if spec.operation is Operation.ONE_HOT:
        classes = spec.option("num_classes")
        # -1 stands for as many classes as the indices need.
        return int(classes) if isinstance(classes, int) and classes >= 0 else None
    if "weight" in spec.inputs:
        shape = source_of(spec, "weight").shape
        return shape[0] if shape else None
    rows = spec.options.get("num_embeddings")
    return rows if isinstance(rows, int) else None


def source_of(spec: CallSpec, name: str) -> Made:
    """Return one of the arrays of a call that has no real data."""
    source = spec.inputs[name]
    if not isinstance(source, Made):
        raise TypeError(f"{name} may be missing from a run")
    return source


def counts_of(indices: np.ndarray) -> np.ndarray:
    """Return how often each row is named, for rows that are named at least once."""
    flat = indices.reshape(-1)
    if not flat.size:
        return np.zeros(0, np.int64)
    counts = np.bincount(flat)
    return counts[counts > 0]


def _is_made(spec: CallSpec) -> bool:
    return all(isinstance(source, Made) for source in spec.inputs.values())


def _answered(case: Case) -> Iterator[tuple[CallSpec, Returns]]:
    expectation = case.expectation
    if isinstance(expectation, Returns):
        yield case.spec, expectation
    elif isinstance(expectation, Steps):
        yield from ((step.spec, step.returns) for step in expectation.steps)


def _checked(returns: Returns) -> frozenset[str]:
    """Name the observations that are checked element by element."""
    return frozenset(
        name
        for name, expected in returns.observations.items()
        if not isinstance(expected, Structure | Text)
    )
