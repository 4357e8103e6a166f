"""LiteRT on models whose table TensorFlow's converter stored in int8: dynamic range quantisation.

`tf.lite.Optimize.DEFAULT` is all that a user asks for. The converter leaves tables of fewer than
1,024 elements as they are; the model's own tensors say so, and such a call is unsupported. Bags are
composed as they are for `litert`.
https://ai.google.dev/edge/litert/conversion/tensorflow/quantization/post_training_quant
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from embcheck.backends.composed import composition
from embcheck.backends.composed.stored_table import OF_THE_TABLE, SEEN, LookUp, observe
from embcheck.backends.on_tensorflow import litert_models, litert_script
from embcheck.backends.on_tensorflow.calls import options_of
from embcheck.backends.on_tensorflow.lookups import MODES, look_up, reduce
from embcheck.conformance.contract.backend import (
    BackendInfo,
    Capability,
    Provided,
    Provision,
    Unsupported,
    inputs_after,
)
from embcheck.conformance.contract.call import Call, Operation
from embcheck.conformance.contract.export_cache import Refusal

_CONVERTED = "tf.lite.TFLiteConverter, optimizations=[tf.lite.Optimize.DEFAULT], of {}"


class LitertInt8:
    """A model around the caller's table, converted."""

    info = BackendInfo(
        id="litert-int8",
        library="ai-edge-litert",
        exporters=("tensorflow",),
        version=version("ai-edge-litert"),
        operations={
            Operation.QUANTIZED_EMBEDDING: Provided(
                Provision.NATIVE,
                _CONVERTED.format("tf.nn.embedding_lookup(tf.Variable(weight), indices)"),
            ),
            Operation.QUANTIZED_EMBEDDING_BAG: Provided(
                Provision.COMPOSED,
                _CONVERTED.format(
                    "tf.reduce_sum, reduce_mean or reduce_max of tf.nn.embedding_lookup, or with "
                    "offsets of tf.RaggedTensor.from_row_starts(tf.nn.embedding_lookup, offsets)"
                ),
            ),
        },
        capabilities=frozenset(
            {
                Capability.MAX_NORM,
                Capability.PER_SAMPLE_WEIGHTS,
                Capability.INCLUDE_LAST_OFFSET,
            }
        ),
        schemes=frozenset({"int8-table"}),
        survives_fork=True,
    )

    def prepare(self, call: Call) -> Callable[[], Mapping[str, Any]]:
        """Convert the model, and return a thunk that looks up and observes its table."""
        _expect_known(call)
        model, arrays = _model_of(call, call.inputs["weight"]), _arrays(call)
        interpreter = Interpreter(model_content=model)
        codes = _codes(interpreter, call)
        if codes is None:
            raise Unsupported("the converter leaves this table as it is")
        runner = interpreter.get_signature_runner()
        if call.operation.is_bag:
            return lambda: {"output": runner(**arrays)["output"], **inputs_after(call.inputs)}

        def has_codes_of(table: np.ndarray) -> bool:
            other = Interpreter(model_content=_model_of(call, table))
            again = _codes(other, call)
            return again is not None and np.array_equal(codes, again)

        return lambda: observe(call, _by(runner), has_codes_of, lambda: _by(_loaded(model)))

    def to_numpy(self, answer: Mapping[str, Any]) -> Mapping[str, np.ndarray]:
        """Convert the answer to NumPy; a scalar output comes as a number."""
        return {name: np.asarray(seen) for name, seen in answer.items()}

    def script(self, call: Call) -> str:
        """Write the conversion, and a run of the model."""
        _expect_known(call)
        return litert_script.write_quantized(call, options_of(call.of_floats()))


def _expect_known(call: Call) -> None:
    if not call.operation.is_quantized:
        raise Unsupported(f"a table is stored for lookups and bags, not for {call.operation}")
    options = ("scheme", "max_norm", *(composition.BAG_OPTIONS if call.operation.is_bag else ()))
    composition.expect_only(call, "LiteRT", options, SEEN)
    if call.operation.is_bag:
        composition.expect_mode(call, MODES)
        if call.wants(*OF_THE_TABLE):
            raise Unsupported("a table is seen by a lookup, and a model of bags has none")


def _arrays(call: Call) -> dict[str, np.ndarray]:
    return {name: array for name, array in call.inputs.items() if name != "weight"}


def _by(runner: Any) -> LookUp:
    return lambda indices: np.asarray(runner(indices=indices)["output"])


def _codes(interpreter: Any, call: Call) -> np.ndarray | None:
    """Return the table's codes, or None if the model has none because the table was left as is."""
    # Before this call an interpreter has no tensors to read.
    interpreter.allocate_tensors()
    for tensor in interpreter.get_tensor_details():
        # The converter chooses any names, so the table is found by its dtype and shape.
        if tensor["dtype"] == np.int8 and tuple(tensor["shape"]) == call.inputs["weight"].shape:
            return np.asarray(interpreter.get_tensor(tensor["index"]))
    return None


def _loaded(model: bytes) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "saved.tflite")
        path.write_bytes(model)
        return Interpreter(model_path=str(path)).get_signature_runner()


def _model_of(call: Call, table: np.ndarray) -> bytes:
    """Convert a call's lookup, or find its model on disk; raise the converter's error, if any."""
    options = options_of(call.of_floats())
    # The table is a part of the model.
    held = (table.dtype.name, table.shape, hashlib.sha256(table.tobytes()).hexdigest())
    inputs = litert_models.described(_arrays(call))
    spelling = (call.operation, sorted(options.items()), inputs, held)
    return litert_models.kept("litert-int8", spelling, lambda: _convert(call, table, options))


def _convert(call: Call, table: np.ndarray, options: Mapping[str, Any]) -> bytes | Refusal:
    module = tf.Module()
    module.table = tf.Variable(table)
    function = reduce if call.operation.is_bag else look_up

    def lookup(**given: Any) -> dict[str, Any]:
        return {"output": function(module.table, **given, **options)}

    return litert_models.converted(module, lookup, _arrays(call), [tf.lite.Optimize.DEFAULT])
