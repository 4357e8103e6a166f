"""OpenVINO's operations, put together as a model: Gather, EmbeddingBagOffsets, OneHot and others.

https://docs.openvino.ai/2026/documentation/openvino-ir-format/operation-sets/operation-specs.html
OpenVINO has sums and means of bags, and no padding row or `max_norm`; maxima are composed of
Gather, and SegmentMax or ReduceMax. A bag ends where the next one starts, and the last one with the
indices: the last offset of a call is sliced off. A model serves all calls of its types and ranks;
only beside per-sample weights are the sizes the call's, since EmbeddingBagOffsets does not compile
for the CPU with both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import openvino

from embcheck.backends.composed import composition
from embcheck.backends.on_openvino import lookups, models
from embcheck.backends.on_openvino import opset as op
from embcheck.backends.on_openvino.models import Answer
from embcheck.conformance.contract.backend import (
    BackendInfo,
    Capability,
    Provided,
    Provision,
    Unsupported,
)
from embcheck.conformance.contract.call import Call, Operation
from embcheck.conformance.contract.help import helps

_ORDER = ("weight", "indices", "offsets", "per_sample_weights")
_OPTIONS = ("mode", "include_last_offset", "num_classes")
_OBSERVABLE = ("output", "product", "weight_after", "inputs_after")


_FUNCTIONS: dict[Operation, Callable[..., Any]] = {
    Operation.EMBEDDING: lookups.embedding,
    Operation.EMBEDDING_BAG: lookups.embedding_bag,
    Operation.ONE_HOT: lookups.one_hot,
}


class OpenVinoOps:
    """Models of OpenVINO's operations on the CPU."""

    info = BackendInfo(
        id="openvino-ops",
        library="openvino",
        version=openvino.__version__.split("-")[0],
        operations={
            Operation.EMBEDDING: Provided(
                Provision.NATIVE, f"{op.NAME}.gather(weight, indices, 0)"
            ),
            Operation.EMBEDDING_BAG: Provided(
                Provision.NATIVE,
                f"{op.NAME}.embedding_bag_offsets, or embedding_bag_packed; maxima by gather, then "
                "segment_max or reduce_max",
            ),
            Operation.ONE_HOT: Provided(
                Provision.NATIVE, f"{op.NAME}.one_hot(indices, num_classes, 1, 0, axis=-1)"
            ),
        },
        capabilities=frozenset({Capability.PER_SAMPLE_WEIGHTS, Capability.INCLUDE_LAST_OFFSET}),
        # For a segment number below 0, SegmentMax writes before its output.
        fresh_worker_after_bad_index=True,
        survives_fork=True,
    )

    def __init__(self) -> None:
        self._compiled: dict[str, Any] = {}

    def prepare(self, call: Call) -> Callable[[], Answer]:
        """Compile the model of the call's types and ranks once, and return its inference."""
        _expect_expressible(call)
        _declare_help(call)
        # Open sizes are -1, so that all calls of these types and ranks share a model.
        sizes = {name: _sizes(call, name) for name in _ORDER if name in call.inputs}
        types = [call.inputs[name].dtype.name for name in sizes]
        key = repr((call.operation, sorted(call.options.items()), sizes, types))
        if key not in self._compiled:
            self._compiled[key] = models.compiled(_model(call, sizes))
        arrays = [call.inputs[name] for name in sizes]
        return models.thunk(self._compiled[key], arrays, call.inputs)

    def script(self, call: Call) -> str:
        """Write the model, and its inference."""
        _expect_expressible(call)
        if models.needs_bits(call):
            raise Unsupported("no script is written for types that NumPy does not have")
        return _script(call)

    def to_numpy(self, answer: Answer) -> Mapping[str, np.ndarray]:
        """Name the outputs."""
        return models.to_numpy(answer)


def _expect_expressible(call: Call) -> None:
    if call.operation not in _FUNCTIONS:
        raise Unsupported(f"OpenVINO has no {call.operation}")
    composition.expect_only(call, "OpenVINO", _OPTIONS, _OBSERVABLE)
    if _is_maximum(call):
        composition.expect_mode(call, ("max",))
        if "offsets" not in call.inputs:
            composition.expect_bounds(call)
        # Older releases are among those that `nox -s versions` runs.
        elif not hasattr(op, "segment_max"):
            raise Unsupported("OpenVINO has SegmentMax since 2025.1: no maxima between offsets")
    if call.operation is Operation.ONE_HOT and call.option("num_classes") == -1:
        raise Unsupported("OpenVINO's one_hot does not infer the number of classes")


def _is_maximum(call: Call) -> bool:
    return call.operation.is_bag and call.option("mode") == "max"


def _function(call: Call) -> Callable[..., Any]:
    return lookups.maximise if _is_maximum(call) else _FUNCTIONS[call.operation]


def _declare_help(call: Call) -> None:
    if _is_maximum(call):
        helps("composes maxima of bags of Gather, and SegmentMax or ReduceMax")
    if "offsets" in call.inputs and call.option("include_last_offset"):
        helps("slices the last offset off")
    if "per_sample_weights" in call.inputs:
        helps("fixes the model's sizes to the call's, beside per-sample weights")


def _sizes(call: Call, name: str) -> list[int]:
    shape = call.inputs[name].shape
    return list(shape) if "per_sample_weights" in call.inputs else [-1] * len(shape)


def _options(call: Call) -> dict[str, Any]:
    given = {name: call.options[name] for name in _OPTIONS if name in call.options}
    if _is_maximum(call):
        del given["mode"]
    return given


def _model(call: Call, sizes: Mapping[str, list[int]]) -> Any:
    given = {
        name: op.parameter(
            openvino.PartialShape(shape),
            models.element_type(call.inputs[name].dtype),
            name,
        )
        for name, shape in sizes.items()
    }
    results = _function(call)(**given, **_options(call))
    return openvino.Model(results, list(given.values()), str(call.operation))


def _script(call: Call) -> str:
    function = _function(call)
    names = [name for name in _ORDER if name in call.inputs]
    arguments = [*(f"{n}=given[{n!r}]" for n in names)]
    arguments += [f"{name}={value!r}" for name, value in _options(call).items()]
    lines = [
        "from typing import Any\n",
        "import openvino",
        "import openvino.opset16 as op",
        f"\n\n{composition.source(function)}\n",
        f"arrays = {{{', '.join(f'{name!r}: {name}' for name in names)}}}",
        f"sizes = { ({name: _sizes(call, name) for name in names}) }",
        "given = {",
        "    name: op.parameter(sizes[name], openvino.Type(array.dtype), name)",
        "    for name, array in arrays.items()",
        "}",
        f"results = {function.__name__}({', '.join(arguments)})",
        'model = openvino.Model(results, list(given.values()), "lookup")',
        f'compiled = openvino.compile_model(model, "CPU", {models.CONFIG})',
        "outputs = compiled(list(arrays.values()))",
        "output = outputs[0]",
    ]
    return "\n".join(lines + (["product = outputs[1]"] if call.wants("product") else []))
