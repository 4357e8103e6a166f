"""One call of an embedding operation: its inputs, its options and the observations wanted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

import numpy as np

from embcheck.conformance.contract.operation import Operation
from embcheck.conformance.contract.options import read_option

# `Operation` has a module of its own, since `options` needs it and this module imports `options`.
# Adapters import it from here, with the other parts of a call.
__all__ = [
    "GRADIENT_OBSERVATIONS",
    "SPARSE_OBSERVATIONS",
    "TRAINING_OBSERVATIONS",
    "Call",
    "Input",
    "Observation",
    "Operation",
]


class Input(StrEnum):
    """The inputs of a call, as NumPy arrays; in a valid call they have these shapes and dtypes.

    Shapes: V rows, D columns, `*` any shape, N indices, B bags of up to L indices.
    """

    INDICES = "indices"
    """int64 or int32 (one_hot: int64 only), each from 0 to V - 1. The shape is `*` for a lookup and
    for one_hot; for bags it is (N,) with `offsets` and (B, L) without."""
    WEIGHT = "weight"
    """The table: (V, D), float32, float64, float16 or bfloat16. Absent for a fresh module, which
    draws its own. one_hot has one, (num_classes, D), only where `product` is observed."""
    OFFSETS = "offsets"
    """For bags: (B,), the position in the indices at which each bag begins, the first one 0;
    (B + 1,) with `include_last_offset`. The dtype is that of the indices."""
    PER_SAMPLE_WEIGHTS = "per_sample_weights"
    """For bags with `mode="sum"`: a factor for each row that is looked up, in the shape of the
    indices and the dtype of the weight."""
    GRAD_OUTPUT = "grad_output"
    """The upstream gradient, in the shape and dtype of the output; ones if it is absent."""


class Observation(StrEnum):
    """What can be observed after a call.

    Shapes: V rows, D columns, `*` the shape of the indices, B bags. The dtype is that of the weight
    unless stated otherwise. A boolean is an array of shape (): `np.array(True)`.
    """

    OUTPUT = "output"
    """The result: (*, D) for a lookup, (B, D) for bags, (*, num_classes) in int64 for one_hot."""
    GRAD_WEIGHT = "grad_weight"
    """(V, D): the dense gradient of sum(output * grad_output) with respect to the weight."""
    GRAD_PER_SAMPLE_WEIGHTS = "grad_per_sample_weights"
    """The gradient of sum(output * grad_output) with respect to the per-sample weights, in their
    shape."""
    GRAD_WEIGHT_AFTER_EARLIER_USE = "grad_weight_after_earlier_use"
    """(V, D): the gradient of sum(weight ** 2) + sum(output), where the first term is computed from
    the weight itself *before* the lookup."""
    GRAD_WEIGHT_AFTER_EARLIER_USE_OF_CLONE = "grad_weight_after_earlier_use_of_clone"
    """The same, but the first term is computed from a differentiable copy of the weight."""
    TRAINED_WEIGHT = "trained_weight"
    """(V, D): the weight after one step of plain SGD with learning rate 1 on
    sum(output * grad_output); unchanged where the weight is frozen."""
    TRAINABLE = "trainable"
    """Boolean: whether the module's weight takes part in training."""
    SHARES_MEMORY = "shares_memory"
    """Boolean: whether the module's weight is the caller's memory, not a copy."""
    OUTPUT_SHARES_MEMORY = "output_shares_memory"
    """Boolean: whether writing to the output would write to the weight."""
    GRAD_WEIGHT_IS_SPARSE = "grad_weight_is_sparse"
    """Boolean: whether the weight's gradient is stored by rows, not as (V, D)."""
    SPARSE_GRAD_ROWS = "sparse_grad_rows"
    """(N,) int64: the row numbers of a sparse gradient's entries as stored, duplicates included."""
    SPARSE_GRAD_VALUES = "sparse_grad_values"
    """(N, D): the values of a sparse gradient's entries, in the order of `sparse_grad_rows`."""
    WEIGHT_TRAINED_BY_ADAGRAD = "weight_trained_by_adagrad"
    """(V, D): as `trained_weight`, by one step of Adagrad with learning rate 1."""
    WEIGHT_TRAINED_BY_SPARSE_ADAM = "weight_trained_by_sparse_adam"
    """(V, D): as `trained_weight`, by one step of SparseAdam with learning rate 1."""
    PRODUCT = "product"
    """(*, D): the one-hot result, converted to the weight's dtype, times the weight."""
    INPUTS_AFTER = "inputs_after"
    """Each input array (and the weight of a fresh module) as the caller finds it after the call, in
    the input's shape and dtype, under its own name: `weight_after`, `indices_after`,
    `offsets_after`, `per_sample_weights_after`. Every conformance call asks for it."""
    STORED_WEIGHT = "stored_weight"
    """(V, D): the table as the scheme stores it, dequantised to the weight's dtype."""
    SAME_CODES_AGAIN = "same_codes_again"
    """Boolean: whether storing `stored_weight` again by the scheme gives the same codes."""
    SAME_WHEN_LOADED = "same_when_loaded"
    """Boolean: whether the output has the same bits after the library has saved the stored table to
    a file and loaded it again."""
    WEIGHT_AFTER = "weight_after"
    """(V, D): the weight's part of `inputs_after`; a case may state its expected values."""


GRADIENT_OBSERVATIONS = frozenset(
    {
        Observation.GRAD_WEIGHT,
        Observation.GRAD_PER_SAMPLE_WEIGHTS,
        Observation.GRAD_WEIGHT_AFTER_EARLIER_USE,
        Observation.GRAD_WEIGHT_AFTER_EARLIER_USE_OF_CLONE,
        Observation.GRAD_WEIGHT_IS_SPARSE,
        Observation.SPARSE_GRAD_ROWS,
        Observation.SPARSE_GRAD_VALUES,
    }
)
SPARSE_OBSERVATIONS = frozenset(
    {
        Observation.GRAD_WEIGHT_IS_SPARSE,
        Observation.SPARSE_GRAD_ROWS,
        Observation.SPARSE_GRAD_VALUES,
    }
)
TRAINING_OBSERVATIONS = frozenset(
    {
        Observation.TRAINED_WEIGHT,
        Observation.WEIGHT_TRAINED_BY_ADAGRAD,
        Observation.WEIGHT_TRAINED_BY_SPARSE_ADAM,
    }
)
# The reference cannot answer these: it looks rows up in the floating-point table and stores none.
_OF_STORED = frozenset(
    {Observation.STORED_WEIGHT, Observation.SAME_CODES_AGAIN, Observation.SAME_WHEN_LOADED}
)


@dataclass(frozen=True)
class Call:
    """One call: the operation, its arrays, its options and the observations wanted.

    `inputs` maps the names in `Input` to arrays; a call has only some of them. Arrays may have any
    dtype, rank and strides, since some calls are invalid on purpose. The adapter owns the arrays
    and may write to them.

    `options` holds keyword arguments under PyTorch's names. For an option that is absent, `option`
    returns PyTorch's default.

    `exported_for` is for backends that export, trace or compile before the call. It gives the dtype
    that an input has in the example for the export. An input that it does not name has its own
    dtype there. Other backends ignore it.
    """

    operation: Operation
    inputs: Mapping[str, np.ndarray]
    options: Mapping[str, Any] = field(default_factory=dict)
    observe: tuple[str, ...] = (Observation.OUTPUT,)
    exported_for: Mapping[str, str] = field(default_factory=dict)

    def option(self, name: str) -> Any:
        """Return the value of an option, or PyTorch's default if the call leaves it out."""
        return read_option(self.options, name)

    @property
    def is_frozen(self) -> bool:
        """Whether the call's module has a frozen weight, which is not trained."""
        return self.operation.is_pretrained and bool(self.option("freeze"))

    def of_floats(self) -> Call:
        """Return the same call on the floating-point table itself, without a scheme."""
        options = {name: value for name, value in self.options.items() if name != "scheme"}
        observe = tuple(name for name in self.observe if name not in _OF_STORED)
        return replace(self, operation=self.operation.of_floats, options=options, observe=observe)

    def wants(self, *observations: str) -> bool:
        """Whether any of the observations is asked for."""
        return any(name in self.observe for name in observations)

    @property
    def wants_inputs(self) -> bool:
        """Whether the inputs are observed after the call.

        Timings never ask for them: copying a table to the host would count as reading the output.
        """
        return self.wants(Observation.INPUTS_AFTER, Observation.WEIGHT_AFTER)


def with_inputs(call: Call, **inputs: np.ndarray) -> Call:
    """Return a call with some inputs replaced or added."""
    return replace(call, inputs={**call.inputs, **inputs})


def with_options(call: Call, **options: Any) -> Call:
    """Return a call with some options replaced or added."""
    return replace(call, options={**call.options, **options})


def without(call: Call, *names: str) -> Call:
    """Return a call without some inputs or options, and without their gradients."""
    return replace(
        call,
        inputs={name: array for name, array in call.inputs.items() if name not in names},
        options={name: value for name, value in call.options.items() if name not in names},
        observe=tuple(name for name in call.observe if name.removeprefix("grad_") not in names),
    )
