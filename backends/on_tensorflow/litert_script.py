"""A call as lines of TensorFlow's converter and LiteRT's interpreter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from embcheck.backends.composed.composition import source
from embcheck.backends.on_tensorflow.litert_models import arrays_of
from embcheck.backends.on_tensorflow.lookups import reduce
from embcheck.backends.on_tensorflow.script import taking
from embcheck.conformance.contract.backend import Unsupported
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
_OF_QUANTIZED = {"output", "stored_weight", "weight_after", "inputs_after"}


def write(call: Call, options: Mapping[str, Any]) -> str:
    """Write a call."""
    names, function = list(arrays_of(call)), reduce if call.operation.is_bag else None
    has_product = call.wants("product")
    product = ', "product": tf.cast(output, weight.dtype) @ weight' if has_product else ""
    lines = [
        "from typing import Any\n",
        "import tensorflow as tf",
        "from ai_edge_litert.interpreter import Interpreter\n",
        *([f"\n{source(function)}\n"] if function else []),
        "\nmodule = tf.Module()",
        f"arrays = {{{', '.join(f'{name!r}: {name}' for name in names)}}}\n\n",
        "@tf.function",
        f"def lookup({', '.join(names)}):",
        f"    output = {taking(call, function, options)}",
        f'    return {{"output": output{product}}}\n\n',
        _RUN,
        *(['product = outputs["product"]'] if has_product else []),
        *(["weight_after = weight"] if call.wants("weight_after") else []),
    ]
    return "\n".join(lines)


def write_quantized(call: Call, options: Mapping[str, Any]) -> str:
    """Write a call of a table that the model holds; raises Unsupported for what is not written."""
    if not set(call.observe) <= _OF_QUANTIZED:
        raise Unsupported("no script is written for this observation")
    names, function = list(call.inputs), reduce if call.operation.is_bag else None
    names.remove("weight")
    lines = [
        "from typing import Any\n",
        "import tensorflow as tf",
        "from ai_edge_litert.interpreter import Interpreter\n",
        *([f"\n{source(function)}\n"] if function else []),
        "\nmodule = tf.Module()",
        "module.table = tf.Variable(weight)",
        f"arrays = {{{', '.join(f'{name!r}: {name}' for name in names)}}}\n\n",
        "@tf.function",
        f"def lookup({', '.join(names)}):",
        f"    weight = module.table\n    output = {taking(call, function, options)}",
        '    return {"output": output}\n\n',
        _QUANTIZED,
        *([_STORED] if call.wants("stored_weight") else []),
        *(["weight_after = weight"] if call.wants("weight_after") else []),
    ]
    return "\n".join(lines)
