"""Classify the options and inputs of a call, each as one of a few kinds of values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from embcheck.conformance.contract.call import (
    GRADIENT_OBSERVATIONS,
    TRAINING_OBSERVATIONS,
    Observation,
    Operation,
)
from embcheck.conformance.contract.operation import WITH_TABLE
from embcheck.conformance.contract.options import OPTIONS as DOCUMENTED
from embcheck.conformance.contract.options import kinds_in, kinds_of
from embcheck.conformance.coverage.looks import form_of
from embcheck.conformance.coverage.scored import (
    INDEX_DTYPES,
    WEIGHT_DTYPES,
    counts_of,
    source_of,
)
from embcheck.conformance.coverage.sizes import bag_lengths
from embcheck.conformance.suite.model import CallSpec

_INDEX = ("valid", "negative", "too large")
_INDICES: Mapping[str, tuple[str, ...]] = {
    "rank": ("0", "1", "2", "3"),
    "positions": ("none", "some"),
    "index": _INDEX,
}
_TABLE: Mapping[str, tuple[str, ...]] = {
    "weight": WEIGHT_DTYPES,
    "indices": INDEX_DTYPES,
    "observed": ("output", "gradient", "both"),
    "upstream": ("ones", "zeros", "other"),
    "repeats": ("none", "some"),
}
_BAGS: Mapping[str, tuple[str, ...]] = {
    "form": ("matrix", "matrix with last offset", "offsets", "last offset"),
    "empty bags": ("none", "some", "all"),
    "per_sample_weights": ("none", "set", "trained"),
    "index": _INDEX,
}
_IN_FORM = "include_last_offset"
"""The option that distinguishes some of the forms."""


def _kinds(operation: Operation) -> Mapping[str, tuple[str, ...]]:
    # `include_last_offset` is left out: it is counted already, as a part of `form`.
    options = {name: kinds for name, kinds in kinds_of(operation).items() if name != _IN_FORM}
    if operation is Operation.ONE_HOT:
        return {**options, **_INDICES}
    return {**options, **_TABLE, **(_BAGS if operation.is_bag else _INDICES)}


OPTIONS: Mapping[Operation, Mapping[str, tuple[str, ...]]] = {
    operation: _kinds(operation) for operation in (*WITH_TABLE, Operation.ONE_HOT)
}
"""The options of each operation that can be combined, each with its kinds of values.

`trained` means that the gradient of the per-sample weights is observed. Rank 3 stands for 3 and
more.
"""
_GRADIENTS = GRADIENT_OBSERVATIONS | TRAINING_OBSERVATIONS
_OUTPUTS = frozenset({Observation.OUTPUT, Observation.WEIGHT_AFTER})


def values_of(spec: CallSpec, index: str = "valid") -> dict[str, str]:
    """Return the kind of value that a call has for each option, without those that have no effect.

    `index` is "valid", or says what is bad about the indices.
    """
    options = OPTIONS.get(spec.operation)
    if options is None:
        return {}
    gradient = not _GRADIENTS.isdisjoint(spec.observe)
    found = dict(kinds_in(spec.operation, spec.options, with_gradients=gradient))
    # `freeze` counts even without gradients: a frozen weight has none that could be observed.
    found["freeze"] = DOCUMENTED["freeze"].kind_in(spec.options)
    shape = source_of(spec, "indices").shape
    found |= {
        "rank": str(min(len(shape), 3)),
        "positions": "none" if 0 in shape else "some",
        "index": index,
    }
    if spec.operation is not Operation.ONE_HOT:
        found |= dict(_of_table(spec, index, gradient=gradient))
    if spec.operation.is_bag:
        found |= dict(_of_bags(spec))
    return {option: found[option] for option in options if option in found}


def _of_table(spec: CallSpec, index: str, *, gradient: bool) -> Iterator[tuple[str, str]]:
    yield "weight", _weight_dtype(spec)
    yield "indices", source_of(spec, "indices").dtype.name
    output = not _OUTPUTS.isdisjoint(spec.observe)
    # Other observations, such as `shares_memory`, are of neither kind.
    if output or gradient:
        yield "observed", ("both" if output else "gradient") if gradient else "output"
    if gradient:
        yield from _upstream(spec)
    # Repeats cannot be counted with a bad index, and there are none without indices.
    if index == "valid" and 0 not in source_of(spec, "indices").shape:
        counts = counts_of(source_of(spec, "indices").array())
        yield "repeats", "some" if counts.max() > 1 else "none"


def _upstream(spec: CallSpec) -> Iterator[tuple[str, str]]:
    """Yield the kind of upstream gradient, unless the output is known to be empty."""
    if not spec.operation.is_bag and 0 in source_of(spec, "indices").shape:
        return
    if "grad_output" not in spec.inputs:
        yield "upstream", "ones"
        return
    # complex128 can represent the numbers of all other dtypes, so that 0 and 1 can be compared.
    values = source_of(spec, "grad_output").array().astype(np.complex128)
    if values.size:
        known = [name for name, value in (("ones", 1), ("zeros", 0)) if (values == value).all()]
        yield "upstream", known[0] if known else "other"


def _of_bags(spec: CallSpec) -> Iterator[tuple[str, str]]:
    yield "form", form_of(spec)
    if "per_sample_weights" in spec.inputs:
        trained = Observation.GRAD_PER_SAMPLE_WEIGHTS in spec.observe
        yield "per_sample_weights", "trained" if trained else "set"
    else:
        yield "per_sample_weights", "none"
    lengths = bag_lengths(spec)
    if lengths.size:
        empty = lengths <= 0
        yield "empty bags", "all" if empty.all() else "some" if empty.any() else "none"


def _weight_dtype(spec: CallSpec) -> str:
    if "weight" in spec.inputs:
        return source_of(spec, "weight").dtype.name
    return str(spec.option("dtype") or "float32")
