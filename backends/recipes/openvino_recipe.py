"""`openvino-recipe`: the recipe `with_openvino`, called as somebody would who copied it.

Models are compiled beforehand, each of its table. A call is the checks and the inference. OpenVINO
has no gradients, and so none of the options that change them. Its CPU adds in single precision, so
that bags of double precision are refused. A model alone refuses no index: see `clamp`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import openvino

from embcheck.backends.on_openvino import ops
from embcheck.backends.recipes import with_openvino as recipe
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

CLAMPED = "clamp=True  # moves bad indices into the table, and flags them"
_NATIVE = "by OpenVINO's own operations  # counts from the end, or gives zeros"

_BUILDERS: Mapping[Operation, Callable[..., Any]] = {
    Operation.EMBEDDING: recipe.embedding,
    Operation.EMBEDDING_BAG: recipe.embedding_bag,
    Operation.ONE_HOT: recipe.one_hot,
}
_OPTIONS = {
    Operation.EMBEDDING: {"padding_idx"},
    Operation.EMBEDDING_BAG: {"mode", "padding_idx", "include_last_offset"},
    Operation.ONE_HOT: {"num_classes"},
}
_GIVEN = ("indices", "offsets", "per_sample_weights")
_SHOWN = {Observation.OUTPUT, Observation.WEIGHT_AFTER, Observation.INPUTS_AFTER}

Answer = Mapping[str, np.ndarray]


class OpenVinoRecipe:
    """Answers calls by the recipe's models on the CPU."""

    info = BackendInfo(
        id="openvino-recipe",
        library="openvino",
        version=openvino.__version__.split("-")[0],
        modules=("openvino", recipe.__name__),
        operations={
            operation: Provided(Provision.COMPOSED, f"recipes/with_openvino.py: {operation}")
            for operation in _BUILDERS
        },
        capabilities=frozenset(
            {
                Capability.PADDING_IDX,
                Capability.PER_SAMPLE_WEIGHTS,
                Capability.INCLUDE_LAST_OFFSET,
            }
        ),
        survives_fork=True,
    )

    def prepare(self, call: Call) -> Callable[[], Answer]:
        """Compile the model of the call's table."""
        return _thunk(call)

    def spellings(self, call: Call) -> Mapping[str, Callable[[], Any]]:
        """Return the recipe without its checks, with those of a model, and OpenVINO's own way."""
        if call.operation is Operation.ONE_HOT:
            return {}
        found = {WITHOUT_CHECKS: _thunk(call, check=False), CLAMPED: _thunk(call, clamp=True)}
        try:
            native = ops.OpenVinoOps()
            found[_NATIVE] = partial(_ask, native, native.prepare(call))
        except Unsupported:
            pass  # It has no spelling of its own to compare with.
        return found

    def to_numpy(self, answer: Answer) -> Answer:
        """Return the arrays, which are NumPy's."""
        return answer


def _thunk(call: Call, **guards: bool) -> Callable[[], Answer]:
    if call.operation not in _BUILDERS:
        raise Unsupported(f"the recipe has no {call.operation}")
    if unknown := set(call.observe) - _SHOWN:
        raise Unsupported(f"the recipe shows no {', '.join(sorted(unknown))}")
    taken = _OPTIONS[call.operation]
    for name, value in call.options.items():
        if name not in taken and value is not None and value is not False:
            raise Unsupported(f"the recipe's {call.operation} has no {name}")
    options = {name: value for name, value in call.options.items() if name in taken}
    if "per_sample_weights" in call.inputs:
        options["weighted"] = True
    table = [] if call.operation is Operation.ONE_HOT else [call.inputs["weight"]]
    ask = _BUILDERS[call.operation](*table, **options, **guards)
    given = {name: call.inputs[name] for name in _GIVEN if name in call.inputs}

    def run() -> Answer:
        answer = ask(**given)
        return {**inputs_after(call.inputs), "output": answer[0] if "clamp" in guards else answer}

    return run


def _ask(native: ops.OpenVinoOps, run: Callable[[], Any]) -> Answer:
    return native.to_numpy(run())
