"""tinygrad on the CPU: `weight[indices]`, the module `tinygrad.nn.Embedding`, and `Tensor.one_hot`.

`tinygrad_lookups` composes bags of its operations. A module's own table is given to it by
`nn.state.load_state_dict`, and kept from training by `is_param_`. Gradients are those of
`Tensor.gradient`, and a training step is one of `nn.optim.SGD`, in whose company a factor is
trained that starts as `grad_output`: it refuses to train nothing. The table is realised before a
call, and a call ends in `Tensor.realize`. Its device CPU compiles with clang, and keeps the code
on disk; NumPy's extended dtypes travel as bits. https://docs.tinygrad.org/nn/#tinygrad.nn.Embedding
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from functools import partial
from importlib.metadata import version
from typing import Any

import numpy as np
from tinygrad import Context, Tensor, helpers, nn

from embcheck.backends.composed import composition, script
from embcheck.backends.composed.lookups import GRADIENTS
from embcheck.backends.composed.tinygrad_lookups import LANGUAGE, LOOKUPS, to_array, to_tensor
from embcheck.conformance.contract.backend import (
    BackendInfo,
    Capability,
    Provided,
    Provision,
    Unavailable,
    Unsupported,
    inputs_after,
)
from embcheck.conformance.contract.cache import cache_folder
from embcheck.conformance.contract.call import Call, Observation, Operation

Tensors = dict[str, Tensor]
Answer = tuple[Tensors, Tensors, dict[str, bool]]
"""The observations, the tensors that the caller finds after the call, and the flags."""

_OPERATIONS = {
    Operation.EMBEDDING: Provided(Provision.NATIVE, "weight[indices]"),
    Operation.EMBEDDING_MODULE: Provided(Provision.NATIVE, "tinygrad.nn.Embedding"),
    Operation.EMBEDDING_FROM_PRETRAINED: Provided(
        Provision.COMPOSED,
        "tinygrad.nn.Embedding(*weight.shape), nn.state.load_state_dict and is_param_",
    ),
    Operation.EMBEDDING_BAG: Provided(
        Provision.COMPOSED,
        "weight[indices], then Tensor.sum, mean or max, or with offsets "
        "Tensor.zeros(...).scatter_reduce(..., include_self=False)",
    ),
    Operation.ONE_HOT: Provided(Provision.NATIVE, "indices.one_hot(num_classes)"),
}

_OPTIONS: dict[Operation, tuple[str, ...]] = {
    Operation.EMBEDDING: (),
    Operation.EMBEDDING_MODULE: ("num_embeddings", "embedding_dim"),
    Operation.EMBEDDING_FROM_PRETRAINED: ("freeze",),
    Operation.EMBEDDING_BAG: composition.BAG_OPTIONS,
    Operation.ONE_HOT: ("num_classes",),
}

_OBSERVABLE = {
    *("output", "product", "weight_after", "inputs_after", *GRADIENTS),
    *(Observation.TRAINED_WEIGHT, Observation.TRAINABLE),
}


class TinygradIndex:
    """Indexing, modules and one-hot encoding on tinygrad's device CPU."""

    def __init__(self) -> None:
        compiler = os.environ.get("CC", "clang")
        if shutil.which(compiler) is None:
            raise Unavailable(f"tinygrad compiles for the CPU with {compiler}: install clang")
        # By itself tinygrad takes the first device that it finds, and writes to the home folder.
        helpers.DEV.value = "CPU"
        helpers.CACHEDB = str(cache_folder("tinygrad") / "cache.db")
        os.environ["CACHEDB"] = helpers.CACHEDB  # for the processes that compile
        self.info = BackendInfo(
            id="tinygrad",
            library="tinygrad",
            version=version("tinygrad"),
            operations=_OPERATIONS,
            capabilities=frozenset(
                {
                    Capability.GRADIENTS,
                    Capability.TRAINING,
                    Capability.PER_SAMPLE_WEIGHTS,
                    Capability.INCLUDE_LAST_OFFSET,
                }
            ),
        )

    def prepare(self, call: Call) -> Callable[[], Answer]:
        """Copy the inputs, make the module, and return a thunk that realises the observations."""
        _expect_known(call)
        tensors = {name: to_tensor(array) for name, array in call.inputs.items()}
        look_up = partial(_look_up, call, tensors)
        if call.operation.makes_module:
            module = _module(call, tensors)
            tensors["weight"] = module.weight
            look_up = partial(module, tensors["indices"])
        # tinygrad is lazy: otherwise the copies would be made, and timed, in the call.
        Tensor.realize(*tensors.values())
        found = tensors if call.wants_inputs else {}

        def run() -> Answer:
            observed = _observe(call, look_up, tensors)
            Tensor.realize(*observed.values())
            is_asked = call.wants(Observation.TRAINABLE)
            flags = {"trainable": tensors["weight"].is_param} if is_asked else {}
            return observed, found, flags

        return run

    def script(self, call: Call) -> str:
        """Write a call as tinygrad users would."""
        _expect_known(call)
        return script.write(call, LANGUAGE)

    def to_numpy(self, answer: Answer) -> Mapping[str, np.ndarray]:
        """Copy the tensors to NumPy."""
        observed, found = ({n: to_array(t) for n, t in part.items()} for part in answer[:2])
        flags = {name: np.array(flag) for name, flag in answer[2].items()}
        return {**inputs_after(found), **flags, **observed}


def _expect_known(call: Call) -> None:
    composition.expect_known(call, "tinygrad", _OPTIONS, _OBSERVABLE)
    if call.operation.is_bag:
        composition.expect_bounds(call, for_matrices=False)
        composition.expect_mode(call, ("sum", "mean", "max"))
    if call.operation is Operation.EMBEDDING_FROM_PRETRAINED and call.inputs["weight"].ndim != 2:
        raise Unsupported("tinygrad.nn.Embedding is told two sizes, of rows and columns")


def _module(call: Call, tensors: Tensors) -> Any:
    if call.operation.is_fresh:
        return nn.Embedding(call.options["num_embeddings"], call.options["embedding_dim"])
    module = nn.Embedding(*tensors["weight"].shape)
    nn.state.load_state_dict(module, {"weight": tensors["weight"]}, verbose=False)
    module.weight.is_param_(not call.is_frozen)
    return module


def _look_up(call: Call, tensors: Tensors) -> Any:
    if call.operation is Operation.ONE_HOT:
        return tensors["indices"].one_hot(call.option("num_classes"))
    return LOOKUPS.take(call, tensors)


def _observe(call: Call, look_up: Callable[[], Tensor], tensors: Tensors) -> Tensors:
    output = look_up()
    observed = {"output": output}
    for observation, name in GRADIENTS.items():
        if call.wants(observation):
            upstream = _upstream(output, tensors)
            (observed[observation],) = output.gradient(tensors[name], gradient=upstream)
    if call.wants(Observation.PRODUCT):
        weight = tensors["weight"]
        observed["product"] = output.cast(weight.dtype) @ weight
    if call.wants(Observation.TRAINED_WEIGHT):
        weight, factor = tensors["weight"], _upstream(output, tensors).clone()
        # Without TRAINING, which is off by default, `step` raises.
        with Context(TRAINING=1):
            optimiser = nn.optim.SGD([weight, factor], lr=1)
            optimiser.zero_grad()
            (output * factor).sum().backward()
            optimiser.step()
        observed["trained_weight"] = weight
    return observed


def _upstream(output: Tensor, tensors: Tensors) -> Tensor:
    return tensors.get("grad_output", Tensor.ones_like(output))
