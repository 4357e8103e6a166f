"""OpenVINO, on what `openvino.convert_model` makes of PyTorch's functions and modules.

The conversion traces a module with examples by `torch.jit.trace`, as OpenVINO's documentation
shows. It refuses bags of mode max, the last offset and `max_norm`, and drops `padding_idx` of bags.
Beside per-sample weights the converted model gets the call's sizes by `Model.reshape`:
https://docs.openvino.ai/2026/openvino-workflow/model-preparation/convert-model-pytorch.html
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import openvino

from embcheck.backends.on_openvino import models
from embcheck.backends.on_openvino.models import Answer
from embcheck.backends.on_torch import inference_script
from embcheck.backends.on_torch.inference import INFERS, Exported, exported, provided
from embcheck.conformance.contract.backend import BackendInfo, Capability, Unsupported
from embcheck.conformance.contract.call import Call
from embcheck.conformance.contract.help import helps

os.environ.setdefault("CI", "true")
"""Otherwise OpenVINO reports each conversion to its makers, by a process that it forks."""

_CONVERT = "model = openvino.convert_model(lookup, example_input=examples)"

_RESIZE = "model.reshape({place: list(array.shape) for place, array in enumerate(arrays)})"

_RUN = f"""\
compiled = openvino.compile_model(model, "CPU", {models.CONFIG})
outputs = compiled(list(arrays))"""


class OpenVinoTorch:
    """Converted lookups on the CPU; those of functions are kept for the calls that come."""

    info = BackendInfo(
        id="openvino-torch",
        library="openvino",
        exporters=("torch",),
        version=openvino.__version__.split("-")[0],
        operations=provided("openvino.convert_model of {}"),
        capabilities=INFERS - {Capability.MAX_NORM, Capability.INCLUDE_LAST_OFFSET},
        made_from="torchscript-trace",
        survives_fork=True,
        settings={"CI": "true: its telemetry is off"},
    )

    def __init__(self) -> None:
        self._compiled: dict[str, Any] = {}

    def prepare(self, call: Call) -> Callable[[], Answer]:
        """Convert and compile the lookup, unless done before, and return its inference."""
        lookup = exported(call)
        arrays = [call.inputs[name] for name in lookup.names]
        if _is_static(lookup):
            helps("fixes the model's sizes to the call's, beside per-sample weights")
        # A module holds the call's own table, so its model is of no use to another call.
        if call.operation.makes_module:
            return models.thunk(_compiled(lookup, arrays), arrays, lookup.found(call))
        # The conversion sees the examples; the arrays count only if sizes are fixed.
        types = [(example.dtype, tuple(example.shape)) for example in lookup.examples]
        types += [array.shape for array in arrays if _is_static(lookup)]
        key = repr((call.operation, sorted(call.options.items()), lookup.names, types))
        if key not in self._compiled:
            self._compiled[key] = _compiled(lookup, arrays)
        return models.thunk(self._compiled[key], arrays, call.inputs)

    def script(self, call: Call) -> str:
        """Write the conversion, and its inference."""
        if models.needs_bits(call):
            raise Unsupported("no script is written for types that NumPy does not have")
        lookup = inference_script.lookup_of(call)
        lines = [_CONVERT, *([_RESIZE] if _is_static(lookup) else []), _RUN]
        return inference_script.write(call, lookup, ["import openvino"], "\n".join(lines))

    def to_numpy(self, answer: Answer) -> Mapping[str, np.ndarray]:
        """Name the outputs."""
        return models.to_numpy(answer)


def _compiled(lookup: Exported, arrays: list[np.ndarray]) -> Any:
    model = openvino.convert_model(lookup.lookup, example_input=lookup.examples)
    if _is_static(lookup):
        model.reshape({place: list(array.shape) for place, array in enumerate(arrays)})
    return models.compiled(model)


def _is_static(lookup: Exported) -> bool:
    """Return whether the sizes must be the call's, as the CPU requires for bags with weights."""
    return "per_sample_weights" in lookup.names
