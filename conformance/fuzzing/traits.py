"""The unusual traits of a call, in a few words, by which findings are distinguished.

A trait is a difference from the plainest call of an operation: a lookup or bags of int64 indices in
a float32 table of finite numbers, without options. Required options, such as the mode of bags, are
always traits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import ml_dtypes
import numpy as np

from embcheck.conformance.contract.call import Call, Operation
from embcheck.conformance.contract.options import OPTIONS, TABLE_OPTIONS
from embcheck.conformance.contract.schemes import SCHEMES, Scheme, ends_of
from embcheck.conformance.fuzzing.sizes import Sizes, unusual
from embcheck.conformance.suite.layouts import is_plain, layout_of

_DTYPE_CLASSES = {
    "float16": "half",
    "bfloat16": "half",
    "float64": "double",
    "int8": "narrow",
    "int16": "narrow",
    "uint8": "narrow",
    "uint16": "narrow",
}


@dataclass(frozen=True)
class Traits:
    """The options in use, and the unusual properties of the arrays."""

    options: frozenset[str]
    arrays: frozenset[str]
    sizes: Sizes = frozenset()
    """Axes that are longer than usual: another call has the trait if it is at least as long."""

    @classmethod
    def none(cls) -> Traits:
        """Return the traits of the plainest call."""
        return cls(frozenset(), frozenset())

    @property
    def axes(self) -> frozenset[str]:
        """The axes that are longer than usual."""
        return frozenset(axis for axis, _ in self.sizes)

    def within(self, other: Traits) -> bool:
        """Whether the other has all of these too."""
        theirs = dict(other.sizes)
        is_as_long = all(size <= theirs.get(axis, 0) for axis, size in self.sizes)
        return is_as_long and self.options <= other.options and self.arrays <= other.arrays

    def sized(self, *axes: str) -> Traits:
        """Return the traits with the sizes of these axes only."""
        return replace(self, sizes=frozenset(pair for pair in self.sizes if pair[0] in axes))

    def __str__(self) -> str:
        """Name the traits, without those that another one implies."""
        # `padding_idx<0` implies `padding_idx`, with which its name begins.
        names = [*sorted(self.options), *sorted(self.arrays)]
        vague = {n for n in names for other in names if other != n and other.startswith(n)}
        sizes = [f"{size:,} {axis}" for axis, size in sorted(self.sizes)]
        return ", ".join([name for name in names if name not in vague] + sizes)


def traits_of(call: Call) -> Traits:
    """Find the traits of a call."""
    found = [*_weight(call), *_indices(call)]
    if call.operation.is_bag:
        found += [*_bags(call), *_per_sample_weights(call)]
    found += [f"{name}: {layout}" for name, layout in layouts_of(call).items()]
    return Traits(frozenset(_options(call)), frozenset(found), unusual(call))


def layouts_of(call: Call) -> dict[str, str]:
    """Return the memory layout of each array that is not contiguous, by the array's name."""
    laid = {name: layout_name(array) for name, array in call.inputs.items()}
    return {name: layout for name, layout in laid.items() if layout != "contiguous"}


def layout_name(array: np.ndarray) -> str:
    """Name the memory layout of an array."""
    # The usual ones first: `layout_of` makes each layout in turn, which is slow for large arrays.
    if is_plain(array):
        return "contiguous"
    return "mapped" if isinstance(array, np.memmap) else layout_of(array)


def dtype_class(dtype: np.dtype[Any]) -> str:
    """Name the class of a dtype, within which libraries share their code."""
    return _DTYPE_CLASSES.get(dtype.name, dtype.name)


def weight_dtype(call: Call) -> np.dtype[Any] | None:
    """Return the dtype of the call's table, also of one that a fresh module makes."""
    if "weight" in call.inputs:
        dtype: np.dtype[Any] = call.inputs["weight"].dtype
        return dtype
    if call.operation is Operation.ONE_HOT:
        return None
    return np.dtype(str(call.option("dtype")))


def _options(call: Call) -> Iterator[str]:
    if call.operation.is_bag:
        mode = call.option("mode")
        yield f"mode={mode}" if mode in OPTIONS["mode"].values else "unknown mode"
    if "per_sample_weights" in call.inputs:
        yield "per_sample_weights"
    for name, value in call.options.items():
        if name in (*TABLE_OPTIONS, "mode") or value == OPTIONS[name].default:
            continue
        if name == "scheme":
            yield f"scheme={value}"
            continue
        yield "freeze=False" if name == "freeze" else name
        yield from _special(name, value, call)


def _special(name: str, value: Any, call: Call) -> Iterator[str]:
    """Yield traits of an option's value, beside the trait that the option is used."""
    if not isinstance(value, int | float):
        return
    if name == "padding_idx" and value < 0:
        yield "padding_idx<0"
    if name == "padding_idx" and not -rows_of(call) <= value < rows_of(call):
        yield "padding_idx out of range"
    if name in ("norm_type", "max_norm") and np.isinf(value):
        yield f"{name}=inf"
    if name == "num_classes" and value < 1:
        yield "num_classes<1"


def rows_of(call: Call) -> int:
    """Return how many rows, or classes, the indices can name."""
    if call.operation is Operation.ONE_HOT:
        # Without a number of classes, there are as many as the largest index needs.
        classes = int(call.option("num_classes"))
        return classes if classes != -1 else np.iinfo(np.int64).max
    if "weight" in call.inputs:
        # An invalid table may have no dimension at all.
        return next(iter(call.inputs["weight"].shape), 0)
    return int(call.options["num_embeddings"])


def _weight(call: Call) -> Iterator[str]:
    dtype = weight_dtype(call)
    if dtype is not None and dtype != np.float32:
        yield f"weight: {dtype_class(dtype)}"
    shape = _table_shape(call)
    if len(shape) == 2 and 0 in shape:
        yield "no columns" if shape[0] else "no rows"
    weight = call.inputs.get("weight")
    if weight is None:
        return
    if weight.ndim != 2:
        yield f"weight of {weight.ndim} dimensions"
    yield from _numbers("weight", weight)
    if call.option("scheme") in SCHEMES and weight.ndim == 2 and weight.size:
        yield from _groups(weight, SCHEMES[call.option("scheme")])


def _groups(weight: np.ndarray, scheme: Scheme) -> Iterator[str]:
    """Yield traits of a table's groups, each of which has one scale."""
    lowest, highest = ends_of(weight, scheme)
    if (lowest == highest).any():
        yield "equal numbers in a group"
    if ((lowest > 0) | (highest < 0)).any():
        yield "0 outside of a group"
    if weight.shape[1] % 2:
        yield "odd width"
    if scheme.block and weight.shape[1] % scheme.block:
        yield "a shorter block"


def _table_shape(call: Call) -> tuple[int, ...]:
    if "weight" in call.inputs:
        return call.inputs["weight"].shape
    sizes = (call.options.get(name) for name in ("num_embeddings", "embedding_dim"))
    return tuple(size for size in sizes if size is not None)


def _numbers(name: str, array: np.ndarray) -> Iterator[str]:
    if not array.size or array.dtype.kind not in "fV":
        return
    wide = array.astype(np.float64)
    if np.isnan(wide).any():
        yield f"{name}: nan"
    if np.isinf(wide).any():
        yield f"{name}: inf"
    # Two such numbers may add up to infinity.
    largest = np.abs(wide[np.isfinite(wide)]).max(initial=0.0)
    if largest > float(ml_dtypes.finfo(array.dtype).max) / 2:  # type: ignore[no-untyped-call]
        yield f"{name}: large"


def _indices(call: Call) -> Iterator[str]:
    indices = call.inputs["indices"]
    if indices.dtype != np.int64:
        yield f"indices: {dtype_class(indices.dtype)}"
    if not indices.size:
        yield "no indices"
    elif (indices < 0).any():
        yield "index<0"
    if (indices >= rows_of(call)).any() and indices.dtype.kind in "iu":
        yield "index too large"
    # In float64, since int64 has no absolute value of its smallest number.
    if indices.dtype.kind == "i" and (np.abs(indices.astype(np.float64)) >= 2**31).any():
        yield "index beyond 32 bits"
    is_usual = indices.ndim in (1, 2) if call.operation.is_bag else indices.ndim > 0
    if not is_usual:
        yield f"indices of {indices.ndim} dimensions"


def _bags(call: Call) -> Iterator[str]:
    indices, offsets = call.inputs["indices"], call.inputs.get("offsets")
    if indices.ndim == 2:
        yield "matrix"
        if 0 in indices.shape:
            yield "no bags" if not len(indices) else "empty bag"
    if offsets is None:
        if indices.ndim == 1:
            yield "no offsets"
        return
    if indices.ndim == 2:
        yield "offsets for a matrix"
    if offsets.ndim != 1:
        yield f"offsets of {offsets.ndim} dimensions"
        return
    if offsets.dtype != indices.dtype:
        yield f"offsets: {dtype_class(offsets.dtype)}"
    yield from _offsets(offsets, indices.size, bool(call.option("include_last_offset")))


def _offsets(offsets: np.ndarray, size: int, has_last: bool) -> Iterator[str]:
    if not offsets.size:
        yield "no bags"
        return
    # The last bound is the end of the last bag, whether it is given or not.
    bounds = offsets if has_last else np.append(offsets, size)
    if len(bounds) == 1:
        yield "no bags"
    if offsets[0] != 0:
        yield "first offset not 0"
    if (np.diff(bounds) == 0).any():
        yield "empty bag"
    if bounds[-1] < size:
        yield "ends early"
    if (bounds > size).any():
        yield "offset too large"
    if (np.diff(offsets) < 0).any():
        yield "offsets decrease"


def _per_sample_weights(call: Call) -> Iterator[str]:
    factors, weight = call.inputs.get("per_sample_weights"), call.inputs.get("weight")
    if factors is None:
        return
    if weight is not None and factors.dtype != weight.dtype:
        yield "per_sample_weights of another dtype"
    if factors.shape != call.inputs["indices"].shape:
        yield "per_sample_weights of another shape"
    yield from _numbers("per_sample_weights", factors)


def options_tried(call: Call) -> Mapping[str, str]:
    """Name the value of each option that the call gives, for a summary."""
    shown = {name: str(value) for name, value in call.options.items() if name not in TABLE_OPTIONS}
    padding = call.option("padding_idx")
    if padding is not None:
        shown["padding_idx"] = "negative" if padding < 0 else "not negative"
    return shown


def is_left_open(call: Call) -> bool:
    """Whether the documentation leaves the call open: it has indices that belong to no bag."""
    # No sentence says what happens to indices if there are no offsets.
    offsets = call.inputs.get("offsets")
    return call.operation.is_bag and offsets is not None and not offsets.size
