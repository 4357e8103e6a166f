"""Lookups as LiteRT models, which TensorFlow's converter makes, kept on disk.

`tf.lite.TFLiteConverter.from_concrete_functions` is given a function whose inputs have the call's
types and ranks, and sizes that are open, so that one model serves all calls that are spelled alike:
https://www.tensorflow.org/api_docs/python/tf/lite/TFLiteConverter. Only LiteRT's own operations are
allowed: `ai_edge_litert` runs no others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.lite.python.convert import ConverterError

from embcheck.backends import graph_cache
from embcheck.backends.on_tensorflow.lookups import look_up, one_hot, reduce
from embcheck.conformance.contract.cache import cache_folder
from embcheck.conformance.contract.call import Call, Operation

FUNCTIONS: Mapping[Operation, Callable[..., Any]] = {
    Operation.EMBEDDING: look_up,
    Operation.EMBEDDING_BAG: reduce,
    Operation.ONE_HOT: one_hot,
}

_SOURCES = [
    Path(__file__).with_name(name).read_text() for name in ("litert_models.py", "lookups.py")
]


def model_of(call: Call, options: Mapping[str, Any]) -> bytes:
    """Convert a call's lookup, or find its model on the disk; raises what the converter raises."""
    inputs = {name: (array.dtype.name, array.ndim) for name, array in arrays_of(call).items()}
    spelling = (call.operation, sorted(options.items()), inputs)
    key = graph_cache.key_of(*spelling, tf.__version__, *_SOURCES)
    model = graph_cache.made_once(cache_folder("litert"), key, lambda: _convert(call, options))
    if isinstance(model, graph_cache.Refusal):
        raise model.error()
    return model


def arrays_of(call: Call) -> dict[str, np.ndarray]:
    """Return the inputs that the model takes."""
    return {name: array for name, array in call.inputs.items() if name != "grad_output"}


def _convert(call: Call, options: Mapping[str, Any]) -> bytes | graph_cache.Refusal:
    module, function = tf.Module(), FUNCTIONS[call.operation]

    def lookup(**given: Any) -> dict[str, Any]:
        if call.operation is not Operation.ONE_HOT or "weight" not in given:
            return {"output": function(**given, **options)}
        output, weight = function(given["indices"], **options), given["weight"]
        return {"output": output, "product": tf.cast(output, weight.dtype) @ weight}

    module.lookup = tf.function(lookup)
    concrete = module.lookup.get_concrete_function(
        **{
            name: tf.TensorSpec([None] * array.ndim, array.dtype, name)
            for name, array in arrays_of(call).items()
        }
    )
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], module)
    try:
        return bytes(converter.convert())
    except ConverterError as error:
        return graph_cache.Refusal.of(error)
