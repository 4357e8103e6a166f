"""Lookups as LiteRT models, which TensorFlow's converter makes, cached on disk.

`tf.lite.TFLiteConverter.from_concrete_functions` is given a function whose inputs have the call's
types and ranks, but open sizes, so that one model serves all calls that differ only in sizes:
https://www.tensorflow.org/api_docs/python/tf/lite/TFLiteConverter. Only LiteRT's own operations are
allowed: `ai_edge_litert` runs no others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.lite.python.convert import ConverterError

from embcheck.backends.on_tensorflow.lookups import look_up, one_hot, reduce
from embcheck.conformance.contract.cache import cache_folder
from embcheck.conformance.contract.call import Call, Operation
from embcheck.conformance.contract.export_cache import Refusal, key_of, made_once

FUNCTIONS: Mapping[Operation, Callable[..., Any]] = {
    Operation.EMBEDDING: look_up,
    Operation.EMBEDDING_BAG: reduce,
    Operation.ONE_HOT: one_hot,
}

_SOURCES = [
    Path(__file__).with_name(name).read_text("utf-8")
    for name in ("litert_models.py", "litert_quantized.py", "lookups.py")
]


def model_of(call: Call, options: Mapping[str, Any]) -> bytes:
    """Convert a call's lookup, or find its model on disk; raise the converter's error, if any."""
    spelling = (call.operation, sorted(options.items()), described(arrays_of(call)))
    return kept("litert", spelling, lambda: _convert(call, options))


def arrays_of(call: Call) -> dict[str, np.ndarray]:
    """Return the inputs that the model takes."""
    return {name: array for name, array in call.inputs.items() if name != "grad_output"}


def described(arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Return the dtypes and ranks of arrays, on which a model with open sizes depends."""
    return {name: (array.dtype.name, array.ndim) for name, array in arrays.items()}


def kept(folder: str, spelling: tuple[Any, ...], make: Callable[[], bytes | Refusal]) -> bytes:
    """Make the model of a spelling, or find it on disk; raise the converter's error, if any."""
    # A model also depends on this code: a change of the code makes it anew.
    key = key_of(*spelling, tf.__version__, *_SOURCES)
    model = made_once(cache_folder(folder), key, make)
    if isinstance(model, Refusal):
        raise model.error()
    return model


def converted(
    module: tf.Module,
    lookup: Callable[..., Any],
    arrays: Mapping[str, np.ndarray],
    optimizations: Sequence[Any] = (),
) -> bytes | Refusal:
    """Convert a function of arrays like these, which may use the variables of a module."""
    # The converter finds only what the module refers to.
    module.lookup = tf.function(lookup)
    concrete = module.lookup.get_concrete_function(
        # Open sizes, so that one model serves all calls of these types and ranks.
        **{
            name: tf.TensorSpec([None] * array.ndim, array.dtype, name)
            for name, array in arrays.items()
        }
    )
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], module)
    converter.optimizations = list(optimizations)
    try:
        return bytes(converter.convert())
    except ConverterError as error:
        return Refusal.of(error)


def _convert(call: Call, options: Mapping[str, Any]) -> bytes | Refusal:
    function = FUNCTIONS[call.operation]

    def lookup(**given: Any) -> dict[str, Any]:
        # In a one_hot call, a table is only for the product.
        if call.operation is not Operation.ONE_HOT or "weight" not in given:
            return {"output": function(**given, **options)}
        output, weight = function(given["indices"], **options), given["weight"]
        return {"output": output, "product": tf.cast(output, weight.dtype) @ weight}

    return converted(tf.Module(), lookup, arrays_of(call))
