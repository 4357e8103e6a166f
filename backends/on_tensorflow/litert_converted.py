"""LiteRT, the runtime that was TensorFlow Lite, on models that TensorFlow's converter made.

A model runs on the CPU through `ai_edge_litert.interpreter.Interpreter` and the runner of its
signature, which fits it to the sizes of the inputs. The converter has no operation of LiteRT's for
`tf.nn.safe_embedding_lookup_sparse`, so that bags are composed as they are for XLA, of ragged rows.
https://ai.google.dev/edge/litert
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.metadata import version

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from embcheck.backends.composed import composition
from embcheck.backends.on_tensorflow import litert_models, litert_script
from embcheck.backends.on_tensorflow.calls import expect_known, options_of
from embcheck.backends.on_tensorflow.infos import RAGGED_BAGS, provided
from embcheck.backends.on_tensorflow.lookups import CUT, cut, reduce
from embcheck.conformance.contract.backend import (
    BackendInfo,
    Capability,
    Unsupported,
    inputs_after,
)
from embcheck.conformance.contract.call import Call

Answer = tuple[dict[str, np.ndarray], Mapping[str, np.ndarray]]
"""The model's outputs, and the arrays that the caller finds after the call."""

_OBSERVABLE = ("output", "product", "weight_after", "inputs_after")


class Litert:
    """Converted lookups on LiteRT's interpreter."""

    info = BackendInfo(
        id="litert",
        library="ai-edge-litert",
        exporters=("tensorflow",),
        version=version("ai-edge-litert"),
        operations=provided(RAGGED_BAGS, "tf.lite.TFLiteConverter, of {}"),
        capabilities=frozenset(
            {
                Capability.MAX_NORM,
                Capability.PER_SAMPLE_WEIGHTS,
                Capability.INCLUDE_LAST_OFFSET,
            }
        ),
        made_from="tensorflow-eager",
        survives_fork=True,
    )

    def prepare(self, call: Call) -> Callable[[], Answer]:
        """Convert the lookup or find its model, and return a thunk that runs it."""
        _expect_known(call)
        return _thunk(call, lambda arrays: arrays)

    def spellings(self, call: Call) -> dict[str, Callable[[], Answer]]:
        """Return the call with its 1-D inputs cut at the last offset, if values lie behind it."""
        _expect_known(call)
        if not composition.ends_early(call):
            return {}
        return {CUT: _thunk(call, lambda arrays: {**arrays, **cut(arrays)})}

    def script(self, call: Call) -> str:
        """Write the conversion, and a run of the model."""
        _expect_known(call)
        return litert_script.write(call, options_of(call))

    def to_numpy(self, answer: Answer) -> Mapping[str, np.ndarray]:
        """Return the outputs, and the inputs that the caller finds, as NumPy arrays."""
        outputs, found = answer
        # An output without dimensions comes as a number.
        return {**inputs_after(found), **{name: np.asarray(a) for name, a in outputs.items()}}


def _thunk(
    call: Call, given: Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]
) -> Callable[[], Answer]:
    model = litert_models.model_of(call, options_of(call))
    runner = Interpreter(model_content=model).get_signature_runner()
    arrays = litert_models.arrays_of(call)
    return lambda: (runner(**given(arrays)), arrays)


def _expect_known(call: Call) -> None:
    if call.operation not in litert_models.FUNCTIONS:
        raise Unsupported(f"LiteRT's models have no {call.operation}: their table is an input")
    expect_known(call, reduce)
    composition.expect_only(call, "LiteRT", call.options.keys() - {"sparse"}, _OBSERVABLE)
