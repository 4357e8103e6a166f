"""The documented behaviour in plain NumPy, written to be read as the definition.

The folder `definition` has the parts, one a module.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from embcheck.backends.reference import spellings
from embcheck.backends.reference.definition.arguments import (
    check_indices,
    check_renorm,
    padding_row,
)
from embcheck.backends.reference.definition.forward import reduce, renormalise
from embcheck.backends.reference.definition.gradients import differentiate, trainable
from embcheck.backends.reference.definition.one_hot import one_hot
from embcheck.backends.reference.definition.positions import bag_positions, lookup, without_padding
from embcheck.backends.reference.definition.stored import stored_call
from embcheck.conformance.contract.backend import (
    BackendInfo,
    Capability,
    Provided,
    Provision,
    inputs_after,
)
from embcheck.conformance.contract.call import (
    GRADIENT_OBSERVATIONS,
    TRAINING_OBSERVATIONS,
    Call,
    Operation,
)
from embcheck.conformance.contract.schemes import SCHEMES

Answer = dict[str, np.ndarray]
_DEFINITION = f"{__package__}.definition"


class NumpyReference:
    """What PyTorch 2.13 documents, without any array library but NumPy."""

    info = BackendInfo(
        id="numpy-reference",
        library="numpy",
        # Whatever is raised here is the library's refusal: the definition is the library.
        modules=(_DEFINITION, __name__, "numpy"),
        version=np.__version__,
        operations={
            operation: Provided(Provision.COMPOSED, "the definition, in NumPy")
            for operation in Operation
            if operation is not Operation.PROBE
        },
        capabilities=frozenset(Capability),
        schemes=frozenset(SCHEMES),
        survives_fork=True,
    )

    def prepare(self, call: Call) -> Callable[[], Answer]:
        """Return a thunk that carries out the call."""
        carry_out = one_hot if call.operation is Operation.ONE_HOT else _embed
        if call.operation.is_quantized:
            carry_out = _embed_stored
        # The reference defines what each option means, so it counts as reading all of them.
        call = replace(call, options=dict(call.options))
        # NaN, infinity and underflow to zero are answers, not errors.
        return np.errstate(all="ignore")(lambda: carry_out(call))

    def spellings(self, call: Call) -> spellings.Thunks:
        """Return the ways in which NumPy users gather rows."""
        return spellings.spellings(call)

    def to_numpy(self, answer: Answer) -> Mapping[str, np.ndarray]:
        """Return the answer as it is: its values are NumPy arrays already."""
        return answer


def _embed(call: Call) -> Answer:
    options, inputs = call.options, call.inputs
    weight = _weight(call)
    padding = padding_row(call.option("padding_idx"), len(weight))
    check_indices(inputs["indices"], len(weight))
    mode = call.option("mode") if call.operation.is_bag else "sum"
    positions = bag_positions(call, weight, mode) if call.operation.is_bag else lookup(call)
    differentiates = call.wants(*GRADIENT_OBSERVATIONS, *TRAINING_OBSERVATIONS)
    before = weight.astype(np.float64) if differentiates else weight
    if call.option("max_norm") is not None:
        max_norm, order = options["max_norm"], call.option("norm_type")
        check_renorm(max_norm, order)
        renormalise(weight, inputs["indices"], float(max_norm), float(order))
    if call.operation.is_bag:
        positions = without_padding(positions, padding)
    output = reduce(weight, positions, mode)
    if not call.operation.is_bag:
        output = output.reshape(*inputs["indices"].shape, weight.shape[1])
    answer = {"output": output, **inputs_after(inputs), "weight_after": weight}
    answer["trainable"] = np.array(trainable(call))
    answer["output_shares_memory"] = np.array(np.shares_memory(output, weight))
    answer["shares_memory"] = np.array(np.shares_memory(weight, inputs.get("weight", output)))
    if differentiates:
        answer |= differentiate(call, before, weight, positions, mode, padding)
    return answer


def _embed_stored(call: Call) -> Answer:
    _weight(call)
    stored, seen = stored_call(call)
    return {**_embed(stored), **seen, **inputs_after(call.inputs)}


def _weight(call: Call) -> np.ndarray:
    """Return the weight that the call works on: the caller's own memory, or a fresh module's."""
    options = call.options
    if call.operation.is_fresh:
        shape = (options["num_embeddings"], options["embedding_dim"])
        # Not seeded: nothing may depend on what a fresh weight is.
        weight = np.random.default_rng().standard_normal(shape)
        weight = weight.astype(call.option("dtype"))
        padding = padding_row(call.option("padding_idx"), shape[0])
        if padding is not None:
            weight[padding] = 0
        return weight
    weight = call.inputs["weight"]
    if weight.ndim != 2:
        raise ValueError(f"the weight must have 2 dimensions, not {weight.ndim}")
    # NumPy has kind V for dtypes of ml_dtypes, bfloat16 say. Bags check their own weight.
    if not call.operation.is_bag and weight.dtype.kind not in "fV":
        raise TypeError(f"a lookup needs a floating weight, not {weight.dtype}")
    return weight
