"""Calls on which PyTorch is known to depart from the reference, and where each is explained.

An exclusion covers exactly the calls that trigger the departure, and has an example that shows it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from embcheck.conformance.contract.call import Call, Observation, Operation
from embcheck.conformance.execution.judging.bounds import WIDEST
from embcheck.conformance.execution.judging.terms import unit_roundoff
from embcheck.conformance.execution.judging.verdict import Kind, Outcome

TABLE = np.array([[1, -2], [5, 4], [-7, 8], [2, -1]], np.float32)
MOST_OTHER_ROUNDINGS = 8
"""The most roundings, apart from additions, in the bound of a gradient or a training step."""
GRADIENTS = {
    Observation.GRAD_WEIGHT,
    Observation.GRAD_PER_SAMPLE_WEIGHTS,
    Observation.TRAINED_WEIGHT,
    Observation.WEIGHT_TRAINED_BY_ADAGRAD,
    Observation.WEIGHT_TRAINED_BY_SPARSE_ADAM,
    Observation.SPARSE_GRAD_VALUES,
}


@dataclass(frozen=True)
class Exclusion:
    """A trigger, the deviation that explains it, and a call that shows it."""

    name: str
    explained_by: str
    """The first case id of the known deviation of torch-eager."""
    applies: Callable[[Call], bool]
    example: Call
    happens: Kind | Outcome


def differentiates(call: Call) -> bool:
    """Whether the call observes a gradient, or uses one in a training step."""
    return call.wants(*GRADIENTS, Observation.GRAD_WEIGHT_IS_SPARSE)


def bags_of_no_length(call: Call) -> bool:
    """Whether the call has bags given by a matrix of indices without columns."""
    indices = call.inputs["indices"]
    return call.operation.is_bag and indices.ndim == 2 and indices.shape[1] == 0


def indices_without_bags(call: Call) -> bool:
    """Whether the offsets are empty although there are indices."""
    return (
        call.operation.is_bag
        and "offsets" in call.inputs
        and not call.inputs["offsets"].size
        and call.inputs["indices"].size > 0
    )


def ends_early(call: Call) -> bool:
    """Whether indices follow the last offset although include_last_offset makes it the end."""
    offsets = call.inputs.get("offsets")
    return (
        call.operation.is_bag
        and offsets is not None
        and offsets.ndim == 1
        and offsets.size > 0
        and bool(call.options.get("include_last_offset"))
        and int(offsets[-1]) < call.inputs["indices"].size
    )


def maximum_of_nan(call: Call) -> bool:
    """Whether a maximum is taken of rows from a table that contains NaN."""
    return (
        call.options.get("mode") == "max"
        and "weight" in call.inputs
        and bool(np.isnan(call.inputs["weight"].astype(np.float64)).any())
    )


def mean_of_large_halves(call: Call) -> bool:
    """Whether the rows of a mean in half precision may sum to more than float16 can represent."""
    weight = call.inputs.get("weight")
    if weight is None or not call.operation.is_bag or weight.dtype != np.float16:
        return False
    finite = np.abs(weight[np.isfinite(weight)].astype(np.float64))
    longest = call.inputs["indices"].size
    is_mean = call.options.get("mode", "mean") == "mean"
    return is_mean and finite.max(initial=0.0) * longest > np.finfo(np.float16).max


def bags_without_columns(call: Call) -> bool:
    """Whether bags are sums or means of rows without columns, of a given weight or a module's own.

    Only the kernel for single and half precision refuses this, and only for two or more bags.
    """
    weight = call.inputs.get("weight", np.zeros((1, call.options.get("embedding_dim", 1)), "f4"))
    dtype = call.options.get("dtype", weight.dtype.name)
    bags = len(call.inputs.get("offsets", np.atleast_1d(call.inputs["indices"])))
    return (
        call.operation.is_bag
        and bags > 1
        and weight.shape[-1] == 0
        and dtype in ("float32", "float16", "bfloat16")
        and call.options.get("mode", "mean") != "max"
        and call.inputs["indices"].size > 0
    )


def frequencies_in_bags(call: Call) -> bool:
    """Whether a dense gradient of bags is scaled by frequencies."""
    options = call.options
    scales = options.get("scale_grad_by_freq") and not options.get("sparse")
    return call.operation.is_bag and bool(scales) and differentiates(call)


def single_index_beside_padding(call: Call) -> bool:
    """Whether a sparse gradient of a zero-dimensional index is asked for, with a padding_idx."""
    options = call.options
    return (
        not call.operation.is_bag
        and call.inputs["indices"].ndim == 0
        and bool(options.get("sparse"))
        and options.get("padding_idx") is not None
        and differentiates(call)
    )


def gradient_that_stops_counting(call: Call) -> bool:
    """Whether a row of a 16-bit table gets gradients from so many positions that some are lost.

    PyTorch adds them from left to right in the table's dtype. This guarantees nothing once the
    error bound of a sum would reach an eighth of the sum.
    """
    dtype = np.dtype(call.options.get("dtype", "float32"))
    if "weight" in call.inputs:
        dtype = call.inputs["weight"].dtype
    indices = call.inputs["indices"].reshape(-1)
    if dtype.itemsize != 2 or not differentiates(call) or not indices.size:
        return False
    _, repeats = np.unique(indices, return_counts=True)
    return bool(repeats.max() > WIDEST / unit_roundoff(dtype) - MOST_OTHER_ROUNDINGS)


def bag(indices: list[int], offsets: list[int] | None = None, *observe: str, **options) -> Call:
    """Return a call of embedding_bag on `TABLE`."""
    inputs = {"weight": TABLE.copy(), "indices": np.array(indices, np.int64)}
    if offsets is not None:
        inputs["offsets"] = np.array(offsets, np.int64)
    names = ("output", *observe, "inputs_after")
    return Call(Operation.EMBEDDING_BAG, inputs, {"mode": "sum", **options}, names)


NAN_LAST = bag([0, 1], [0], mode="max")
NAN_LAST.inputs["weight"][1] = np.nan
LARGE_HALVES = bag([0, 1], [0], mode="mean")
LARGE_HALVES.inputs["weight"] = np.full((2, 1), 60000, np.float16)

OFTEN = Call(
    Operation.EMBEDDING,
    {"weight": np.zeros((2, 1), np.float16), "indices": np.ones(8192, np.int64)},
    {},
    ("grad_weight", "inputs_after"),
)

EXCLUSIONS = (
    Exclusion(
        "bags of no length",
        "embedding_bag/empty_bags/matrix-without-columns",
        bags_of_no_length,
        bag([[], []]),
        Kind.REJECTED_VALID,
    ),
    Exclusion(
        "indices without bags",
        "embedding_bag/empty_bags/indices-without-bags",
        indices_without_bags,
        bag([0, 1], [], mode="max"),
        Outcome.CRASHED,
    ),
    Exclusion(
        "bags that end early",
        "embedding_bag/include_last_offset/mean-ends-early",
        ends_early,
        bag([0, 1, 2, 3], [0, 1, 2], mode="mean", include_last_offset=True),
        Kind.WRONG_VALUE,
    ),
    Exclusion(
        "maximum of NaN",
        "embedding_bag/modes/nan-last-wins-maximum",
        maximum_of_nan,
        NAN_LAST,
        Kind.WRONG_VALUE,
    ),
    Exclusion(
        "mean of large halves",
        "embedding_bag/precisions/mean-of-large-halves",
        mean_of_large_halves,
        LARGE_HALVES,
        Kind.WRONG_VALUE,
    ),
    Exclusion(
        "bags without columns",
        "embedding_bag/empty_bags/module-without-columns",
        bags_without_columns,
        Call(
            Operation.EMBEDDING_BAG_MODULE,
            {"indices": np.array([0, 1]), "offsets": np.array([0, 1])},
            {"num_embeddings": 2, "embedding_dim": 0, "mode": "sum"},
            ("output", "inputs_after"),
        ),
        Kind.REJECTED_VALID,
    ),
    Exclusion(
        "frequencies in bags",
        "embedding_bag/scale_grad_by_freq/first-row-more-often*",
        frequencies_in_bags,
        bag([0, 0, 1], [0], "grad_weight", scale_grad_by_freq=True),
        Kind.WRONG_VALUE,
    ),
    Exclusion(
        "single index beside padding",
        "embedding/sparse_gradient/single-index-beside-padding*",
        single_index_beside_padding,
        Call(
            Operation.EMBEDDING,
            {"weight": TABLE.copy(), "indices": np.array(1)},
            {"sparse": True, "padding_idx": 0},
            ("output", "grad_weight", "inputs_after"),
        ),
        Kind.REJECTED_VALID,
    ),
    Exclusion(
        "gradient that stops counting",
        "embedding/many_repeats/sum-of-ones[dtype=bfloat16,repeats=4096,sparse=False]",
        gradient_that_stops_counting,
        OFTEN,
        Kind.WRONG_VALUE,
    ),
)
