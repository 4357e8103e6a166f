"""A call as lines of TensorFlow's own API: a function, run as it is or compiled by XLA."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from embcheck.backends.composed.composition import source
from embcheck.conformance.contract.backend import Unsupported
from embcheck.conformance.contract.call import Call, Observation, Operation

_OF_THE_GRADIENT = {
    Observation.GRAD_WEIGHT: "tf.convert_to_tensor(gradient)",
    Observation.GRAD_WEIGHT_IS_SPARSE: "tf.constant(isinstance(gradient, tf.IndexedSlices))",
    Observation.SPARSE_GRAD_ROWS: "gradient.indices",
    Observation.SPARSE_GRAD_VALUES: "gradient.values",
}

_EARLIER_USES = {
    Observation.GRAD_WEIGHT_AFTER_EARLIER_USE: "weight",
    Observation.GRAD_WEIGHT_AFTER_EARLIER_USE_OF_CLONE: "tf.identity(weight)",
}

_WRITTEN = {
    *("output", "product", "weight_after", "inputs_after", "grad_per_sample_weights"),
    *(*_OF_THE_GRADIENT, *_EARLIER_USES),
}


def write(
    call: Call, reduce: Callable[..., Any] | None, options: Mapping[str, Any], jit_compile: bool
) -> str:
    """Write a call; raise Unsupported for an observation that cannot be written."""
    for name in call.observe:
        if name not in _WRITTEN:
            raise Unsupported(f"no script is written for {name}")
    functions = [f"\n{source(reduce)}\n"] if reduce else []
    names = list(call.inputs)
    wanted = [n for n in call.observe if n not in ("output", "weight_after", "inputs_after")]
    decorator = ["@tf.function(jit_compile=True)"] if jit_compile else []
    shown = ", ".join(["output", *wanted])
    lines = [
        "from typing import Any\n\nimport tensorflow as tf\n",
        *functions,
        "",
        *decorator,
        f"def call({', '.join(names)}):",
        *(f"    {line}" for line in _body(call, taking(call, reduce, options))),
        f"    return {shown}\n\n",
        *(f"{name} = {_given(name, call)}" for name in names),
        f"{shown} = call({', '.join(names)})",
        *(f"{name} = {name}.numpy()" for name in ("output", *wanted)),
    ]
    rows = Observation.SPARSE_GRAD_ROWS
    # TensorFlow keeps row numbers in the dtype of the indices.
    lines += [f'{rows} = {rows}.astype("int64")'] if rows in wanted else []
    if call.wants(Observation.WEIGHT_AFTER):
        lines.append("weight_after = weight.numpy()")
    return "\n".join(lines)


def taking(call: Call, reduce: Callable[..., Any] | None, options: Mapping[str, Any]) -> str:
    """Write the lookup of a call."""
    if call.operation is Operation.ONE_HOT:
        return f"tf.one_hot(indices, {options['num_classes']!r}, dtype=tf.int64)"
    given = ["weight", "indices"]
    given += [f"{n}={n}" for n in ("offsets", "per_sample_weights") if n in call.inputs]
    given += [f"{name}={value!r}" for name, value in options.items()]
    function = "tf.nn.embedding_lookup" if reduce is None else reduce.__name__
    return f"{function}({', '.join(given)})"


def _given(name: str, call: Call) -> str:
    if name != "weight":
        return f"tf.constant({name})"
    return "tf.Variable(weight, trainable=False)" if call.is_frozen else "tf.Variable(weight)"


def _body(call: Call, lookup: str) -> list[str]:
    """Write the lookup and its observations, under a tape if gradients are among them."""
    lines = [f"output = {lookup}"]
    if call.wants("product"):
        lines.append("product = tf.cast(output, weight.dtype) @ weight")
    if not call.wants(*_OF_THE_GRADIENT, *_EARLIER_USES, "grad_per_sample_weights"):
        return lines
    earlier = {name: use for name, use in _EARLIER_USES.items() if call.wants(name)}
    taped = [
        *(["tape.watch(per_sample_weights)"] if "per_sample_weights" in call.inputs else []),
        *(f"earlier = tf.reduce_sum(tf.square({use}))" for use in earlier.values()),
        *lines,
        # Written for one earlier use; two would need different names.
        *("total = earlier + tf.reduce_sum(output)" for _ in earlier),
    ]
    upstream = "grad_output" if "grad_output" in call.inputs else "None"
    lines = ["with tf.GradientTape(persistent=True) as tape:", *(f"    {line}" for line in taped)]
    if call.wants(*_OF_THE_GRADIENT):
        lines.append(f"gradient = tape.gradient(output, weight, {upstream})")
    lines += [f"{name} = {how}" for name, how in _OF_THE_GRADIENT.items() if call.wants(name)]
    if call.wants("grad_per_sample_weights"):
        factors = "per_sample_weights"
        lines.append(f"grad_{factors} = tape.gradient(output, {factors}, {upstream})")
    total = "tf.convert_to_tensor(tape.gradient(total, weight))"
    return lines + [f"{name} = {total}" for name in earlier]
