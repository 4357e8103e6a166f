"""A call as lines of TensorFlow's converter and LiteRT's interpreter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from embcheck.backends.composed.composition import source
from embcheck.backends.composed.stored_table import require_written
from embcheck.backends.on_tensorflow.litert_models import arrays_of
from embcheck.backends.on_tensorflow.lookups import reduce
from embcheck.backends.on_tensorflow.script import taking
from embcheck.conformance.contract.call import Call

_CONVERTER = """\
module.lookup = lookup
concrete = lookup.get_concrete_function(
    **{
        name: tf.TensorSpec([None] * array.ndim, array.dtype, name)
        for name, array in arrays.items()
    }
)
converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], module)"""
_RUN = f"""\
{_CONVERTER}
interpreter = Interpreter(model_content=converter.convert())
outputs = interpreter.get_signature_runner()(**arrays)
output = outputs["output"]"""

_QUANTIZED = f"""\
{_CONVERTER}
converter.optimizations = [tf.lite.Optimize.DEFAULT]
runner = Interpreter(model_content=converter.convert()).get_signature_runner()
output = runner(**arrays)["output"]"""
_STORED = 'stored_weight = runner(indices=np.arange(len(weight), dtype=indices.dtype))["output"]'


def write(call: Call, options: Mapping[str, Any]) -> str:
    """Write a call."""
    lines = [*_function(call, list(arrays_of(call)), options), _RUN]
    if call.wants("product"):
        lines.append('product = outputs["product"]')
    return "\n".join([*lines, *_weight_after(call)])


def write_quantized(call: Call, options: Mapping[str, Any]) -> str:
    """Write a call with the table in the model; raise Unsupported for what cannot be written."""
    require_written(call)
    names = [name for name in call.inputs if name != "weight"]
    lines = [*_function(call, names, options), _QUANTIZED]
    if call.wants("stored_weight"):
        lines.append(_STORED)
    return "\n".join([*lines, *_weight_after(call)])


def _function(call: Call, names: list[str], options: Mapping[str, Any]) -> list[str]:
    """Write the function that is converted, which takes the arrays of these names."""
    function = reduce if call.operation.is_bag else None
    holds_table = call.operation.is_quantized
    product = ', "product": tf.cast(output, weight.dtype) @ weight' if call.wants("product") else ""
    return [
        "from typing import Any\n",
        "import tensorflow as tf",
        "from ai_edge_litert.interpreter import Interpreter\n",
        *([f"\n{source(function)}\n"] if function else []),
        "\nmodule = tf.Module()",
        *(["module.table = tf.Variable(weight)"] if holds_table else []),
        f"arrays = {{{', '.join(f'{name!r}: {name}' for name in names)}}}\n\n",
        "@tf.function",
        f"def lookup({', '.join(names)}):",
        *(["    weight = module.table"] if holds_table else []),
        f"    output = {taking(call, function, options)}",
        f'    return {{"output": output{product}}}\n\n',
    ]


def _weight_after(call: Call) -> list[str]:
    # LiteRT copies its inputs, so the caller finds the array unchanged.
    return ["weight_after = weight"] if call.wants("weight_after") else []
