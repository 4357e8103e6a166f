"""The options of a call, each as one of a few classes of values."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from embcheck.conformance.contract.call import (
    GRADIENT_OBSERVATIONS,
    TRAINING_OBSERVATIONS,
    Observation,
    Operation,
)
from embcheck.conformance.coverage.looks import form_of
from embcheck.conformance.coverage.scored import counts_of, source_of
from embcheck.conformance.coverage.sizes import bag_lengths
from embcheck.conformance.suite.model import CallSpec

_FLAG = ("false", "true")
_INDEX = ("valid", "negative", "too large")
_DTYPES = ("float16", "bfloat16", "float32", "float64")
_TABLE: Mapping[str, tuple[str, ...]] = {
    "padding_idx": ("none", "non-negative", "negative"),
    "max_norm": ("none", "set"),
    "norm_type": ("1", "2", "inf", "other"),
    "scale_grad_by_freq": _FLAG,
    "sparse": _FLAG,
    "weight": _DTYPES,
    "indices": ("int32", "int64"),
    "observed": ("output", "gradient", "both"),
    "upstream": ("ones", "zeros", "other"),
    "repeats": ("none", "some"),
}
_LOOKUP = {**_TABLE, "rank": ("0", "1", "2", "3"), "positions": ("none", "some"), "index": _INDEX}
_BAG: Mapping[str, tuple[str, ...]] = {
    **_TABLE,
    "mode": ("sum", "mean", "max"),
    "form": ("matrix", "matrix with last offset", "offsets", "last offset"),
    "empty bags": ("none", "some", "all"),
    "per_sample_weights": ("none", "set", "trained"),
    "index": _INDEX,
}
OPTIONS: Mapping[Operation, Mapping[str, tuple[str, ...]]] = {
    Operation.EMBEDDING: _LOOKUP,
    Operation.EMBEDDING_MODULE: _LOOKUP,
    Operation.EMBEDDING_FROM_PRETRAINED: {"freeze": _FLAG, **_LOOKUP},
    Operation.EMBEDDING_BAG: _BAG,
    Operation.EMBEDDING_BAG_MODULE: _BAG,
    Operation.EMBEDDING_BAG_FROM_PRETRAINED: {"freeze": _FLAG, **_BAG},
    Operation.ONE_HOT: {
        "num_classes": ("none", "-1", "set"),
        "rank": ("0", "1", "2", "3"),
        "positions": ("none", "some"),
        "index": _INDEX,
    },
}
"""What can be combined in each operation, each with its classes of values.

`trained` weights are observed by their gradient; rank 3 stands for all higher ones.
"""
_GRADIENTS = GRADIENT_OBSERVATIONS | TRAINING_OBSERVATIONS
_OUTPUTS = frozenset({Observation.OUTPUT, Observation.WEIGHT_AFTER})


def values_of(spec: CallSpec, index: str = "valid") -> dict[str, str]:
    """Return a call's value for each option; leaves out options without effect in it.

    `index` says what is bad about the indices, if anything.
    """
    options = OPTIONS.get(spec.operation)
    if options is None:
        return {}
    found = {**dict(_common(spec)), "index": index}
    if spec.operation is Operation.ONE_HOT:
        found["num_classes"] = _classes(spec.options.get("num_classes"))
    else:
        found |= dict(_of_table(spec, index))
    if spec.operation.is_bag:
        found |= dict(_of_bags(spec))
    return {option: found[option] for option in options if option in found}


def _common(spec: CallSpec) -> Iterator[tuple[str, str]]:
    shape = source_of(spec, "indices").shape
    yield "rank", str(min(len(shape), 3))
    yield "positions", "none" if 0 in shape else "some"


def _classes(value: Any) -> str:
    if value is None:
        return "none"
    return "-1" if value == -1 else "set"


def _of_table(spec: CallSpec, index: str) -> Iterator[tuple[str, str]]:
    options = spec.options
    yield "padding_idx", _padding(options.get("padding_idx"))
    yield from _of_norm(options)
    yield "weight", _weight_dtype(spec)
    yield "indices", source_of(spec, "indices").dtype.name
    yield "freeze", str(options.get("freeze", True)).lower()
    yield from _of_gradient(spec)
    if index == "valid" and 0 not in source_of(spec, "indices").shape:
        counts = counts_of(source_of(spec, "indices").array())
        yield "repeats", "some" if counts.max() > 1 else "none"


def _of_norm(options: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the options of the norm; norm_type has no effect without max_norm."""
    limit = options.get("max_norm")
    yield "max_norm", "none" if limit is None else "set"
    if limit is not None:
        kind = options.get("norm_type", 2.0)
        yield "norm_type", f"{kind:g}" if kind in (1, 2, math.inf) else "other"


def _of_gradient(spec: CallSpec) -> Iterator[tuple[str, str]]:
    """Yield what is observed, and the options about gradients if a gradient is observed."""
    gradient = not _GRADIENTS.isdisjoint(spec.observe)
    output = not _OUTPUTS.isdisjoint(spec.observe)
    if output or gradient:
        yield "observed", ("both" if output else "gradient") if gradient else "output"
    if gradient:
        yield "scale_grad_by_freq", str(bool(spec.options.get("scale_grad_by_freq"))).lower()
        yield "sparse", str(bool(spec.options.get("sparse"))).lower()
        yield from _upstream(spec)


def _upstream(spec: CallSpec) -> Iterator[tuple[str, str]]:
    """Yield the kind of upstream gradient, if the output has elements."""
    if not spec.operation.is_bag and 0 in source_of(spec, "indices").shape:
        return
    if "grad_output" not in spec.inputs:
        yield "upstream", "ones"
        return
    values = source_of(spec, "grad_output").array().astype(np.complex128)
    if values.size:
        known = [name for name, value in (("ones", 1), ("zeros", 0)) if (values == value).all()]
        yield "upstream", known[0] if known else "other"


def _of_bags(spec: CallSpec) -> Iterator[tuple[str, str]]:
    yield "mode", str(spec.options.get("mode", "mean"))
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


def _padding(value: Any) -> str:
    if value is None:
        return "none"
    return "negative" if value < 0 else "non-negative"


def _weight_dtype(spec: CallSpec) -> str:
    if "weight" in spec.inputs:
        return source_of(spec, "weight").dtype.name
    return str(spec.options.get("dtype") or "float32")
