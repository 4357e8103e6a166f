"""Parse the expectation of one observation, and check it against the inputs' dtype and shape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from embcheck.conformance.contract.call import Observation, Operation
from embcheck.conformance.suite.array_parser import (
    is_size,
    literal,
    parse_array,
    parse_dtype,
    parse_shape,
)
from embcheck.conformance.suite.arrays import ArraySource, GeneratedArray, JoinedArray, Literal
from embcheck.conformance.suite.model import (
    CallSpec,
    Expected,
    FromReference,
    Made,
    Structure,
    Text,
    Values,
)
from embcheck.conformance.suite.problems import ArraySpecError

_FLAGS = (
    Observation.TRAINABLE,
    Observation.SHARES_MEMORY,
    Observation.OUTPUT_SHARES_MEMORY,
    Observation.GRAD_WEIGHT_IS_SPARSE,
    Observation.SAME_CODES_AGAIN,
    Observation.SAME_WHEN_LOADED,
)
_ARRAYS = frozenset({"values", "generator", "parts", "levels", "real"})
"""The keys of which an expectation has one if it states all values."""
_SHAPE_UNKNOWN = (Observation.SPARSE_GRAD_ROWS, Observation.SPARSE_GRAD_VALUES)


def parse(name: str, spec: Any, call: CallSpec) -> Expected:
    """Parse the expectation of an observation.

    Unless stated, the dtype is the one that is documented for the observation: mostly the weight's.
    Raise ArraySpecError for a mistake, also for a shape that contradicts the inputs.
    """
    if spec == "reference":
        return FromReference()
    if isinstance(spec, Mapping) and "text" in spec:
        return Text(spec["text"])
    # No dtype or shape is documented for a probe's answer.
    if call.operation is Operation.PROBE and not isinstance(spec, Mapping):
        return Values(np.array(spec, _plain_dtype(spec)))
    shape = expected_shape(name, call)
    dtype = expected_dtype(name, call)
    if isinstance(spec, Mapping) and not _ARRAYS & set(spec):
        expected: Values | Made | Structure = _structure(spec, dtype)
    else:
        expected = _values(spec, dtype, shape)
    if shape is not None and expected.shape != shape:
        raise ArraySpecError(
            f"{name} is expected in shape {list(expected.shape)}, "
            f"but the inputs give {list(shape)}",
            "correct the expectation or the inputs",
        )
    return expected


def _plain_dtype(values: Any) -> type[np.generic]:
    """Return the default dtype of a probe's answer: the one that torch.tensor would choose."""
    kind = np.array(values).dtype.kind
    return {"b": np.bool_, "i": np.int64}.get(kind, np.float32)


def _values(spec: Any, dtype: np.dtype[Any] | None, shape: tuple[int, ...] | None) -> Values | Made:
    # Values that are written out have a shape of their own, which the caller compares. Generators
    # need to be given one, and so do empty lists, which cannot express (0, 3).
    makes = isinstance(spec, Mapping) and "generator" in spec
    hint = shape if shape is not None and (makes or 0 in shape) else None
    source = parse_array(spec, dtype.name if dtype is not None else None, hint)
    if isinstance(source, (GeneratedArray, JoinedArray)):
        return Made(source)
    if not isinstance(source, Literal):
        raise ArraySpecError("an expected value is not written out", "write its `values:`")
    return Values(source.values)


def _structure(spec: Mapping[str, Any], dtype: np.dtype[Any]) -> Structure:
    dtype = parse_dtype(spec["dtype"]) if "dtype" in spec else dtype
    if "shape" not in spec:
        raise ArraySpecError("the expectation has neither values nor a shape", "add one of them")
    shape = parse_shape(spec["shape"])
    places = [(_position(i["position"], shape), i["values"]) for i in spec.get("at", ())]
    return Structure(
        shape,
        dtype,
        tuple((place, literal(values, dtype, shape[len(place) :])) for place, values in places),
        tuple(tuple(_position(p, shape) for p in group) for group in spec.get("equal", ())),
        tuple(_position(position, shape) for position in spec.get("nonzero", ())),
    )


def _position(position: Sequence[int], shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return a position as a tuple. Raise ArraySpecError unless it lies in the shape.

    A position may leave out the last axes.
    """
    inside = len(position) <= len(shape) and all(
        p < s for p, s in zip(position, shape, strict=False)
    )
    if not inside:
        what = f"there is no position {list(position)} in the shape {list(shape)}"
        raise ArraySpecError(what, "count positions from 0")
    return tuple(position)


def expected_dtype(name: str, call: CallSpec) -> np.dtype[Any]:
    """Return the documented dtype of an observation."""
    if name in _FLAGS:
        return np.dtype(bool)
    if name == Observation.SPARSE_GRAD_ROWS:
        return np.dtype(np.int64)
    if call.operation is Operation.ONE_HOT and name == Observation.OUTPUT:
        return np.dtype(np.int64)
    # Any other observation has the dtype of the table, or else of the per-sample weights.
    owner = "per_sample_weights" if name == Observation.GRAD_PER_SAMPLE_WEIGHTS else "weight"
    source = call.inputs.get(owner)
    if isinstance(source, Literal):
        return source.dtype
    if "dtype" in call.options:
        return parse_dtype(call.options["dtype"])
    # Real data is float32, and so is a fresh module's weight.
    dtype = getattr(source, "dtype", None)
    return dtype if dtype is not None else np.dtype(np.float32)


def expected_shape(name: str, call: CallSpec) -> tuple[int, ...] | None:
    """Return the documented shape of an observation; None if it does not follow from the inputs."""
    if name in _FLAGS:
        return ()
    if name in _SHAPE_UNKNOWN or call.operation is Operation.PROBE:
        return None
    if name == Observation.GRAD_PER_SAMPLE_WEIGHTS:
        return _shape(call.inputs.get("per_sample_weights"))
    weight = _shape(call.inputs.get("weight")) or _module_shape(call.options)
    if name == Observation.OUTPUT:
        return _output_shape(call, weight)
    if name == Observation.PRODUCT:
        indices = _shape(call.inputs["indices"])
        return (*indices, weight[1]) if indices is not None and weight else None
    return weight


def _output_shape(call: CallSpec, weight: tuple[int, ...] | None) -> tuple[int, ...] | None:
    indices = _shape(call.inputs["indices"])
    if call.operation is Operation.ONE_HOT:
        return _one_hot_shape(call, indices)
    if indices is None or weight is None or len(weight) != 2:
        return None
    if not call.operation.is_bag:
        return (*indices, weight[1])
    return _bag_shape(call, indices, weight[1])


def _bag_shape(call: CallSpec, indices: tuple[int, ...], columns: int) -> tuple[int, ...] | None:
    if len(indices) == 2:
        return (indices[0], columns)
    offsets = _shape(call.inputs.get("offsets"))
    if offsets is None or len(offsets) != 1:
        return None
    return (offsets[0] - bool(call.option("include_last_offset")), columns)


def _one_hot_shape(call: CallSpec, indices: tuple[int, ...] | None) -> tuple[int, ...] | None:
    if indices is None:
        return None
    # Without indices, there is no largest one from which the number of classes would follow.
    classes = call.option("num_classes")
    if classes == -1 and 0 not in indices:
        classes = int(call.inputs["indices"].array().max()) + 1
    return (*indices, classes) if is_size(classes) and classes else None


def _module_shape(options: Mapping[str, Any]) -> tuple[int, ...] | None:
    """Return the shape of a fresh module's weight; None unless both options are sizes."""
    sizes: list[Any] = [options.get(name) for name in ("num_embeddings", "embedding_dim")]
    return tuple(sizes) if all(map(is_size, sizes)) else None


def _shape(source: ArraySource | None) -> tuple[int, ...] | None:
    return getattr(source, "shape", None)
