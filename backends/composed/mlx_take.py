"""MLX on the CPU: `mx.take(weight, indices, axis=0)`, and the module `mlx.nn.Embedding`.

MLX documents neither bounds checks nor bags; `mlx_lookups` composes bags of its operations. A
module's own table is given to it by `load_weights`, and frozen by `freeze`; `mlx_observe` has what
is shown. MLX is lazy, so that every call ends in `mx.eval`. A float64 array stays one, of which MLX
must be told.
https://ml-explore.github.io/mlx/build/html/usage/indexing.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from importlib.metadata import version

import mlx.core as mx
import numpy as np
from mlx import nn

from embcheck.backends.composed import composition, script
from embcheck.backends.composed.answers import brought_home
from embcheck.backends.composed.lookups import GRADIENTS
from embcheck.backends.composed.mlx_lookups import LANGUAGE, to_array
from embcheck.backends.composed.mlx_observe import OPTIMISERS, Arrays, observe, observe_module
from embcheck.conformance.contract.backend import (
    BackendInfo,
    Capability,
    Provided,
    Provision,
)
from embcheck.conformance.contract.call import Call, Observation, Operation
from embcheck.conformance.contract.help import helps

Answer = tuple[Arrays, Arrays]
"""The observations, and the arrays that the caller finds after the call."""

_OPERATIONS = {
    Operation.EMBEDDING: Provided(Provision.NATIVE, "mx.take(weight, indices, axis=0)"),
    Operation.EMBEDDING_MODULE: Provided(
        Provision.NATIVE, "mlx.nn.Embedding, then set_dtype if a dtype is asked for"
    ),
    Operation.EMBEDDING_FROM_PRETRAINED: Provided(
        Provision.COMPOSED,
        "mlx.nn.Embedding(weight.shape[0], weight.shape[-1]), load_weights, freeze",
    ),
    Operation.EMBEDDING_BAG: Provided(
        Provision.COMPOSED,
        "mx.take, then mx.sum, mean or max, or with offsets mx.zeros(...).at[bags].add(rows), "
        "where bags = mx.searchsorted(offsets, mx.arange(n), side='right')",
    ),
}

_OPTIONS = {
    Operation.EMBEDDING: (),
    Operation.EMBEDDING_MODULE: ("num_embeddings", "embedding_dim", "dtype"),
    Operation.EMBEDDING_FROM_PRETRAINED: ("freeze",),
    Operation.EMBEDDING_BAG: composition.BAG_OPTIONS,
}

_OBSERVABLE = {
    *("output", "weight_after", "inputs_after", *GRADIENTS),
    *(Observation.GRAD_WEIGHT_AFTER_EARLIER_USE, Observation.TRAINABLE, *OPTIMISERS),
}


class MlxTake:
    """MLX on its default device, which is the CPU where there is no GPU of Apple's."""

    def __init__(self) -> None:
        self.info = BackendInfo(
            id="mlx",
            library="mlx",
            version=version("mlx"),
            device=str(mx.default_device().type).rpartition(".")[2],
            operations=_OPERATIONS,
            capabilities=frozenset(
                {
                    Capability.GRADIENTS,
                    Capability.TRAINING,
                    Capability.ADAGRAD,
                    Capability.PER_SAMPLE_WEIGHTS,
                    Capability.INCLUDE_LAST_OFFSET,
                }
            ),
            fresh_worker_after_bad_index=True,
            survives_fork=True,
        )

    def prepare(self, call: Call) -> Callable[[], Answer]:
        """Copy the inputs to MLX, make the module, and return a thunk of the observations."""
        _expect_known(call)
        arrays = {name: _to_mlx(array) for name, array in call.inputs.items()}
        if composition.ends_early(call):
            helps(composition.CUTS)
        show = partial(observe, call, arrays)
        if call.operation.makes_module:
            module = _module(call, arrays)
            arrays["weight"] = module.weight
            show = partial(observe_module, call, module, arrays)
        # MLX is lazy: otherwise the copies would be made, and timed, in the call.
        mx.eval(arrays)
        found = arrays if call.wants_inputs else {}

        def run() -> Answer:
            observed = show()
            mx.eval(observed)
            return observed, found

        return run

    def script(self, call: Call) -> str:
        """Write a call as MLX users would."""
        _expect_known(call)
        return script.write(call, LANGUAGE)

    def to_numpy(self, answer: Answer) -> Mapping[str, np.ndarray]:
        """Copy the arrays to NumPy."""
        return brought_home(answer, to_array)


def _to_mlx(array: np.ndarray) -> mx.array:
    if array.dtype != np.float64:
        return mx.array(array)
    helps("tells mx.array that float64 stays float64, for by itself it makes float32")
    return mx.array(array, mx.float64)


def _expect_known(call: Call) -> None:
    composition.expect_known(call, "MLX", _OPTIONS, _OBSERVABLE)
    if call.operation.is_bag:
        composition.expect_mode(call, ("sum", "mean", "max"))


def _module(call: Call, arrays: Arrays) -> nn.Embedding:
    if call.operation.is_fresh:
        fresh = nn.Embedding(call.options["num_embeddings"], call.options["embedding_dim"])
        if call.options.get("dtype") is not None:
            fresh.set_dtype(getattr(mx, call.options["dtype"]))
        return fresh
    shape = arrays["weight"].shape
    # `load_weights` compares the shapes, so that MLX itself refuses a table that is not 2-D.
    module = nn.Embedding(shape[0], shape[-1])
    module.load_weights([("weight", arrays["weight"])])
    return module.freeze() if call.is_frozen else module
