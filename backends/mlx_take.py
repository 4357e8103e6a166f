"""MLX on the CPU: `mx.take(weight, indices, axis=0)`, and the module `mlx.nn.Embedding`.

MLX documents neither bounds checks nor bags; `mlx_lookups` composes bags of its operations. A
module's own table is given to it by `load_weights`, and frozen by `freeze`. Gradients are those of
`mx.grad`, or `nn.value_and_grad` for a module, and a training step is one of `optimizers.SGD` or
`Adagrad`, which is given PyTorch's epsilon, for a module with a factor beside it: there is no
gradient of nothing. MLX is lazy, so that every call ends in `mx.eval`. A float64 array stays one,
of which MLX must be told.
https://ml-explore.github.io/mlx/build/html/usage/indexing.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from importlib.metadata import version
from typing import Any

import ml_dtypes
import mlx.core as mx
import numpy as np
from mlx import nn, optimizers

from embcheck.backends import composition, composition_script
from embcheck.backends.mlx_lookups import LANGUAGE, look_up, reduce_matrix, reduce_segments
from embcheck.conformance.contract.backend import (
    BackendInfo,
    Capability,
    Provided,
    Provision,
    Unsupported,
    inputs_after,
)
from embcheck.conformance.contract.call import Call, Observation, Operation
from embcheck.conformance.contract.help import helps

Arrays = dict[str, Any]
Answer = tuple[Arrays, Arrays]
"""What was observed, and the arrays that the caller finds after the call."""

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

_MODULES = (Operation.EMBEDDING_MODULE, Operation.EMBEDDING_FROM_PRETRAINED)

_GRADIENTS = {
    Observation.GRAD_WEIGHT: "weight",
    Observation.GRAD_PER_SAMPLE_WEIGHTS: "per_sample_weights",
}

_OPTIMISERS: dict[str, Callable[[], Any]] = {
    Observation.TRAINED_WEIGHT: lambda: optimizers.SGD(learning_rate=1.0),
    Observation.WEIGHT_TRAINED_BY_ADAGRAD: lambda: optimizers.Adagrad(1.0, eps=1e-10),
}

_OBSERVABLE = {
    *("output", "weight_after", "inputs_after", *_GRADIENTS),
    *(Observation.GRAD_WEIGHT_AFTER_EARLIER_USE, Observation.TRAINABLE, *_OPTIMISERS),
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
        """Copy the inputs to MLX, make the module, and return what evaluates all that is asked."""
        _expect_known(call)
        arrays = {name: _to_mlx(array) for name, array in call.inputs.items()}
        if composition.ends_early(call):
            helps(composition.CUTS)
        observe = partial(_observe, call, arrays)
        if call.operation in _MODULES:
            module = _module(call, arrays)
            arrays["weight"] = module.weight
            observe = partial(_observe_module, call, module, arrays)
        mx.eval(arrays)

        def run() -> Answer:
            observed = observe()
            mx.eval(observed)
            return observed, arrays

        return run

    def script(self, call: Call) -> str:
        """Write a call as MLX's users would."""
        _expect_known(call)
        return composition_script.write(call, LANGUAGE)

    def to_numpy(self, answer: Answer) -> Mapping[str, np.ndarray]:
        """Copy the arrays home."""
        observed, found = ({n: _to_numpy(a) for n, a in part.items()} for part in answer)
        return {**inputs_after(found), **observed}


def _to_mlx(array: np.ndarray) -> mx.array:
    if array.dtype != np.float64:
        return mx.array(array)
    helps("tells mx.array that float64 stays float64, for by itself it makes float32")
    return mx.array(array, mx.float64)


def _to_numpy(array: mx.array | bool) -> np.ndarray:
    if isinstance(array, mx.array) and array.dtype == mx.bfloat16:
        return np.array(array.view(mx.uint16)).view(ml_dtypes.bfloat16)
    return np.array(array)


def _expect_known(call: Call) -> None:
    if call.operation not in _OPERATIONS:
        raise Unsupported(f"MLX has no {call.operation}")
    composition.expect_only(call, "MLX", _OPTIONS[call.operation], _OBSERVABLE)
    if call.operation.is_bag:
        composition.expect_mode(call, ("sum", "mean", "max"))


def _module(call: Call, arrays: Arrays) -> nn.Embedding:
    if call.operation is Operation.EMBEDDING_MODULE:
        fresh = nn.Embedding(call.options["num_embeddings"], call.options["embedding_dim"])
        if call.options.get("dtype") is not None:
            fresh.set_dtype(getattr(mx, call.options["dtype"]))
        return fresh
    shape = arrays["weight"].shape
    module = nn.Embedding(shape[0], shape[-1])
    module.load_weights([("weight", arrays["weight"])])
    return module.freeze() if call.options.get("freeze", True) else module


def _look_up(call: Call, arrays: Arrays) -> mx.array:
    weight, indices, options = arrays["weight"], arrays["indices"], call.options
    if call.operation is Operation.EMBEDDING:
        return look_up(weight, indices)
    mode, factors = options.get("mode", "mean"), arrays.get("per_sample_weights")
    if "offsets" not in arrays:
        return reduce_matrix(weight, indices, mode, factors)
    bounds = arrays["offsets"]
    if not options.get("include_last_offset"):
        bounds = mx.concatenate([bounds, mx.array([len(indices)])])
    return reduce_segments(weight, indices, bounds, mode, factors)


def _observe(call: Call, arrays: Arrays) -> Arrays:
    observed = {"output": _look_up(call, arrays)}
    upstream = arrays.get("grad_output", mx.ones_like(observed["output"]))

    def loss(source: mx.array, name: str) -> mx.array:
        return (_look_up(call, {**arrays, name: source}) * upstream).sum()

    def loss_after_use(weight: mx.array) -> mx.array:
        return mx.square(weight).sum() + _look_up(call, {**arrays, "weight": weight}).sum()

    for observation, name in _GRADIENTS.items():
        if call.wants(observation):
            observed[observation] = mx.grad(loss)(arrays[name], name)
    if call.wants(Observation.GRAD_WEIGHT_AFTER_EARLIER_USE):
        observed["grad_weight_after_earlier_use"] = mx.grad(loss_after_use)(arrays["weight"])
    for name, optimiser in _OPTIMISERS.items():
        if call.wants(name):
            gradient = {"weight": mx.grad(loss)(arrays["weight"], "weight")}
            trained = optimiser().apply_gradients(gradient, {"weight": arrays["weight"]})
            observed[name] = trained["weight"]
    return observed


def _observe_module(call: Call, module: nn.Embedding, arrays: Arrays) -> Arrays:
    observed = {"output": module(arrays["indices"])}
    upstream = arrays.get("grad_output", mx.ones_like(observed["output"]))
    if call.wants(Observation.TRAINABLE):
        observed["trainable"] = "weight" in module.trainable_parameters()
    if call.wants(Observation.GRAD_WEIGHT):
        loss = nn.value_and_grad(module, lambda indices: (module(indices) * upstream).sum())
        observed["grad_weight"] = loss(arrays["indices"])[1]["weight"]
    for name, optimiser in _OPTIMISERS.items():
        if call.wants(name):
            _train(module, arrays["indices"], upstream, optimiser())
            observed[name] = module.weight
    return observed


def _train(module: nn.Embedding, indices: mx.array, upstream: mx.array, optimiser: Any) -> None:
    model = nn.Module()
    model.embedding, model.factor = module, upstream
    loss = nn.value_and_grad(model, lambda i: (module(i) * model.factor).sum())
    optimiser.update(model, loss(indices)[1])
