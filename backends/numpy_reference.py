"""The documented behaviour in plain NumPy, written to be read as the definition.

Every entry of the indices is a position; it names a row of the weight, belongs to a bag, and
enters the bag with a factor. A lookup is the case where every position is a bag of its own.
Sums are carried out in float64 and rounded once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from embcheck.conformance.contract.backend import (
    BackendInfo,
    Capability,
    Provided,
    Provision,
    inputs_after,
)
from embcheck.conformance.contract.call import (
    GRADIENT_OBSERVATIONS,
    Call,
    Observation,
    Operation,
)

Answer = dict[str, np.ndarray]


class NumpyReference:
    """What PyTorch 2.13 documents, without any array library but NumPy."""

    info = BackendInfo(
        id="numpy-reference",
        library="numpy",
        version=np.__version__,
        operations={
            operation: Provided(Provision.COMPOSED, "the definition, in NumPy")
            for operation in Operation
        },
        capabilities=frozenset(Capability),
    )

    def prepare(self, call: Call) -> Callable[[], Answer]:
        """Return a thunk that carries the call out."""
        carry_out = _one_hot if call.operation is Operation.ONE_HOT else _embed
        return lambda: carry_out(call)

    def to_numpy(self, answer: Answer) -> Mapping[str, np.ndarray]:
        """Return the answer, which is arrays already."""
        return answer


def _one_hot(call: Call) -> Answer:
    indices, classes = call.inputs["indices"], call.options.get("num_classes", -1)
    if indices.dtype != np.int64:
        raise TypeError(f"one_hot takes int64 indices, not {indices.dtype}")
    if (indices < 0).any():
        raise ValueError("class values must not be negative")
    if classes == -1:
        if not indices.size:
            raise ValueError("num_classes cannot be inferred from no indices")
        classes = int(indices.max()) + 1
    if classes < 1 or (indices >= classes).any():
        raise ValueError(f"a class value is not smaller than num_classes = {classes}")
    output = (indices[..., None] == np.arange(classes)).astype(np.int64)
    answer = {"output": output, **inputs_after(call.inputs)}
    if "weight" in call.inputs:
        weight = call.inputs["weight"]
        answer["product"] = (output.astype(np.float64) @ weight).astype(weight.dtype)
    return answer


@dataclass(frozen=True)
class _Positions:
    """For each position that is reduced: its row, its bag, its factor and its place in the input."""

    rows: np.ndarray
    bags: np.ndarray
    factors: np.ndarray
    places: np.ndarray
    bag_count: int

    @property
    def bag_sizes(self) -> np.ndarray:
        return np.bincount(self.bags, minlength=self.bag_count)


def _embed(call: Call) -> Answer:
    options, inputs = call.options, call.inputs
    weight = _weight(call)
    padding = _padding_row(options.get("padding_idx"), len(weight))
    _check_indices(inputs["indices"], len(weight))
    mode = options.get("mode", "mean") if call.operation.is_bag else "sum"
    positions = _bag_positions(call, weight, mode) if call.operation.is_bag else _lookup(call)
    before = weight.astype(np.float64)
    if options.get("max_norm") is not None:
        order = options.get("norm_type", 2.0)
        _renormalise(weight, inputs["indices"], float(options["max_norm"]), float(order))
    if call.operation.is_bag:
        positions = _without_padding(positions, padding)
    output = _reduce(weight, positions, mode)
    if not call.operation.is_bag:
        output = output.reshape(*inputs["indices"].shape, weight.shape[1])
    answer = {"output": output, **inputs_after(inputs), "weight_after": weight}
    answer["trainable"] = np.array(_trainable(call))
    answer["shares_memory"] = np.array(np.shares_memory(weight, inputs.get("weight", output)))
    if call.wants(*GRADIENT_OBSERVATIONS, Observation.TRAINED_WEIGHT):
        answer |= _differentiate(call, before, weight, positions, mode, padding)
    return answer


def _weight(call: Call) -> np.ndarray:
    """Return the weight that the call works on: the caller's own memory, or a fresh module's."""
    options = call.options
    if call.operation in (Operation.EMBEDDING_MODULE, Operation.EMBEDDING_BAG_MODULE):
        shape = (options["num_embeddings"], options["embedding_dim"])
        weight = np.random.default_rng().standard_normal(shape)
        weight = weight.astype(options.get("dtype", "float32"))
        padding = _padding_row(options.get("padding_idx"), shape[0])
        if padding is not None:
            weight[padding] = 0
        return weight
    weight = call.inputs["weight"]
    if weight.ndim != 2:
        raise ValueError(f"the weight must have 2 dimensions, not {weight.ndim}")
    return weight


def _padding_row(padding_idx: int | None, rows: int) -> int | None:
    if padding_idx is None:
        return None
    if not -rows <= padding_idx < rows:
        raise ValueError(f"padding_idx must be in [{-rows}, {rows - 1}], not {padding_idx}")
    return padding_idx % rows


def _check_indices(indices: np.ndarray, rows: int) -> None:
    if indices.dtype not in (np.int32, np.int64):
        raise TypeError(f"indices must be int32 or int64, not {indices.dtype}")
    if ((indices < 0) | (indices >= rows)).any():
        raise IndexError(f"an index is outside [0, {rows - 1}]")


def _lookup(call: Call) -> _Positions:
    rows = call.inputs["indices"].reshape(-1)
    places = np.arange(rows.size)
    return _Positions(rows, places, np.ones(rows.size), places, rows.size)


def _bag_positions(call: Call, weight: np.ndarray, mode: str) -> _Positions:
    indices, offsets = call.inputs["indices"], call.inputs.get("offsets")
    _check_bag_options(call, weight, mode)
    if indices.ndim == 2:
        if offsets is not None:
            raise ValueError("2-D indices are bags already: offsets must be absent")
        starts = np.arange(len(indices) + 1) * indices.shape[1]
    else:
        starts = _bag_starts(call, indices.size)
    places = np.arange(starts[-1])
    bags = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    factors = call.inputs.get("per_sample_weights", np.ones(indices.shape)).reshape(-1)
    return _Positions(
        indices.reshape(-1)[places], bags, factors.astype(np.float64)[places], places, len(starts) - 1
    )


def _bag_starts(call: Call, size: int) -> np.ndarray:
    """Return where each bag starts, and where the last one ends."""
    indices, offsets = call.inputs["indices"], call.inputs.get("offsets")
    if indices.ndim != 1:
        raise ValueError(f"indices of bags must have 1 or 2 dimensions, not {indices.ndim}")
    if offsets is None or offsets.ndim != 1:
        raise ValueError("1-D indices need 1-D offsets")
    if offsets.dtype not in (np.int32, np.int64):
        raise TypeError(f"offsets must be int32 or int64, not {offsets.dtype}")
    if call.options.get("include_last_offset"):
        if not offsets.size:
            raise ValueError("include_last_offset needs at least one offset")
        starts = offsets
    else:
        starts = np.append(offsets, size)
    if starts[0] != 0 and offsets.size:
        raise ValueError("the first offset must be 0")
    if starts[-1] > size or (np.diff(starts) < 0).any():
        raise ValueError(f"offsets must not decrease nor exceed the {size} indices")
    return starts if offsets.size else np.zeros(1, np.int64)


def _check_bag_options(call: Call, weight: np.ndarray, mode: str) -> None:
    if mode not in ("sum", "mean", "max"):
        raise ValueError(f"mode must be sum, mean or max, not {mode!r}")
    if weight.dtype.kind not in "fV":
        raise TypeError(f"bags need a floating weight, not {weight.dtype}")
    if mode == "max" and (call.options.get("scale_grad_by_freq") or call.options.get("sparse")):
        raise ValueError("mode max takes neither scale_grad_by_freq nor sparse")
    factors = call.inputs.get("per_sample_weights")
    if factors is None:
        return
    if mode != "sum":
        raise NotImplementedError(f"per_sample_weights need mode sum, not {mode}")
    if factors.shape != call.inputs["indices"].shape or factors.dtype != weight.dtype:
        raise ValueError("per_sample_weights must have the indices' shape and the weight's dtype")


def _without_padding(positions: _Positions, padding: int | None) -> _Positions:
    if padding is None:
        return positions
    keep = positions.rows != padding
    columns = (positions.rows, positions.bags, positions.factors, positions.places)
    return _Positions(*(column[keep] for column in columns), positions.bag_count)


def _renormalise(weight: np.ndarray, indices: np.ndarray, max_norm: float, order: float) -> None:
    """Scale each named row whose norm is larger than max_norm down to it, in place, once."""
    for row in np.unique(indices):
        norm = np.linalg.norm(weight[row].astype(np.float64), order)
        if norm > max_norm:
            weight[row] = weight[row].astype(np.float64) * (max_norm / norm)


def _reduce(weight: np.ndarray, positions: _Positions, mode: str) -> np.ndarray:
    """Reduce each bag; a bag without positions is zeros."""
    if positions.rows.size == positions.bag_count and (positions.bag_sizes == 1).all():
        if (positions.factors == 1).all():
            return weight[positions.rows]
    rows = weight[positions.rows].astype(np.float64) * positions.factors[:, None]
    sizes = positions.bag_sizes[:, None]
    if mode == "max":
        output = np.full((positions.bag_count, weight.shape[1]), -np.inf)
        np.maximum.at(output, positions.bags, rows)
        return np.where(sizes == 0, 0, output).astype(weight.dtype)
    output = np.zeros((positions.bag_count, weight.shape[1]))
    np.add.at(output, positions.bags, rows)
    return (output / np.maximum(sizes, 1) if mode == "mean" else output).astype(weight.dtype)


def _trainable(call: Call) -> bool:
    frozen_by_default = call.operation.value.endswith("from_pretrained")
    return not call.options.get("freeze", frozen_by_default)


def _differentiate(
    call: Call,
    before: np.ndarray,
    weight: np.ndarray,
    positions: _Positions,
    mode: str,
    padding: int | None,
) -> Answer:
    """Return the gradients of sum(output * grad_output), and the weight after a step of SGD.

    Scaling to max_norm is no part of the derivative; `before` is the weight before it.
    """
    if not _trainable(call) and call.wants(Observation.GRAD_WEIGHT):
        raise RuntimeError("the weight is frozen: it has no gradient")
    if call.wants(Observation.GRAD_WEIGHT_AFTER_EARLIER_USE) and "max_norm" in call.options:
        raise RuntimeError("max_norm changed the weight in place, after it was used")
    shape = (positions.bag_count, weight.shape[1])
    upstream = call.inputs.get("grad_output", np.ones(shape)).astype(np.float64).reshape(shape)
    gradient = _grad_weight(call, _shares(weight, positions, mode, upstream), positions, before)
    if padding is not None:
        gradient[padding] = 0
    dtype = weight.dtype
    answer = {
        "grad_weight": gradient.astype(dtype),
        "grad_weight_after_earlier_use": (2 * before + gradient).astype(dtype),
        "grad_weight_after_earlier_use_of_clone": (2 * before + gradient).astype(dtype),
        "trained_weight": (weight - gradient * _trainable(call)).astype(dtype),
    }
    if "per_sample_weights" in call.inputs:
        factors = call.inputs["per_sample_weights"]
        slopes = np.zeros(factors.size)
        rows = weight[positions.rows].astype(np.float64)
        slopes[positions.places] = (rows * upstream[positions.bags]).sum(axis=1)
        answer["grad_per_sample_weights"] = slopes.reshape(factors.shape).astype(factors.dtype)
    return answer


def _shares(
    weight: np.ndarray, positions: _Positions, mode: str, upstream: np.ndarray
) -> np.ndarray:
    """Return what each position passes on of its bag's upstream gradient."""
    shares = upstream[positions.bags] * positions.factors[:, None]
    if mode == "mean":
        return np.asarray(shares / positions.bag_sizes[positions.bags][:, None])
    if mode == "max":
        return np.asarray(shares * _winners(weight, positions))
    return shares


def _winners(weight: np.ndarray, positions: _Positions) -> np.ndarray:
    """Mark, for each bag and column, the first position that holds the maximum."""
    winners = np.zeros((positions.rows.size, weight.shape[1]))
    for bag in np.unique(positions.bags):
        (members,) = np.nonzero(positions.bags == bag)
        first = members[weight[positions.rows[members]].argmax(axis=0)]
        winners[first, np.arange(weight.shape[1])] = 1
    return winners


def _grad_weight(
    call: Call, shares: np.ndarray, positions: _Positions, before: np.ndarray
) -> np.ndarray:
    """Add up the shares of each row; scale_grad_by_freq divides by its count in the indices."""
    gradient = np.zeros(before.shape)
    np.add.at(gradient, positions.rows, shares)
    if call.options.get("scale_grad_by_freq"):
        counts = np.bincount(call.inputs["indices"].reshape(-1), minlength=len(before))
        gradient /= np.maximum(counts, 1)[:, None]
    return gradient
