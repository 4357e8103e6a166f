"""Select the calls that coverage counts: those of scored cases that every run has."""

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
"""The kinds of arrays that every run has; real data may be missing."""
WEIGHT_DTYPES = ("float16", "bfloat16", "float32", "float64")
INDEX_DTYPES = ("int32", "int64")
ANSWERS = (Level.DOCUMENTED, Level.UPSTREAM_TESTED, Level.SCHEME)
GUARDS = (*ANSWERS, Level.DOMAIN)


@dataclass(frozen=True)
class ScoredCall:
    """A call that must be answered; `checked` are the observations compared element by element."""

    case: str
    spec: CallSpec
    checked: frozenset[str]


@dataclass(frozen=True)
class Refused:
    """A call that must be refused only because of a bad index; `index` says what is bad."""

    case: str
    spec: CallSpec
    index: str


def asked(cases: Iterable[Case]) -> Iterator[ScoredCall]:
    """Yield the valid calls of scored cases.

    Cases that a run may lack are left out: those marked `large`, and those with real data. So are
    the controls of refusals, since a control that fails does not count as a failure.
    """
    for case in cases:
        if case.level not in ANSWERS or case.large:
            continue
        for spec, returns in _answered(case):
            if _is_made(spec):
                yield ScoredCall(case.id, spec, _checked(returns))


def refused(cases: Iterable[Case]) -> Iterator[Refused]:
    """Yield the calls of scored cases that must be refused only because of a bad index."""
    for case in cases:
        expectation = case.expectation
        if case.level in GUARDS and isinstance(expectation, Rejects) and _is_made(case.spec):
            control = expectation.control
            # If the control has other options, the refusal might be about one of them.
            same = case.spec.options == control.options
            index = bad_index(case.spec)
            if same and index and not bad_index(control):
                yield Refused(case.id, case.spec, index)


def bad_index(spec: CallSpec) -> str | None:
    """Say what is bad about a call's indices: "negative" or "too large"; None if nothing is."""
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
    """Return the number of rows, or of classes for one_hot; None if it is not stated."""
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
    """Return the source of an input. Raise TypeError if it is real data."""
    source = spec.inputs[name]
    if not isinstance(source, Made):
        raise TypeError(f"{name} may be missing from a run")
    return source


def counts_of(indices: np.ndarray) -> np.ndarray:
    """Return how often each row is named, for the rows that are named at all."""
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
    """Name the observations that are compared element by element."""
    return frozenset(
        name
        for name, expected in returns.observations.items()
        if not isinstance(expected, Structure | Text)
    )
