"""`openvino-recipe`: the recipe `with_openvino`, called as somebody would who copied it.

Models are compiled beforehand, each of its table. A call is the checks and the inference. OpenVINO
has no gradients. Its CPU adds in single precision, so that bags of double precision are refused.
Maxima are NumPy's, of rows that a model looks up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from inspect import signature
from typing import Any

import numpy as np
import openvino

from embcheck.backends.on_openvino import ops
from embcheck.backends.recipes import with_openvino, with_openvino_one_hot
from embcheck.backends.recipes.calls import WITHOUT_CHECKS
from embcheck.conformance.contract.backend import (
    BackendInfo,
    Capability,
    Provided,
    Provision,
    Unsupported,
    inputs_after,
)
from embcheck.conformance.contract.call import Call, Observation, Operation

_NATIVE = "by OpenVINO's own operations  # counts from the end, or gives zeros"
_BUILDERS: Mapping[Operation, Callable[..., Any]] = {
    Operation.EMBEDDING: with_openvino.embedding,
    Operation.EMBEDDING_BAG: with_openvino.embedding_bag,
    Operation.ONE_HOT: with_openvino_one_hot.one_hot,
}
_CAPABILITIES = (
    Capability.PADDING_IDX,
    Capability.PER_SAMPLE_WEIGHTS,
    Capability.INCLUDE_LAST_OFFSET,
)
_GIVEN = ("indices", "offsets", "per_sample_weights")
_SHOWN = {Observation.OUTPUT, Observation.WEIGHT_AFTER, Observation.INPUTS_AFTER}

Answer = Mapping[str, np.ndarray]


def _file(build: Callable[..., Any]) -> str:
    return build.__module__.rpartition(".")[2] + ".py"


class OpenVinoRecipe:
    """Answers calls by the recipe's models on the CPU."""

    info = BackendInfo(
        id="openvino-recipe",
        library="openvino",
        version=openvino.__version__.split("-")[0],
        modules=("openvino", with_openvino.__name__, with_openvino_one_hot.__name__),
        operations={
            name: Provided(Provision.COMPOSED, f"recipes/{_file(build)}: {name}")
            for name, build in _BUILDERS.items()
        },
        capabilities=frozenset(_CAPABILITIES),
        survives_fork=True,
    )

    def prepare(self, call: Call) -> Callable[[], Answer]:
        """Compile the model of the call's table, and return a thunk of its inference."""
        return _thunk(call)

    def spellings(self, call: Call) -> Mapping[str, Callable[[], Answer]]:
        """Return the recipe without its checks, and OpenVINO's own operations."""
        if call.operation is Operation.ONE_HOT:
            return {}
        found = {WITHOUT_CHECKS: _thunk(call, check=False)}
        native = ops.OpenVinoOps()
        try:
            run = native.prepare(call)
        except Unsupported:
            return found  # OpenVINO has no spelling to compare with.
        return {**found, _NATIVE: lambda: native.to_numpy(run())}

    def to_numpy(self, answer: Answer) -> Answer:
        """Return the answer as it is: its values are NumPy arrays already."""
        return answer


def _thunk(call: Call, **more: bool) -> Callable[[], Answer]:
    if call.operation not in _BUILDERS:
        raise Unsupported(f"the recipe has no {call.operation}")
    if unknown := set(call.observe) - _SHOWN:
        raise Unsupported(f"the recipe shows no {', '.join(sorted(unknown))}")
    build = _BUILDERS[call.operation]
    taken = signature(build).parameters
    used = {
        name for name, value in call.options.items() if value is not None and value is not False
    }
    if unknown := used - set(taken):
        raise Unsupported(f"the recipe's {call.operation} has no {', '.join(sorted(unknown))}")
    options = {name: value for name, value in call.options.items() if name in taken}
    if "weight" in taken:
        options["weight"] = call.inputs["weight"]
    if "weighted" in taken:
        options["weighted"] = "per_sample_weights" in call.inputs
    ask = build(**options, **more)
    given = {name: call.inputs[name] for name in _GIVEN if name in call.inputs}
    return lambda: {**inputs_after(call.inputs), "output": ask(**given)}
