"""A call as lines of Paddle's own API."""

from __future__ import annotations

from typing import Any

from embcheck.backends.composed.composition import BAG_OPTIONS, source
from embcheck.backends.composed.lookups import GRADIENTS
from embcheck.backends.on_paddle.lookups import (
    reduce_matrix,
    reduce_segments,
    write_array,
    write_tensor,
)
from embcheck.conformance.contract.backend import Unsupported
from embcheck.conformance.contract.call import Call, Observation, Operation

_WRITTEN = frozenset(
    {
        *GRADIENTS,
        Observation.OUTPUT,
        Observation.WEIGHT_AFTER,
        Observation.INPUTS_AFTER,
        Observation.TRAINABLE,
        Observation.TRAINED_WEIGHT,
        Observation.PRODUCT,
    }
)
_IMPORTS = "from typing import Any\n\nimport paddle\nfrom paddle import Tensor\n"


def write(call: Call, device: str) -> str:
    """Write a call; raise Unsupported for an observation that cannot be written."""
    unknown = set(call.observe) - _WRITTEN
    if unknown or (call.option("sparse") and call.wants(Observation.GRAD_WEIGHT)):
        what = ", ".join(sorted(unknown)) or "a sparse gradient"
        raise Unsupported(f"no script is written for {what}")
    lines = [_IMPORTS] if call.operation.is_bag else ["import paddle\n"]
    if call.operation.is_bag:
        lines.append(f"\n{source(_reduction(call))}\n\n")
    if device == "cuda":
        lines.append('paddle.set_device("gpu")')
    lines += [f"{n} = {write_tensor(n, array.dtype)}" for n, array in call.inputs.items()]
    return "\n".join([*lines, *_leaves(call), *_lookup(call), *_derived(call), *_home(call)])


def _reduction(call: Call) -> Any:
    return reduce_segments if "offsets" in call.inputs else reduce_matrix


def _leaves(call: Call) -> list[str]:
    """Write which tensors take part in gradients."""
    wanted = [name for observation, name in GRADIENTS.items() if call.wants(observation)]
    if call.wants(Observation.TRAINED_WEIGHT):
        wanted.append("weight")
    if call.operation.makes_module:
        wanted = []
    return [f"{name}.stop_gradient = False" for name in dict.fromkeys(wanted)]


def _lookup(call: Call) -> list[str]:
    options = dict(call.options)
    if call.operation is Operation.EMBEDDING_FROM_PRETRAINED:
        options.pop("freeze", None)
        trainable = not call.is_frozen
        sizes = "weight.shape[0], weight.shape[-1], dtype=weight.dtype"
        given = ", ".join([sizes, "weight_attr=attribute", *_options(options)])
        return [
            "initialiser = paddle.nn.initializer.Assign(weight)",
            f"attribute = paddle.ParamAttr(initializer=initialiser, trainable={trainable})",
            f"layer = paddle.nn.Embedding({given})",
            "output = layer(indices)",
        ]
    if call.operation.is_fresh:
        layer = f"layer = paddle.nn.Embedding({', '.join(_options(options))})"
        return [layer, "output = layer(indices)"]
    if call.operation.is_bag:
        return _bag(call)
    table = [] if call.operation is Operation.ONE_HOT else ["weight"]
    given = ", ".join(["indices", *table, *_options(options)])
    typed = '.astype("int64")' if call.operation is Operation.ONE_HOT else ""
    return [f"output = paddle.nn.functional.{call.operation}({given}){typed}"]


def _bag(call: Call) -> list[str]:
    lines, given = [], ["indices", "weight"]
    ends_itself = call.option("include_last_offset")
    if "offsets" in call.inputs:
        end = "paddle.to_tensor([len(indices)], offsets.dtype)"
        lines.append(f"bounds = {'offsets' if ends_itself else f'paddle.concat([offsets, {end}])'}")
        given.append("bounds")
    given.append(repr(call.option("mode")))
    given += [name for name in ("per_sample_weights",) if name in call.inputs]
    rows = {name: value for name, value in call.options.items() if name not in BAG_OPTIONS}
    called = ", ".join([*given, *_options(rows)])
    return [*lines, f"output = {_reduction(call).__name__}({called})"]


def _options(options: dict[str, Any]) -> list[str]:
    # The repr of an infinite float is no Python.
    return [f"{n}=float('inf')" if v == float("inf") else f"{n}={v!r}" for n, v in options.items()]


def _derived(call: Call) -> list[str]:
    """Write the gradients, the flags and the training step."""
    is_layer = call.operation.makes_module
    weight = "layer.weight" if is_layer else "weight"
    trained = "*layer.parameters()" if is_layer else weight
    upstream = "grad_output" if "grad_output" in call.inputs else "paddle.ones_like(output)"
    lines = []
    for observation, name in GRADIENTS.items():
        if call.wants(observation):
            leaf = weight if name == "weight" else name
            called = f"paddle.grad(output, {leaf}, {upstream}, retain_graph=True)"
            lines.append(f"({observation},) = {called}")
    if call.wants(Observation.TRAINABLE):
        lines.append(f"trainable = np.array(not {weight}.stop_gradient)")
    if call.wants(Observation.PRODUCT):
        lines.append(f"product = output.astype({weight}.dtype) @ {weight}")
    if call.wants(Observation.TRAINED_WEIGHT):
        lines += [
            f"company = paddle.ones([1], {_company(call)!r})",
            "company.stop_gradient = False",
            f"optimiser = paddle.optimizer.SGD(1.0, [{trained}, company])",
            f"paddle.autograd.backward([output, company.clone()], [{upstream}, None])",
            "optimiser.step()",
            f"trained_weight = {weight}",
        ]
    if call.wants(Observation.WEIGHT_AFTER):
        lines.append(f"weight_after = {'layer.weight' if call.operation.is_fresh else 'weight'}")
    return lines


def _company(call: Call) -> str:
    is_double = "weight" in call.inputs and call.inputs["weight"].dtype.name == "float64"
    return "float64" if is_double else "float32"


def _home(call: Call) -> list[str]:
    """Write how the answers become NumPy arrays."""
    skipped = (Observation.INPUTS_AFTER, Observation.TRAINABLE)
    weight = call.inputs.get("weight")
    typed = "int64" if weight is None else weight.dtype.name
    lines = []
    for name in dict.fromkeys(["output", *call.observe]):
        # One-hot rows are int64, whatever the dtype of the table.
        is_encoding = call.operation is Operation.ONE_HOT and name == "output"
        if name not in skipped:
            lines.append(f"{name} = {write_array(name, 'int64' if is_encoding else typed)}")
    return lines
