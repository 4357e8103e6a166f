"""A call as lines of PyTorch's own API, for every adapter that goes through PyTorch."""

from __future__ import annotations

from typing import Any

from embcheck.backends.torch_names import SPELLINGS, makes_module
from embcheck.conformance.contract.backend import Unsupported
from embcheck.conformance.contract.call import Call, Observation, Operation

_FROM_NUMPY = "torch.from_numpy({0})"
_FROM_BITS = "torch.from_numpy({0}.view(np.{1})).view(torch.{2})"
_TO_NUMPY = "{0}.detach().to_dense().cpu().numpy()"
_TO_BITS = "{0}.detach().to_dense().cpu().view(torch.{1}).numpy().view(ml_dtypes.{2})"
_BITS = {"bfloat16": "uint16", "float8_e4m3fn": "uint8", "float8_e5m2": "uint8"}

_LATER = {
    Observation.GRAD_WEIGHT: "weight",
    Observation.GRAD_PER_SAMPLE_WEIGHTS: "per_sample_weights",
}
_WRITTEN = frozenset(
    {
        *_LATER,
        Observation.OUTPUT,
        Observation.WEIGHT_AFTER,
        Observation.INPUTS_AFTER,
        Observation.TRAINABLE,
        Observation.TRAINED_WEIGHT,
        Observation.PRODUCT,
    }
)


def write(call: Call, function: str = "{}", device: str = "cpu") -> str:
    """Write a call; `function` wraps what PyTorch documents, as in `torch.compile({})`.

    What it makes from example inputs, `{examples}` in its text, is given those of the call.
    """
    expect_written(call)
    lines = ["import torch", "", *_tensors(call, device), *_lookup(call, function, device)]
    weight = "module.weight" if makes_module(call.operation) else "weight"
    return "\n".join([*lines, *derived(call, weight), *home(call)])


def expect_written(call: Call) -> None:
    """Raise Unsupported for what no lines are known for."""
    unknown = set(call.observe) - _WRITTEN
    if unknown or call.operation is Operation.PROBE:
        what = ", ".join(sorted(unknown)) or "a probe"
        raise Unsupported(f"no script is written for {what}")


def plain_tensors(call: Call, device: str = "cpu") -> list[str]:
    """Write how a call's arrays become tensors."""
    lines = []
    for name, array in call.inputs.items():
        dtype = array.dtype.name
        made = (_FROM_BITS if dtype in _BITS else _FROM_NUMPY).format(name, _BITS.get(dtype), dtype)
        moved = made if device == "cpu" else f"{made}.to({device!r})"
        lines.append(f"{name} = {moved}")
    return lines


def _tensors(call: Call, device: str) -> list[str]:
    lines = plain_tensors(call, device)
    for observation, name in _LATER.items():
        if call.wants(observation) and not makes_module(call.operation):
            lines.append(f"{name}.requires_grad_()")
    if call.wants(Observation.TRAINED_WEIGHT) and not makes_module(call.operation):
        lines.append("weight.requires_grad_()")
    return list(dict.fromkeys(lines))


def _lookup(call: Call, function: str, device: str) -> list[str]:
    made = [_module(call, device)] if makes_module(call.operation) else []
    if "{examples}" in function:
        return made + _from_examples(call, function)
    if made:
        arguments = ", ".join(["indices", *_bags(call)])
        return [*made, f"output = {function.format('module')}({arguments})"]
    return [f"output = {function.format(SPELLINGS[call.operation])}({_arguments(call)})"]


def _module(call: Call, device: str) -> str:
    table = ["weight"] if "weight" in call.inputs else []
    place = [f"device={device!r}"] if device != "cpu" and not table else []
    return f"module = {SPELLINGS[call.operation]}({', '.join([*table, *_options(call), *place])})"


def _from_examples(call: Call, function: str) -> list[str]:
    """Write the call of what is made from a module and example inputs, here the call's own."""
    bags = [name for name in ("offsets", "per_sample_weights") if name in call.inputs]
    if makes_module(call.operation):
        lines, module = [], "module"
        skipped = ["None"] if bags == ["per_sample_weights"] else []
        names = ", ".join(["indices", *skipped, *bags])
    else:
        table = [] if call.operation is Operation.ONE_HOT else ["weight"]
        names, module = ", ".join(["indices", *table, *bags]), "Lookup()"
        looked_up = f"{SPELLINGS[call.operation]}({_arguments(call)})"
        forward = f"    def forward(self, {names}):"
        lines = ["", "class Lookup(torch.nn.Module):", forward, f"        return {looked_up}", ""]
    made = function.format(module, examples=f"({names},)")
    return [*lines, f"program = {made}", f"output = program({names})"]


def _arguments(call: Call) -> str:
    table = [] if call.operation is Operation.ONE_HOT else ["weight"]
    return ", ".join(["indices", *table, *_bags(call), *_options(call)])


def _bags(call: Call) -> list[str]:
    return [f"{n}={n}" for n in ("offsets", "per_sample_weights") if n in call.inputs]


def _options(call: Call) -> list[str]:
    return [f"{name}={_value(name, value)}" for name, value in call.options.items()]


def _value(name: str, value: Any) -> str:
    if name == "dtype":
        return f"torch.{value}"
    return f"float({str(value)!r})" if value in (float("inf"), float("-inf")) else repr(value)


def derived(call: Call, weight: str) -> list[str]:
    """Write the gradients, the flags and the training step of the weight of that name."""
    upstream = "grad_output" if "grad_output" in call.inputs else "torch.ones_like(output)"
    lines = []
    for observation, name in _LATER.items():
        if call.wants(observation):
            leaf = weight if name == "weight" else name
            lines.append(
                f"{observation} = torch.autograd.grad(output, {leaf}, {upstream}, "
                "retain_graph=True)[0]"
            )
    if call.wants(Observation.TRAINABLE):
        lines.append(f"trainable = torch.tensor({weight}.requires_grad)")
    if call.wants(Observation.PRODUCT):
        lines.append(f"product = output.to({weight}.dtype) @ {weight}")
    if call.wants(Observation.TRAINED_WEIGHT):
        lines += [
            f"factor = torch.nn.Parameter({upstream}.clone())",
            f"optimiser = torch.optim.SGD([{weight}, factor], lr=1)",
            "(output * factor).sum().backward()",
            "optimiser.step()",
            f"trained_weight = {weight}",
        ]
    if call.wants(Observation.WEIGHT_AFTER):
        lines.append(f"weight_after = {weight}")
    return lines


def home(call: Call) -> list[str]:
    """Write how the answers become NumPy arrays again."""
    shown = [name for name in call.observe if name != Observation.INPUTS_AFTER]
    weight = call.inputs.get("weight")
    exotic = weight is not None and weight.dtype.name in _BITS
    lines = []
    for name in dict.fromkeys(["output", *shown]):
        is_table_typed = exotic and name != Observation.TRAINABLE
        home = _TO_BITS if is_table_typed and call.operation is not Operation.ONE_HOT else _TO_NUMPY
        dtype = weight.dtype.name if weight is not None else ""
        lines.append(f"{name} = {home.format(name, _BITS.get(dtype), dtype)}")
    return lines
