"""Mistakes that make a valid call invalid, so that a conforming backend refuses it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from hypothesis import strategies as st

from embcheck.conformance.contract.call import (
    Call,
    Operation,
    with_inputs,
    with_options,
    without,
)

WRONG_INDEX_DTYPES = ("int8", "int16", "uint8", "float32", "bool")

Spoiler = Callable[[Call], st.SearchStrategy[Call]]


def spoiled(call: Call) -> st.SearchStrategy[Call]:
    """Return a strategy for calls that are a valid call with one mistake."""
    return st.sampled_from(
        [spoil for applies, spoil in _spoilers(call) if applies],
    ).flatmap(lambda spoil: spoil(call))


def _spoilers(call: Call) -> list[tuple[bool, Spoiler]]:
    """List the mistakes, each with whether it can be made in this call."""
    inputs = call.inputs
    is_bag, is_one_hot = call.operation.is_bag, call.operation is Operation.ONE_HOT
    has_weight = "weight" in inputs and not is_one_hot
    has_offsets, has_indices = "offsets" in inputs, bool(inputs["indices"].size)
    has_rows = not is_one_hot and _rows(call) > 0
    offsets = inputs["offsets"].size if has_offsets else 0
    return [
        (True, _index_dtype),
        (has_indices and not is_one_hot, _index_out_of_bounds),
        (has_indices and is_one_hot, _negative_class),
        (is_one_hot, _too_few_classes),
        (has_weight, _weight_rank),
        (has_rows, _padding_out_of_range),
        (is_bag, _unknown_mode),
        (is_bag, _maximum_with_scaling),
        (is_bag and has_weight, _weights_without_sum),
        (is_bag, _index_rank),
        ("per_sample_weights" in inputs, _weights_of_other_dtype),
        (has_offsets, _no_offsets),
        (offsets > 0, _first_offset),
        (offsets > 1, _last_offset),
        (offsets > 1, _offset_out_of_bounds),
        (is_bag and inputs["indices"].ndim == 2, _offsets_for_matrix),
        (has_offsets and bool(call.option("include_last_offset")), _no_last_offset),
    ]


def _index_dtype(call: Call) -> st.SearchStrategy[Call]:
    """Give indices a wrong dtype, and offsets too, since narrow ones beside int64 may be valid."""
    # one_hot is documented for int64 alone.
    names = WRONG_INDEX_DTYPES + (("int32",) if call.operation is Operation.ONE_HOT else ())
    numbered = [name for name in ("indices", "offsets") if name in call.inputs]
    return st.sampled_from(names).map(
        lambda dtype: _changed(call, **{n: call.inputs[n].astype(dtype) for n in numbered})
    )


def _index_out_of_bounds(call: Call) -> st.SearchStrategy[Call]:
    indices = call.inputs["indices"]
    limits = np.iinfo(indices.dtype)
    rows = _rows(call)
    bad = st.sampled_from((rows, -1, rows + 7, -rows - 1, int(limits.max), int(limits.min)))
    return _with_one_index(call, bad)


def _negative_class(call: Call) -> st.SearchStrategy[Call]:
    return _with_one_index(call, st.sampled_from((-1, -(2**40))))


def _with_one_index(call: Call, values: st.SearchStrategy[int]) -> st.SearchStrategy[Call]:
    def put(place: int, value: int) -> Call:
        indices = call.inputs["indices"].copy()
        indices.reshape(-1)[place] = value
        return _changed(call, indices=indices)

    return st.builds(put, st.integers(0, call.inputs["indices"].size - 1), values)


def _too_few_classes(call: Call) -> st.SearchStrategy[Call]:
    largest = int(call.inputs["indices"].max(initial=0))
    return st.sampled_from((largest, 0, -2)).map(lambda n: with_options(call, num_classes=n))


def _weight_rank(call: Call) -> st.SearchStrategy[Call]:
    weight = call.inputs["weight"]
    return st.sampled_from((weight.reshape(-1), weight[None])).map(
        lambda array: _changed(call, weight=array.copy())
    )


def _padding_out_of_range(call: Call) -> st.SearchStrategy[Call]:
    rows = _rows(call)
    return st.sampled_from((rows, -rows - 1)).map(lambda n: with_options(call, padding_idx=n))


def _rows(call: Call) -> int:
    return len(call.inputs["weight"]) if "weight" in call.inputs else call.options["num_embeddings"]


def _unknown_mode(call: Call) -> st.SearchStrategy[Call]:
    return st.just(with_options(call, mode="min"))


def _maximum_with_scaling(call: Call) -> st.SearchStrategy[Call]:
    # Per-sample weights are refused with a maximum too, and a call has one mistake only.
    without_weights = without(call, "per_sample_weights")
    return st.sampled_from(("scale_grad_by_freq", "sparse")).map(
        lambda option: with_options(without_weights, mode="max", **{option: True})
    )


def _weights_without_sum(call: Call) -> st.SearchStrategy[Call]:
    factors = np.ones(call.inputs["indices"].shape, call.inputs["weight"].dtype)
    # The options that a maximum excludes would be a second mistake.
    weighted = _changed(call, per_sample_weights=factors)
    return st.sampled_from(("mean", "max")).map(
        lambda mode: with_options(without(weighted, "sparse", "scale_grad_by_freq"), mode=mode)
    )


def _weights_of_other_dtype(call: Call) -> st.SearchStrategy[Call]:
    factors = call.inputs["per_sample_weights"]
    other = np.float64 if factors.dtype != np.float64 else np.float32
    return st.just(_changed(call, per_sample_weights=factors.astype(other)))


def _index_rank(call: Call) -> st.SearchStrategy[Call]:
    flat = call.inputs["indices"].reshape(-1)
    return st.just(_changed(without(call, "per_sample_weights"), indices=flat[None, None]))


def _no_offsets(call: Call) -> st.SearchStrategy[Call]:
    return st.just(without(call, "offsets"))


def _first_offset(call: Call) -> st.SearchStrategy[Call]:
    offsets = call.inputs["offsets"].copy()
    offsets[0] = 1
    return st.just(_changed(call, offsets=offsets))


def _last_offset(call: Call) -> st.SearchStrategy[Call]:
    offsets = call.inputs["offsets"].copy()
    offsets[-1] = call.inputs["indices"].size + 1
    return st.just(_changed(call, offsets=offsets))


def _offset_out_of_bounds(call: Call) -> st.SearchStrategy[Call]:
    """Put any offset but the first before the indices, or far behind them."""
    size = call.inputs["indices"].size
    values = st.sampled_from((-1, size + 1, size + 1000, -(10**9), 2**31 - 1, -(2**31)))

    def put(place: int, value: int) -> Call:
        offsets = call.inputs["offsets"].copy()
        offsets[place] = value
        return _changed(call, offsets=offsets)

    return st.builds(put, st.integers(1, call.inputs["offsets"].size - 1), values)


def _offsets_for_matrix(call: Call) -> st.SearchStrategy[Call]:
    return st.just(_changed(call, offsets=np.zeros(1, call.inputs["indices"].dtype)))


def _no_last_offset(call: Call) -> st.SearchStrategy[Call]:
    return st.just(_changed(call, offsets=call.inputs["offsets"][:0]))


def _changed(call: Call, **inputs: np.ndarray) -> Call:
    """Return the call with other inputs, without an upstream gradient, which may no longer fit."""
    return with_inputs(without(call, "grad_output"), **inputs)
