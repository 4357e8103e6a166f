"""One call of an embedding operation: what goes in, and what is to be looked at afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

import numpy as np

from embcheck.conformance.contract.operation import Operation
from embcheck.conformance.contract.options import read_option

# `Operation` is in a module of its own, since `options`, which this one imports, needs it. Adapters
# import it from here, with all else that a call is made of.
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
    """What a call is given, as NumPy arrays. Of valid calls, shapes and dtypes are as stated here.

    Shapes: V rows, D columns, `*` any shape, N indices, B bags of up to L indices.
    """

    INDICES = "indices"
    """int64 or int32, of one_hot int64; each from 0 to V - 1. `*` for a lookup and for one_hot; for
    bags (N,) beside `offsets`, (B, L) without."""
    WEIGHT = "weight"
    """The table: (V, D), float32, float64, float16 or bfloat16. A fresh module draws its own and
    has none. one_hot has one only where `product` is observed: (num_classes, D)."""
    OFFSETS = "offsets"
    """Of bags: (B,), where each begins in the indices, the first at 0; (B + 1,) with
    `include_last_offset`. In the dtype of the indices."""
    PER_SAMPLE_WEIGHTS = "per_sample_weights"
    """Of bags with `mode="sum"`: a factor for each row, in the shape of the indices and the dtype
    of the weight."""
    GRAD_OUTPUT = "grad_output"
    """The upstream gradient, in shape and dtype of the output; where it is absent, ones."""


class Observation(StrEnum):
    """What can be looked at after a call.

    Shapes: V rows, D columns, `*` the shape of the indices, B bags. Dtypes are the weight's where
    nothing else is said. A boolean is an array of shape (): `np.array(True)`.
    """

    OUTPUT = "output"
    """The result: (*, D) for a lookup, (B, D) for bags, (*, num_classes) in int64 for one_hot."""
    GRAD_WEIGHT = "grad_weight"
    """(V, D): the dense gradient of sum(output * grad_output) for the weight."""
    GRAD_PER_SAMPLE_WEIGHTS = "grad_per_sample_weights"
    """The gradient of sum(output * grad_output) for the per-sample weights, in their shape."""
    GRAD_WEIGHT_AFTER_EARLIER_USE = "grad_weight_after_earlier_use"
    """(V, D): the gradient of sum(weight ** 2) + sum(output), the first term computed from the
    weight itself *before* the lookup."""
    GRAD_WEIGHT_AFTER_EARLIER_USE_OF_CLONE = "grad_weight_after_earlier_use_of_clone"
    """The same, the first term computed from a differentiable copy of the weight."""
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
    """Boolean: whether the gradient for the weight is stored by rows, not as (V, D)."""
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
    its shape and dtype, each under its own name: `weight_after`, `indices_after`, `offsets_after`,
    `per_sample_weights_after`. Asked for in every conformance call."""
    STORED_WEIGHT = "stored_weight"
    """(V, D): the table as a scheme stores it, turned back into the weight's dtype."""
    SAME_CODES_AGAIN = "same_codes_again"
    """Boolean scalar: whether storing `stored_weight` by the scheme gives the same codes."""
    SAME_WHEN_LOADED = "same_when_loaded"
    """Boolean scalar: whether the output has the same bits once the library has saved the stored
    table to a file and loaded it."""
    WEIGHT_AFTER = "weight_after"
    """(V, D): the weight's part of `inputs_after`, which a case may expect something of."""


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
# The reference has no stored table: it answers from the floating one, and cannot be asked these.
_OF_STORED = frozenset(
    {Observation.STORED_WEIGHT, Observation.SAME_CODES_AGAIN, Observation.SAME_WHEN_LOADED}
)


@dataclass(frozen=True)
class Call:
    """One call: the operation, its arrays, its options and the observations wanted.

    `inputs` holds those of `Input` that the call has. Arrays may have any dtype, rank and strides:
    the invalid ones are the point of some calls. An adapter owns them and may write to them.

    `options` holds keyword arguments under PyTorch's names; what is absent has PyTorch's default,
    which `option` knows.

    `exported_for` gives, by input, the dtype of the example from which an artefact is made where
    one is exported, traced or compiled before its call; the input's own dtype where it gives none.
    What makes no artefact beforehand need not look at it.
    """

    operation: Operation
    inputs: Mapping[str, np.ndarray]
    options: Mapping[str, Any] = field(default_factory=dict)
    observe: tuple[str, ...] = (Observation.OUTPUT,)
    exported_for: Mapping[str, str] = field(default_factory=dict)

    def option(self, name: str) -> Any:
        """Return the value of an option, PyTorch's default where the call leaves it out."""
        return read_option(self.options, name)

    @property
    def is_frozen(self) -> bool:
        """Whether the call's module keeps its weight out of training."""
        return self.operation.is_pretrained and bool(self.option("freeze"))

    def of_floats(self) -> Call:
        """Return the call that looks up the floating table itself, without storing it anew."""
        options = {name: value for name, value in self.options.items() if name != "scheme"}
        observe = tuple(name for name in self.observe if name not in _OF_STORED)
        return replace(self, operation=self.operation.of_floats, options=options, observe=observe)

    def wants(self, *observations: str) -> bool:
        """Whether any of the observations is asked for."""
        return any(name in self.observe for name in observations)

    @property
    def wants_inputs(self) -> bool:
        """Whether the inputs are observed after the call.

        Timings never ask for them: to bring a table home would count as reading the output.
        """
        return self.wants(Observation.INPUTS_AFTER, Observation.WEIGHT_AFTER)


def with_inputs(call: Call, **inputs: np.ndarray) -> Call:
    """Return a call with some inputs replaced or added."""
    return replace(call, inputs={**call.inputs, **inputs})


def with_options(call: Call, **options: Any) -> Call:
    """Return a call with some options replaced or added."""
    return replace(call, options={**call.options, **options})


def without(call: Call, *names: str) -> Call:
    """Return a call without some inputs or options, and without the gradients for them."""
    return replace(
        call,
        inputs={name: array for name, array in call.inputs.items() if name not in names},
        options={name: value for name, value in call.options.items() if name not in names},
        observe=tuple(name for name in call.observe if name.removeprefix("grad_") not in names),
    )
